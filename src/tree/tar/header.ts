/** Reads one header block. Strict about numbers and checksum, for a wrong size makes everything after it nonsense. */
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { TAR_BLOCK_SIZE, tarHeader } from '../../format/tar.js';

export interface Header {
  /** With the prefix of POSIX. */
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow, before padding. */
  readonly size: number;
  readonly mtime: number;
  /** One character; `0` for the NUL of old archives. */
  readonly type: string;
  readonly linkName: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/**
 * @param field the raw bytes of a numeric field
 * @returns the number; 0 for a field of NULs or blanks only; NaN when it is neither octal text nor base-256, or beyond 2^53-1
 */
export function decodeNumber(field: Uint8Array): number {
  const first = field[0]!;
  if (first & 0x80) {
    // Two's complement: 0x80 starts a positive number, 0xff a negative one, whose bytes count down from -1.
    const negative = (first & 0x40) !== 0;
    let value = first & 0x3f;
    if (negative) value -= 0x40;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : NaN;
  }
  let at = first === 0 ? 1 : 0; // Old archivers end a number of full width in the field that follows; GNU tar looks behind that NUL too.
  while (field[at] === 0x20) at++;
  let value = 0;
  for (; at < field.length && field[at]! >= 0x30 && field[at]! <= 0x37; at++) value = value * 8 + field[at]! - 0x30;
  // What stands behind the blank or NUL that ends a number is left from whatever the archiver had there before.
  const terminator = field[at];
  return terminator === undefined || terminator === 0x20 || terminator === 0 ? value : NaN;
}

const CHECKSUM_START = tarHeader.offsetOf('checksum');
const CHECKSUM_END = CHECKSUM_START + 8;

/** @returns the sum of the block's bytes as POSIX wants it, and as old archivers made it, with signed bytes. */
function sums(block: Uint8Array): [unsigned: number, signed: number] {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let i = 0; i < TAR_BLOCK_SIZE; i++) {
    if (i === CHECKSUM_START) i = CHECKSUM_END;
    unsigned += block[i]!;
    high += block[i]! >> 7;
  }
  return [unsigned, unsigned - 256 * high];
}

/** @returns the error for what begins as no archive does. */
export function noArchive(): ThawfsError {
  return new ThawfsError('BAD_MAGIC', 'this is not a tar archive', {
    detail: { record: 'tar header', offset: 0 }, suggestion: 'Name a directory, a tar archive, oci:DIR, oci-archive:FILE, docker-archive:FILE, dump:FILE or ext4:FILE.',
  });
}

/**
 * @param block 512 bytes
 * @param offset of the block in the archive, for messages
 * @throws CHECKSUM_MISMATCH for a damaged header; BAD_MAGIC when the file does not begin with one; BAD_FIELD for a number that is none
 */
export function decodeHeader(block: Uint8Array, offset: number): Header {
  const raw = tarHeader.decode(block);
  const number = (field: 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'checksum' | 'deviceMajor' | 'deviceMinor'): number => {
    const value = decodeNumber(raw[field]);
    if (!Number.isNaN(value)) return value;
    throw new ThawfsError('BAD_FIELD', `tar header at byte ${offset}: ${field} is no number`, { detail: { record: 'tar header', field, offset } });
  };
  const magic = Buffer.from(raw.magic.buffer, raw.magic.byteOffset, 8).toString('latin1');
  if (!sums(block).includes(decodeNumber(raw.checksum))) {
    if (offset === 0 && !magic.startsWith('ustar')) {
      throw noArchive();
    }
    throw new ThawfsError('CHECKSUM_MISMATCH', `tar header at byte ${offset}: its checksum is wrong`, {
      detail: { record: 'tar header', offset }, suggestion: 'Check that the file is a tar archive and was copied whole.',
    });
  }
  // GNU tar and star keep times where POSIX has the prefix, or its end.
  const star = Buffer.from(raw.pad.buffer, raw.pad.byteOffset + 8, 4).toString('latin1') === 'tar\0';
  const prefix = !magic.startsWith('ustar\0') ? '' : star ? raw.prefix.slice(0, 131) : raw.prefix;
  const special = raw.type === '3' || raw.type === '4';
  const size = number('size');
  if (size < 0) throw new ThawfsError('BAD_FIELD', `tar header at byte ${offset}: size is negative`, { detail: { record: 'tar header', field: 'size', offset } });
  return {
    name: prefix === '' ? raw.name : `${prefix}/${raw.name}`,
    mode: number('mode'), uid: number('uid'), gid: number('gid'), size, mtime: number('mtime'),
    type: raw.type === '' ? '0' : raw.type,
    linkName: raw.linkName,
    deviceMajor: special ? number('deviceMajor') : 0,
    deviceMinor: special ? number('deviceMinor') : 0,
  };
}
