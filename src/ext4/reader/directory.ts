/**
 * Directories as a list of blocks of entries (kernel: Documentation/filesystems/ext4/directory.rst). The index blocks
 * of an htree look like empty blocks to this reader; htree.ts reads them as what they are.
 */
import type { ByteString } from '../../bytes/byte-string.js';
import { crc32c } from '../../bytes/crc32c.js';
import type { NodeKind } from '../../model/tree.js';
import { DIR_ENTRY_HEADER_SIZE, DIR_TAIL_FILE_TYPE, DIR_TAIL_SIZE, directoryTail, fileTypes } from '../../format/ext4/directory.js';
import { compat } from '../../format/ext4/features.js';
import { inodeFlags } from '../../format/ext4/inode.js';
import { badChecksum, badField, type Place } from './fault.js';
import { openIndexNode, openIndexRoot } from './htree-node.js';
import { readInlineParts } from './inline.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import { mapRuns } from './mapping.js';
import type { Run } from './run.js';
import type { Volume } from './volume.js';

export interface DirEntry {
  readonly name: ByteString;
  /** Inode number. */
  readonly inode: number;
  /** What the directory says the inode is; undefined when the file system does not note it (no filetype feature). */
  readonly kind: NodeKind | undefined;
}

/** A block of a directory: its number there, its bytes (our own copy). */
export interface DirectoryBlock {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly place: Place;
}

const SLASH = 0x2f;
const kindOfFileType = new Map(Object.entries(fileTypes).map(([kind, value]) => [value, kind as NodeKind]));

/** @returns the number of blocks of a directory that is kept in blocks. */
export function directoryBlockCount(volume: Volume, directory: Ext4Inode): number {
  const place = inodePlace(directory);
  const { size } = directory;
  if (size === 0 || size % volume.blockSize !== 0) throw badField(place, 'size', `is ${size}, not a multiple of the block size`);
  const count = size / volume.blockSize;
  if (count > volume.blockCount) throw badField(place, 'size', `is ${size}, more than the device holds`);
  return count;
}

/**
 * @returns every entry in disk order, `.` and `..` included, checked: record lengths, names, inode numbers, block checksums
 * @throws BAD_FIELD, CHECKSUM_MISMATCH. Memory: one block at a time
 */
export function* readEntries(volume: Volume, directory: Ext4Inode): Generator<DirEntry> {
  if (directory.mapping === 'inline') {
    yield* readInlineEntries(volume, directory);
    return;
  }
  const count = directoryBlockCount(volume, directory);
  for (const block of readDirectoryBlocks(volume, directory, count)) yield* parseBlock(volume, directory, block);
}

/** @returns the entry named `name`, by reading block after block. */
export function findLinear(volume: Volume, directory: Ext4Inode, name: ByteString): DirEntry | undefined {
  for (const entry of readEntries(volume, directory)) if (entry.name === name) return entry;
  return undefined;
}

/** @returns the entry named `name` in one block of the directory. */
export function findInBlock(volume: Volume, directory: Ext4Inode, block: DirectoryBlock, name: ByteString): DirEntry | undefined {
  return parseBlock(volume, directory, block).find((entry) => entry.name === name);
}

/** @returns one block of a directory as it is on disk (the caller's own copy), with its place. */
export function readDirectoryBlock(volume: Volume, directory: Ext4Inode, number: number): DirectoryBlock {
  const run = mapRuns(volume, directory, number, number + 1)[0];
  if (run === undefined || run.unwritten) throw badField(inodePlace(directory), 'block map', `has a hole at block ${number} of a directory`);
  return readAt(volume, directory, run, number);
}

/** @returns the first `count` blocks in order. */
export function* readDirectoryBlocks(volume: Volume, directory: Ext4Inode, count: number): Generator<DirectoryBlock> {
  let number = 0;
  for (const run of mapRuns(volume, directory, 0, count)) {
    if (run.logical > number || run.unwritten) break;
    for (; number < Math.min(count, run.logical + run.count); number++) yield readAt(volume, directory, run, number);
  }
  if (number < count) throw badField(inodePlace(directory), 'block map', `has a hole at block ${number} of a directory`);
}

function readAt(volume: Volume, directory: Ext4Inode, run: Run, number: number): DirectoryBlock {
  const block = run.physical + number - run.logical;
  return {
    number, bytes: volume.readBlock(block),
    place: { record: `directory block ${number} of inode ${directory.number}`, offset: block * volume.blockSize },
  };
}

/**
 * Block 0 begins with `.` and `..`; no entry of another block may be called so.
 *
 * @returns the entries of a block, none for an index node, which looks like one unused entry
 */
export function parseBlock(volume: Volume, directory: Ext4Inode, { number, bytes, place }: DirectoryBlock): DirEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length;
  if (isIndexNode(volume, directory, number, view)) {
    if (volume.hasMetadataChecksums) (number === 0 ? openIndexRoot : openIndexNode)(volume, directory, bytes, place);
  } else if (volume.hasMetadataChecksums) {
    end -= DIR_TAIL_SIZE;
    verifyLeaf(directory, bytes, view, end, place);
  }
  const entries = parseEntries(volume, view, 0, end, place);
  if (number > 0) refuseDots(entries, 0, place);
  else refuseDots(requireDots(entries, directory, place), 2, place);
  return entries;
}

