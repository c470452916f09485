/**
 * Updates in place, in two steps that a kill can interrupt anywhere. First the new image is assembled beside the old one: of its blocks those that
 * differ go into a journal, and the device is only read. Then, when what was assembled is known to be the signed image and the journal
 * is on the disk, its records are written to the device; whoever starts again writes them all again.
 */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { crc32c } from '../bytes/crc32c.js';
import { parseHex } from '../bytes/hex.js';
import { fromErrno, ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { JOURNAL_MAGIC, journalHeader, journalRecord, type PatchHeader } from '../format/patch.js';
import { tryFileLock } from '../sys/file-lock.js';
import { loopOver } from '../sys/loop-files.js';
import { isHole, writeBack } from '../sys/seek.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import { readUpTo, writeAt } from '../sys/descriptor.js';
import type { ImageOutput, ImageWriter, NewChunk } from './image-writer.js';
import { busy, type ResumableFile } from './resumable-file.js';

/** Progress is noted in steps of so many raw bytes. */
const NOTE_STEP = 4 * MiB;
const RECORD_MAX = MiB;

interface JournalRecord { readonly offset: number; readonly bytes: Uint8Array }

/** @returns false for what is no file, or holds something else: a journal is written over, and removed at the end */
export function mayBeJournal(file: ResumableFile): boolean {
  return fstatSync(file.fd).isFile() && (file.size === 0 || Buffer.from(JOURNAL_MAGIC).equals(file.read(0, JOURNAL_MAGIC.length)));
}

export class Journal implements ImageOutput {
  private readonly header: { readonly rootHash: Uint8Array; readonly baseRootHash: Uint8Array; readonly rawSize: bigint };
  private position = journalHeader.size;
  private noted = 0;
  private replaying = false;
  /** Old bytes, and a record with its own. */
  private readonly old = Buffer.allocUnsafeSlow(MiB);
  private readonly record = Buffer.allocUnsafeSlow(journalRecord.size + RECORD_MAX);

  /** @param device file or block device with the old raw image */
  constructor(private readonly file: ResumableFile, private readonly device: Device, { verity, raw }: Manifest, { baseRootHash }: PatchHeader) {
    this.header = { rootHash: parseHex(verity.rootHash, 'manifest.verity.rootHash'), baseRootHash, rawSize: BigInt(raw.size) };
  }

  /** @returns whether the device may be in the middle of becoming this image. @throws BAD_ARGUMENT when it may be in the middle of becoming another one */
  isComplete(): boolean {
    const bytes = this.file.read(0, journalHeader.size);
    if (bytes.length < journalHeader.size || !Buffer.from(JOURNAL_MAGIC).equals(bytes.subarray(0, JOURNAL_MAGIC.length))) return false;
    const { complete, rootHash, checksum } = journalHeader.decode(bytes);
    const plain = Uint8Array.from(bytes);
    plain.fill(0, 12, 16); // journalHeader.checksum
    if (crc32c(0xffff_ffff, plain) !== checksum || complete !== 1) return false;
    if (Buffer.compare(rootHash, this.header.rootHash) === 0) return true;
    throw new ThawfsError('BAD_ARGUMENT', `${this.file.path}: the journal of another update that is not finished`, {
      detail: { path: this.file.path, rootHash: Buffer.from(rootHash).toString('hex') }, suggestion: 'Run thawfs patch --in-place with the patch of that update first.',
    });
  }

  /** Begins, or goes on: gives the writer what is known of the new image. @returns bytes taken over */
  begin(writer: ImageWriter): number {
    if (!this.belongs()) {
      this.file.resize(0);
      this.writeHeader(0);
      return 0;
    }
    this.replaying = true;
    const old = (to: number): void => {
      while (writer.rawPosition < to) writer.addRaw(this.oldBytes(writer.rawPosition, Math.min(MiB, to - writer.rawPosition)));
    };
    for (const { offset, bytes } of this.records()) {
      old(offset);
      writer.addRaw(bytes);
    }
    this.replaying = false;
    this.noted = writer.rawPosition;
    this.file.resize(this.position);
    return writer.rawPosition;
  }

  add({ raw, offset }: NewChunk): void {
    if (this.replaying) return;
    const old = this.oldBytes(offset, raw.length);
    let start = -1;
    for (let at = 0; at <= raw.length; at += BLOCK_SIZE) {
      const differs = at < raw.length && (offset + at < this.noted ? false : old.compare(raw, at, at + BLOCK_SIZE, at, at + BLOCK_SIZE) !== 0);
      if (differs && start < 0) start = at;
      if (!differs && start >= 0) {
        this.append(offset + start, raw.subarray(start, at));
        start = -1;
      }
    }
    if (offset + raw.length - this.noted >= NOTE_STEP) this.append(offset + raw.length, new Uint8Array(0));
  }

  /** The new image is what was signed: from here on the device may be written. */
  finish(): void {
    this.file.resize(this.position);
    fsyncSync(this.file.fd);
    this.writeHeader(1);
    fsyncSync(this.file.fd);
  }

  /** Writes the device; then the journal is not needed any more. @throws CHECKSUM_MISMATCH before anything is written when the journal was damaged */
  apply(onProgress: (done: number, total: number) => void): void {
    const total = Number(this.header.rawSize);
    this.device.require(total);
    this.requireWhole();
    this.position = journalHeader.size;
    for (const { offset, bytes } of this.records()) {
      this.device.write(bytes, offset);
      onProgress(offset + bytes.length, total);
    }
    this.device.finish(total);
    onProgress(total, total);
    this.file.discard();
  }

  /** Half an update is worse than none. */
  private requireWhole(): void {
    this.position = journalHeader.size;
    const records = this.records();
    while (records.next().done !== true);
    if (this.position === this.file.size) return;
    throw new ThawfsError('CHECKSUM_MISMATCH', `${this.file.temporaryPath}: the journal is damaged at byte ${this.position}`, {
      detail: { path: this.file.temporaryPath, offset: this.position }, suggestion: `If ${this.device.path} was not written yet, remove the journal and run the command again; else write the whole image to it (thawfs unpack).`,
    });
  }

  /** Whether the file is the journal of this update. */
  private belongs(): boolean {
    const bytes = this.file.read(0, journalHeader.size);
    if (bytes.length < journalHeader.size || !Buffer.from(JOURNAL_MAGIC).equals(bytes.subarray(0, JOURNAL_MAGIC.length))) return false;
    const { rootHash, baseRootHash } = journalHeader.decode(bytes);
    return Buffer.compare(rootHash, this.header.rootHash) === 0 && Buffer.compare(baseRootHash, this.header.baseRootHash) === 0;
  }

  private writeHeader(complete: 0 | 1): void {
    const plain = journalHeader.encode({ ...this.header, magic: JOURNAL_MAGIC, complete });
    this.file.write(journalHeader.encode({ ...this.header, magic: JOURNAL_MAGIC, complete, checksum: crc32c(0xffff_ffff, plain) }), 0);
  }

  private append(offset: number, bytes: Uint8Array): void {
    const record = { offset: BigInt(offset), length: bytes.length };
    const checksum = crc32c(crc32c(0xffff_ffff, journalRecord.encode(record)), bytes);
    this.record.set(journalRecord.encode({ ...record, checksum }));
    this.record.set(bytes, journalRecord.size);
    this.file.write(this.record.subarray(0, journalRecord.size + bytes.length), this.position);
    this.position += journalRecord.size + bytes.length;
    this.noted = offset + bytes.length;
  }

  /** @returns bytes of the device; good until the next call */
  private oldBytes(offset: number, length: number): Buffer {
    const bytes = this.old.subarray(0, length);
    this.device.readInto(offset, bytes);
    return bytes;
  }

  /** Up to the first that is not whole; the bytes of each are good until the next. */
  private *records(): Generator<JournalRecord> {
    for (;;) {
      const bytes = this.file.read(this.position, journalRecord.size);
      if (bytes.length < journalRecord.size) return;
      const { offset, length, checksum } = journalRecord.decode(bytes);
      if (length > RECORD_MAX) return;
      const data = this.file.read(this.position + journalRecord.size, length, this.record);
      if (data.length < length || crc32c(crc32c(0xffff_ffff, journalRecord.encode({ offset, length })), data) !== checksum) return;
      this.position += journalRecord.size + length;
      yield { offset: Number(offset), bytes: data };
    }
  }
}

/** What is updated in place: a raw image in a file, or a block device that nobody has mounted. */
export class Device {
  readonly isFile: boolean;
  private readonly fd: number;
  private readonly deviceSize: number = 0;

  /** @throws PATH_MISSING, NOT_PERMITTED; MOUNT_BUSY when somebody uses the device; OUTPUT_BUSY when another run writes it; BAD_ARGUMENT for what is neither */
  constructor(readonly path: string) {
    try {
      // O_EXCL without O_CREAT: of a block device that is mounted or otherwise held the kernel says EBUSY.
      this.fd = openSync(path, constants.O_RDWR | constants.O_EXCL | constants.O_NONBLOCK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EISDIR') throw neither(path);
      if (code !== 'EBUSY') throw fromErrno(error, `opening ${path}`);
      throw new ThawfsError('MOUNT_BUSY', `${path}: is in use`, { detail: { path }, suggestion: 'Unmount it first.', cause: error });
    }
    const stat = fstatSync(this.fd);
    this.isFile = stat.isFile();
    if (stat.isBlockDevice()) this.deviceSize = sizeOfDevice(this.fd);
    const loop = this.isFile ? loopOver(stat) : undefined;
    if (loop !== undefined) {
      this.close();
      throw new ThawfsError('MOUNT_BUSY', `${path}: is in use by ${loop}`, { detail: { path, device: loop }, suggestion: 'Detach it first, or update the device instead of the file.' });
    }
    if (this.isFile || stat.isBlockDevice()) {
      if (this.isFile) writeBack(this.fd); // so that holes are holes
      if (tryFileLock(this.fd)) return;
      this.close();
      throw busy(path);
    }
    this.close();
    throw neither(path);
  }

  /** Fills `target`; with zeros behind the end. */
  readInto(offset: number, target: Uint8Array): void {
    target.fill(0, this.isFile && isHole(this.fd, offset, target.length) ? 0 : readUpTo(this.fd, target, offset, this.path)); // reading a hole takes as long as reading data
  }

  write(bytes: Uint8Array, offset: number): void {
    writeAt(this.fd, bytes, offset, this.path);
  }

  /** @throws NO_SPACE when a device is too small for so many bytes */
  require(size: number): void {
    if (this.isFile || this.size >= size) return;
    throw new ThawfsError('NO_SPACE', `${this.path}: is smaller than the new image of ${size} bytes`, { detail: { needed: size }, suggestion: 'Use a larger device.' });
  }

  /** All is written. @param size of the image */
  finish(size: number): void {
    try {
      if (this.isFile) ftruncateSync(this.fd, size);
      fsyncSync(this.fd);
    } catch (error) {
      throw fromErrno(error, `writing ${this.path}`);
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Bytes of the file or device. */
  private get size(): number {
    return this.isFile ? fstatSync(this.fd).size : this.deviceSize;
  }
}

/** @returns bytes of a block device: where reading ends */
function sizeOfDevice(fd: number): number {
  const byte = Buffer.alloc(1);
  let [low, high] = [0, 2 ** 52];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (readsAt(fd, middle, byte)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function readsAt(fd: number, offset: number, byte: Uint8Array): boolean {
  try {
    return readSync(fd, byte, 0, 1, offset) === 1;
  } catch {
    return false;
  }
}

function neither(path: string): ThawfsError {
  return new ThawfsError('BAD_ARGUMENT', `${path}: neither a raw image nor a block device`, { detail: { path }, suggestion: 'Name the raw image or device that is to be updated.' });
}
