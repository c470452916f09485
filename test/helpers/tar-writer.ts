/** Writes tar archives by hand, proper or not: each field can be set to what no archiver would write. */
import { TAR_BLOCK_SIZE, tarHeader } from '../../src/format/tar.js';

export interface EntryFields {
  readonly name?: string;
  readonly type?: string;
  readonly linkName?: string;
  readonly data?: string | Uint8Array;
  /** Instead of the length of `data`. */
  readonly size?: number | Uint8Array;
  readonly mode?: number;
  readonly mtime?: number | Uint8Array;
  readonly uid?: number;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly magic?: 'ustar\x0000' | 'ustar  \0' | '';
  readonly checksum?: number;
  /** Writes into the header block before its checksum is made. */
  readonly patch?: (block: Buffer) => void;
}

function number(value: number | Uint8Array | undefined, size: number): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(`${(value ?? 0).toString(8).padStart(size - 1, '0')}\0`, 'latin1');
}

/** @returns header and data of one member, padded. */
export function entry(fields: EntryFields): Buffer {
  const data = typeof fields.data === 'string' ? Buffer.from(fields.data, 'latin1') : Buffer.from(fields.data ?? []);
  const block = Buffer.from(tarHeader.encode({
    name: fields.name ?? 'f', mode: number(fields.mode ?? 0o644, 8), uid: number(fields.uid, 8), gid: number(0, 8),
    size: number(fields.size ?? data.length, 12), mtime: number(fields.mtime, 12), checksum: Buffer.from('        '), type: fields.type ?? '0',
    linkName: fields.linkName ?? '', magic: Buffer.from(fields.magic ?? 'ustar\x0000', 'latin1'),
    deviceMajor: number(fields.deviceMajor, 8), deviceMinor: number(fields.deviceMinor, 8),
  }));
  fields.patch?.(block);
  const sum = fields.checksum ?? block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, tarHeader.offsetOf('checksum'), 'latin1');
  return Buffer.concat([block, data, Buffer.alloc((TAR_BLOCK_SIZE - data.length % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE)]);
}

/** @returns one record of a pax header, its length counting itself. */
export function paxRecord(key: string, value: string): string {
  let length = key.length + value.length + 3;
  while (`${length} ${key}=${value}\n`.length !== length) length++;
  return `${length} ${key}=${value}\n`;
}

/** @returns an extended header for the member that follows. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  return entry({ name: 'pax', type, data: Object.entries(records).map(([key, value]) => paxRecord(key, value)).join('') });
}

export const end = Buffer.alloc(2 * TAR_BLOCK_SIZE);

/** @returns the members and the end mark. */
export function archive(...members: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...members, end]);
}