/** @returns whether a block is part of the index of a directory that has one: its first, and those that one unused entry fills. */
export function isIndexNode(volume: Volume, directory: Ext4Inode, number: number, view: DataView): boolean {
  if (!isIndexed(volume, directory)) return false;
  return number === 0 || (view.getUint32(0, true) === 0 && recordLength(view, 0) === view.byteLength);
}

/** @returns whether a directory has a hash tree. */
export function isIndexed(volume: Volume, directory: Ext4Inode): boolean {
  return inodeFlags.has(directory.flags, 'index') && directory.mapping !== 'inline' && compat.has(volume.superblock.featureCompat, 'dir_index');
}

function verifyLeaf(directory: Ext4Inode, bytes: Uint8Array, view: DataView, end: number, place: Place): void {
  const tail = directoryTail.decode(bytes, end);
  if (tail.reservedZero1 !== 0 || tail.recordLength !== DIR_TAIL_SIZE || tail.fileType !== DIR_TAIL_FILE_TYPE) {
    throw badField(place, 'tail', 'is missing, the checksum has no place');
  }
  const computed = crc32c(directory.checksumSeed, bytes, 0, end);
  const stored = view.getUint32(end + 8, true);
  if (stored !== computed) throw badChecksum(place, stored, computed);
}

function requireDots(entries: DirEntry[], directory: Ext4Inode, place: Place): DirEntry[] {
  if (entries[0]?.name !== '.' || entries[0].inode !== directory.number || entries[1]?.name !== '..') {
    throw badField(place, 'first entries', 'are not . for the directory itself and ..');
  }
  return entries;
}

function refuseDots(entries: DirEntry[], from: number, place: Place): void {
  for (let i = from; i < entries.length; i++) {
    const { name } = entries[i]!;
    if (name === '.' || name === '..') throw badField(place, 'name', `is ${name} where only files are listed`);
  }
}

/** Four bytes of parent number, then entries in i_block; more in the system.data xattr. `.` and `..` are not stored. */
function readInlineEntries(volume: Volume, directory: Ext4Inode): DirEntry[] {
  const place = inodePlace(directory);
  const { head, rest } = readInlineParts(volume, directory);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const parent = view.getUint32(0, true);
  checkInodeNumber(volume, parent, place);
  const entries = parseEntries(volume, view, 4, view.byteLength, place);
  if (rest.length > 0) entries.push(...parseEntries(volume, new DataView(rest.buffer, rest.byteOffset, rest.byteLength), 0, rest.length, place));
  refuseDots(entries, 0, place);
  const kind = volume.hasFileTypes ? 'directory' : undefined;
  return [{ name: '.', inode: directory.number, kind }, { name: '..', inode: parent, kind }, ...entries];
}

/** Records fill [start, end) exactly; unused ones (inode 0) are skipped. */
function parseEntries(volume: Volume, view: DataView, start: number, end: number, place: Place): DirEntry[] {
  const entries: DirEntry[] = [];
  const names = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  for (let at = start; at < end;) {
    const length = recordLength(view, at);
    const nameLength = at + DIR_ENTRY_HEADER_SIZE <= end ? view.getUint8(at + 6) : 0;
    if (length % 4 !== 0 || length < DIR_ENTRY_HEADER_SIZE + Math.max(1, nameLength) || at + length > end) {
      throw badField({ record: place.record, offset: place.offset + at }, 'record length', `is ${length} for a name of ${nameLength} bytes, ${end - at} bytes are left`);
    }
    const inode = view.getUint32(at, true);
    if (inode !== 0) entries.push(parseEntry(volume, view, names, at, inode, nameLength, place));
    at += length;
  }
  return entries;
}

function parseEntry(volume: Volume, view: DataView, names: Buffer, at: number, inode: number, nameLength: number, block: Place): DirEntry {
  const place = { record: block.record, offset: block.offset + at };
  checkInodeNumber(volume, inode, place);
  if (nameLength === 0) throw badField(place, 'name length', 'is 0');
  const from = at + DIR_ENTRY_HEADER_SIZE;
  for (let i = from; i < from + nameLength; i++) {
    const byte = names[i]!;
    if (byte === 0 || byte === SLASH) throw badField(place, 'name', `holds the byte 0x${byte === 0 ? '00' : '2f'}`);
  }
  const fileType = volume.hasFileTypes ? view.getUint8(at + 7) : 0;
  const kind = kindOfFileType.get(fileType);
  if (kind === undefined && fileType !== 0) throw badField(place, 'file type', `is ${fileType}`);
  return { name: names.toString('latin1', from, from + nameLength), inode, kind };
}

function checkInodeNumber(volume: Volume, number: number, place: Place): void {
  if (number === 0 || number > volume.inodeCount) throw badField(place, 'inode', `is ${number}, the file system has ${volume.inodeCount}`);
}

/** In blocks of 64 KiB a record may be as long as two bytes cannot say (kernel: ext4_rec_len_from_disk). */
function recordLength(view: DataView, at: number): number {
  if (at + DIR_ENTRY_HEADER_SIZE > view.byteLength) return 0;
  const stored = view.getUint16(at + 4, true);
  if (view.byteLength < 65_536) return stored;
  return stored === 65_535 || stored === 0 ? 65_536 : (stored & 65_532) | (stored & 3) << 16;
}
