/** Group descriptors: where the bitmaps and the inode table of a block group lie (kernel: Documentation/filesystems/ext4/group_descr.rst). */
import { crc16 } from '../../bytes/crc16.js';
import { crc32c } from '../../bytes/crc32c.js';
import { groupDescriptor32, groupDescriptor64, groupFlags, type GroupDescriptor64 } from '../../format/ext4/group-descriptor.js';
import { badChecksum, badField, type Place } from './fault.js';
import type { Volume } from './volume.js';

export interface Group {
  readonly number: number;
  readonly place: Place;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly directories: number;
  /** Inodes at the end of the table that were never used; the table need not be initialised there. */
  readonly unusedInodes: number;
  /** The bitmap on disk is not initialised: no block beyond the group's own metadata is in use. */
  readonly blocksUninitialised: boolean;
  readonly inodesUninitialised: boolean;
  readonly blockBitmapChecksum: number;
  readonly inodeBitmapChecksum: number;
}

const CHECKSUM = groupDescriptor32.offsetOf('checksum');
const zero = new Uint8Array(2);

/** @throws BAD_FIELD, CHECKSUM_MISMATCH, TRUNCATED */
export function readGroup(volume: Volume, number: number): Group {
  const size = volume.descriptorSize;
  const offset = volume.layout.descriptorOffset(number);
  const place = { record: `group descriptor ${number}`, offset };
  const bytes = volume.image.read(offset, size);
  verifyChecksum(volume, number, bytes, place);
  const low = groupDescriptor32.decode(bytes);
  const high: Partial<GroupDescriptor64> = size >= groupDescriptor64.size ? groupDescriptor64.decode(bytes) : {};

  const hasUninit = volume.hasGroupChecksums;
  const group: Group = {
    number, place,
    blockBitmap: join32(low.blockBitmapLo, high.blockBitmapHi),
    inodeBitmap: join32(low.inodeBitmapLo, high.inodeBitmapHi),
    inodeTable: join32(low.inodeTableLo, high.inodeTableHi),
    freeBlocks: join16(low.freeBlocksCountLo, high.freeBlocksCountHi),
    freeInodes: join16(low.freeInodesCountLo, high.freeInodesCountHi),
    directories: join16(low.usedDirectoriesCountLo, high.usedDirectoriesCountHi),
    unusedInodes: hasUninit ? join16(low.unusedInodesLo, high.unusedInodesHi) : 0,
    blocksUninitialised: hasUninit && groupFlags.has(low.flags, 'blockUninit'),
    inodesUninitialised: hasUninit && groupFlags.has(low.flags, 'inodeUninit'),
    blockBitmapChecksum: join16(low.blockBitmapChecksumLo, high.blockBitmapChecksumHi),
    inodeBitmapChecksum: join16(low.inodeBitmapChecksumLo, high.inodeBitmapChecksumHi),
  };
  volume.checkBlocks(group.blockBitmap, 1, place, 'block bitmap');
  volume.checkBlocks(group.inodeBitmap, 1, place, 'inode bitmap');
  volume.checkBlocks(group.inodeTable, volume.layout.inodeTableBlocks, place, 'inode table');
  if (group.unusedInodes > volume.inodesPerGroup) throw badField(place, 'unused inodes', `is ${group.unusedInodes}, a group has ${volume.inodesPerGroup}`);
  return group;
}

function join32(low: number, high = 0): number {
  return low + high * 2 ** 32;
}

function join16(low: number, high = 0): number {
  return low + high * 2 ** 16;
}

/** Kernel: ext4_group_desc_csum. With metadata_csum crc32c, with uninit_bg alone crc16; both over the group number and the record. */
function verifyChecksum(volume: Volume, number: number, bytes: Uint8Array, place: Place): void {
  if (!volume.hasGroupChecksums) return;
  const groupNumber = new Uint8Array(4);
  new DataView(groupNumber.buffer).setUint32(0, number, true);
  let computed: number;
  if (volume.hasMetadataChecksums) {
    computed = crc32c(volume.checksumSeed, groupNumber);
    computed = crc32c(computed, bytes, 0, CHECKSUM);
    computed = crc32c(computed, zero);
    computed = crc32c(computed, bytes, CHECKSUM + 2) & 0xffff;
  } else {
    computed = crc16(crc16(0xffff, volume.uuid), groupNumber);
    computed = crc16(computed, bytes, 0, CHECKSUM);
    computed = crc16(computed, bytes, CHECKSUM + 2);
  }
  const stored = bytes[CHECKSUM]! | bytes[CHECKSUM + 1]! << 8;
  if (stored !== computed) throw badChecksum(place, stored, computed);
}
