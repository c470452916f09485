/** Seeds of the checksums of metadata blocks (metadata_csum): everything that belongs to an inode is bound to its number. */
import { crc32c } from '../../bytes/crc32c.js';
import { CHECKSUM_SEED } from './parameters.js';

const record = new Uint8Array(8);
const view = new DataView(record.buffer);

/** @returns crc32c(file system seed, inode number, generation 0). */
export function inodeChecksumSeed(inode: number): number {
  view.setUint32(0, inode, true);
  view.setUint32(4, 0, true);
  return crc32c(CHECKSUM_SEED, record);
}

/** @returns crc32c(file system seed, a 32-bit number): start of group descriptor checksums. */
export function numberChecksumSeed(number: number): number {
  view.setUint32(0, number, true);
  return crc32c(CHECKSUM_SEED, record, 0, 4);
}

/** @returns crc32c(file system seed, a block number of 64 bits): start of xattr block checksums. */
export function blockChecksumSeed(block: number): number {
  view.setUint32(0, block, true);
  view.setUint32(4, block / 2 ** 32, true);
  return crc32c(CHECKSUM_SEED, record);
}
