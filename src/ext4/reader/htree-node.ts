/** One node of a directory's hash tree: sorted pairs of hash and block (kernel: Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories"). */
import { crc32c } from '../../bytes/crc32c.js';
import { directoryEntry, dxCountLimit, dxEntry, dxNode, dxRoot, dxTail, hashVersions, type DxRoot } from '../../format/ext4/directory.js';
import { badChecksum, badField, type Place } from './fault.js';
import type { Ext4Inode } from './inode.js';
import type { Volume } from './volume.js';

export interface IndexNode {
  readonly place: Place;
  readonly count: number;
  /** @returns the lowest hash below entry `i`; bit 0 = the block before may hold the same hash. That of entry 0 counts as 0. */
  hash(i: number): number;
  /** @returns the logical block that entry `i` leads to. */
  block(i: number): number;
}

export interface IndexRoot extends IndexNode {
  /** 0..2, as stored: whether bytes hash as signed is said by the superblock. */
  readonly hashVersion: number;
  /** Levels of nodes between the root and the leaves. */
  readonly levels: number;
}

const zero = new Uint8Array(4);
const DOT_DOT = directoryEntry.size + 4;

/** @throws BAD_FIELD when it is not a root that the kernel would use; CHECKSUM_MISMATCH */
export function openIndexRoot(volume: Volume, directory: Ext4Inode, bytes: Uint8Array, place: Place): IndexRoot {
  const root = dxRoot.decode(bytes);
  checkRoot(volume, root, bytes.length, place);
  return { ...openEntries(volume, directory, bytes, place, dxRoot.size), hashVersion: root.hashVersion, levels: root.indirectLevels };
}

/** @throws as openIndexRoot */
export function openIndexNode(volume: Volume, directory: Ext4Inode, bytes: Uint8Array, place: Place): IndexNode {
  const head = dxNode.decode(bytes);
  if (head.inode !== 0 || head.nameLength !== 0) throw badField(place, 'index node', 'does not begin with an unused entry');
  return openEntries(volume, directory, bytes, place, dxNode.size);
}

function checkRoot(volume: Volume, root: DxRoot, blockSize: number, place: Place): void {
  const mostLevels = volume.hasLargeDirectories ? 2 : 1;
  if (root.dotRecordLength !== DOT_DOT || root.dotDotRecordLength !== (blockSize - DOT_DOT & 0xffff)) throw badField(place, 'index root', 'does not follow . and ..');
  if (root.reservedZero !== 0 || root.infoLength !== 8 || (root.unusedFlags & 1) !== 0) throw badField(place, 'index root', 'has unknown fields');
  if (root.hashVersion > hashVersions.tea) throw badField(place, 'hash version', `is ${root.hashVersion}`);
  if (root.indirectLevels > mostLevels) throw badField(place, 'indirect levels', `is ${root.indirectLevels}, at most ${mostLevels} is possible`);
}

function openEntries(volume: Volume, directory: Ext4Inode, bytes: Uint8Array, place: Place, start: number): IndexNode {
  const { limit, count } = dxCountLimit.decode(bytes, start);
  const tail = volume.hasMetadataChecksums ? dxTail.size : 0;
  const room = Math.floor((bytes.length - start - tail) / dxEntry.size);
  if (limit !== room) throw badField(place, 'index limit', `is ${limit}, there is room for ${room}`);
  if (count === 0 || count > limit) throw badField(place, 'index count', `is ${count}, expected 1-${limit}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (volume.hasMetadataChecksums) {
    // Over the entries in use and the reserved word of the tail, then a zero in place of the checksum (kernel: ext4_dx_csum).
    const tailAt = start + limit * dxEntry.size;
    let computed = crc32c(directory.checksumSeed, bytes, 0, start + count * dxEntry.size);
    computed = crc32c(computed, bytes, tailAt, tailAt + 4);
    computed = crc32c(computed, zero);
    const stored = view.getUint32(tailAt + 4, true);
    if (stored !== computed) throw badChecksum(place, stored, computed);
  }
  return {
    place, count,
    hash: (i) => i === 0 ? 0 : view.getUint32(start + i * dxEntry.size, true),
    block: (i) => view.getUint32(start + i * dxEntry.size + 4, true) & 0x0fff_ffff, // the upper bits were meant for fullness
  };
}
