/** A reply under construction in a reused buffer. Encoders write by position for speed; a test compares them with the tables of format/fuse.ts. */
import { toBytes, type ByteString } from '../bytes/byte-string.js';
import { attributes, attributesReply, directoryEntry, entryReply, replyHeader } from '../format/fuse.js';
import type { DirectoryItem, Entry, NodeAttributes } from './file-system.js';
import type { Request } from './request.js';

const BODY = replyHeader.size;

export class Reply {
  readonly view: DataView;
  private end = BODY;

  /** @param validSeconds how long the kernel may cache names and attributes: long, because images are frozen */
  constructor(private readonly buffer: Uint8Array, private readonly validSeconds: number) {
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  /** The finished reply; valid until the next is begun. */
  get bytes(): Uint8Array { return this.buffer.subarray(0, this.end); }
  /** Negated errno, 0 = success. */
  get error(): number { return this.view.getInt32(4, true); }

  begin(request: Request): void {
    this.end = BODY;
    this.view.setInt32(4, 0, true);
    request.copyUnique(this.view);
  }

  /** @returns the whole reply for one write(2). */
  finish(): Uint8Array {
    this.view.setUint32(0, this.end, true);
    return this.bytes;
  }

  /** Drops what was written so far and answers an error. */
  fail(errno: number): void {
    this.end = BODY;
    this.view.setInt32(4, -errno, true);
  }

  /** @returns the next `size` bytes of the body, zeroed, for the caller to fill. */
  reserve(size: number): number {
    const at = this.end;
    this.buffer.fill(0, at, at + size);
    this.end += size;
    return at;
  }

  /** @returns room for `size` bytes of file data, not zeroed; {@link keep} says how many were filled. */
  dataRoom(size: number): Uint8Array {
    return this.buffer.subarray(BODY, BODY + size);
  }

  keep(size: number): void { this.end = BODY + size; }

  append(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.end);
    this.end += bytes.length;
  }

  u32(value: number): void {
    this.view.setUint32(this.reserve(4), value, true);
  }

  u64(value: number): void {
    this.setU64(this.reserve(8), value);
  }

  entry(entry: Entry): void {
    this.putEntry(this.reserve(entryReply.size), entry);
  }

  /** A name that does not exist, for the kernel to remember. */
  negativeEntry(): void {
    this.setU64(this.reserve(entryReply.size) + 16, this.validSeconds);
  }

  attributes(values: NodeAttributes): void {
    const at = this.reserve(attributesReply.size);
    this.setU64(at, this.validSeconds);
    this.putAttributes(at + 16, values);
  }

  /**
   * One READDIR item, with `entry` (which may be "not looked up") before it for READDIRPLUS.
   *
   * @param next ordinal of the following item
   * @param room bytes the body may have in all
   * @returns false when it does not fit; nothing was written then
   */
  directoryItem(item: DirectoryItem, next: number, room: number, entry?: Entry | 'none'): boolean {
    const name = toBytes(item.name);
    const plus = entry === undefined ? 0 : entryReply.size;
    const size = plus + ((directoryEntry.size + name.length + 7) & ~7);
    if (this.end - BODY + size > room) return false;
    const at = this.reserve(size);
    if (entry !== undefined && entry !== 'none') this.putEntry(at, entry);
    this.setU64(at + plus, item.inode);
    this.setU64(at + plus + 8, next);
    this.view.setUint32(at + plus + 16, name.length, true);
    this.view.setUint32(at + plus + 20, item.mode >>> 12, true);
    this.buffer.set(name, at + plus + directoryEntry.size);
    return true;
  }

  private putEntry(at: number, entry: Entry): void {
    this.setU64(at, entry.node);
    this.setU64(at + 8, entry.generation);
    this.setU64(at + 16, this.validSeconds);
    this.setU64(at + 24, this.validSeconds);
    this.putAttributes(at + 40, entry.attributes);
  }

  private putAttributes(at: number, values: NodeAttributes): void {
    const view = this.view;
    this.setU64(at, values.inode);
    this.setU64(at + 8, values.size);
    this.setU64(at + 16, values.blocks);
    this.setU64(at + 24, values.atimeSeconds);
    this.setU64(at + 32, values.mtimeSeconds);
    this.setU64(at + 40, values.ctimeSeconds);
    view.setUint32(at + 48, values.atimeNanoseconds, true);
    view.setUint32(at + 52, values.mtimeNanoseconds, true);
    view.setUint32(at + 56, values.ctimeNanoseconds, true);
    view.setUint32(at + 60, values.mode, true);
    view.setUint32(at + 64, values.linkCount, true);
    view.setUint32(at + 68, values.uid, true);
    view.setUint32(at + 72, values.gid, true);
    view.setUint32(at + 76, values.device, true);
    view.setUint32(at + 80, values.blockSize, true);
    view.setUint32(at + attributes.size - 4, 0, true);
  }

  // Two halves instead of a bigint; floor keeps times before 1970 in two's complement.
  private setU64(at: number, value: number): void {
    this.view.setUint32(at, value >>> 0, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000) >>> 0, true);
  }
}

/** @returns `names` as listxattr(2) returns them: each ended by NUL. */
export function encodeNames(names: readonly ByteString[]): Uint8Array {
  return toBytes(names.map((name) => `${name}\0`).join(''));
}
