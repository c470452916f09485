/** The tar header block: POSIX.1-2001 ustar, and what GNU tar keeps in its place (tar.h of GNU tar, "GNU extensions"). */
import { bytes, chars, struct } from '../bytes/struct.js';

/** Everything in a tar is padded to a multiple of this. */
export const TAR_BLOCK_SIZE = 512;

/** Numbers are octal text, or big-endian two's complement when the first byte has its top bit (base-256). */
export const tarHeader = struct('tar header', 512, [
  [0, 'name', chars(100)],
  [100, 'mode', bytes(8), 'number'],
  [108, 'uid', bytes(8), 'number'],
  [116, 'gid', bytes(8), 'number'],
  [124, 'size', bytes(12), 'number'],
  [136, 'mtime', bytes(12), 'number'],
  [148, 'checksum', bytes(8), 'number: sum of all bytes, with blanks in this field'],
  [156, 'type', chars(1)],
  [157, 'linkName', chars(100)],
  [257, 'magic', bytes(8), '"ustar", NUL, "00" (POSIX); "ustar  ", NUL (GNU); anything else: the format of 1979'],
  [265, 'userName', chars(32)],
  [297, 'groupName', chars(32)],
  [329, 'deviceMajor', bytes(8), 'number'],
  [337, 'deviceMinor', bytes(8), 'number'],
  [345, 'prefix', chars(155), 'POSIX: goes before the name with a slash between; GNU: other fields, see tarSparseHeader'],
  [500, 'pad', bytes(12), 'star puts "tar", NUL at 508 and uses 131 bytes of the prefix'],
]);

/** A piece of a sparse file: offset and length, both numbers of 12 bytes. */
export const SPARSE_ENTRY_SIZE = 24;

/** Where GNU tar's sparse files (type S) have their map in the header block. */
export const tarSparseHeader = struct('GNU sparse header', 512, [
  [0, 'common', bytes(386)],
  [386, 'entries', bytes(4 * SPARSE_ENTRY_SIZE)],
  [482, 'isExtended', bytes(1), 'not zero: a tarSparseExtension follows'],
  [483, 'realSize', bytes(12), 'number: size of the file with its holes'],
  [495, 'pad', bytes(17)],
]);

/** Further blocks of such a map. */
export const tarSparseExtension = struct('GNU sparse extension', 512, [
  [0, 'entries', bytes(21 * SPARSE_ENTRY_SIZE)],
  [504, 'isExtended', bytes(1)],
  [505, 'pad', bytes(7)],
]);
