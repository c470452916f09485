/** An ext4 image opened for reading: checked geometry, and blocks, groups and inode places by number. */
import type { RandomAccess } from '../../bytes/random-access.js';
import { crc32c } from '../../bytes/crc32c.js';
import { ThawfsError } from '../../errors.js';
import { incompat, roCompat } from '../../format/ext4/features.js';
import {
  CHECKSUM_TYPE_CRC32C, DYNAMIC_REVISION, EXT4_MAGIC, FIRST_FREE_INODE, SUPERBLOCK_CHECKSUMMED, SUPERBLOCK_OFFSET, superblock as record, type Superblock,
} from '../../format/ext4/superblock.js';
import { badChecksum, badField, unsupported, type Place } from './fault.js';
import { requireReadable } from './features.js';
import type { ExtentNode } from './extent-tree.js';
import { readGroup, type Group } from './group.js';
import { GroupLayout } from './layout.js';
import { LruCache } from '../../bytes/lru-cache.js';

const CREATOR_HURD = 1;
const MAX_LOG_BLOCK_SIZE = 6;
const GROUP_CACHE_SIZE = 1024;
/** Blocks of inode tables: files of one directory mostly have neighbouring inodes. */
const TABLE_CACHE_SIZE = 64;
const EXTENT_CACHE_SIZE = 64;
const place: Place = { record: 'superblock', offset: SUPERBLOCK_OFFSET };

export class Volume {
  readonly superblock: Superblock;
  readonly uuid: Uint8Array;
  readonly blockSize: number;
  readonly blockCount: number;
  /** As the superblock says. */
  readonly freeBlocks: number;
  readonly inodeCount: number;
  readonly inodeSize: number;
  readonly inodesPerGroup: number;
  readonly firstFileInode: number;
  readonly descriptorSize: number;
  readonly layout: GroupLayout;
  /** metadata_csum: crc32c over every metadata record. */
  readonly hasMetadataChecksums: boolean;
  /** Group descriptors carry a checksum and flags (metadata_csum or uninit_bg). */
  readonly hasGroupChecksums: boolean;
  readonly checksumSeed: number;
  readonly has64Bit: boolean;
  readonly hasExtents: boolean;
  readonly hasInlineData: boolean;
  readonly hasHugeFiles: boolean;
  readonly hasLargeDirectories: boolean;
  readonly hasFileTypes: boolean;
  private readonly groups = new LruCache<number, Group>(GROUP_CACHE_SIZE);
  /** Blocks of extent trees by inode, block and depth. */
  readonly extentNodes = new LruCache<string, ExtentNode>(EXTENT_CACHE_SIZE);
  private readonly tableBlocks = new LruCache<number, Uint8Array>(TABLE_CACHE_SIZE);

  /**
   * Reads and checks the superblock.
   *
   * @throws BAD_MAGIC, BAD_FIELD, CHECKSUM_MISMATCH, FEATURE_UNSUPPORTED, TRUNCATED when the image is shorter than the file system
   */
  constructor(readonly image: RandomAccess) {
    const bytes = image.read(SUPERBLOCK_OFFSET, record.size);
    const superblock = record.decode(bytes);
    if (superblock.magic !== EXT4_MAGIC) {
      throw new ThawfsError('BAD_MAGIC', `superblock (byte ${SUPERBLOCK_OFFSET}): magic is 0x${superblock.magic.toString(16)}, not 0x${EXT4_MAGIC.toString(16)}: no ext2, ext3 or ext4 file system`, {
        detail: { ...place, field: 'magic' },
      });
    }
    this.superblock = superblock;
    this.uuid = superblock.uuid;
    this.hasMetadataChecksums = roCompat.has(superblock.featureRoCompat, 'metadata_csum');
    if (this.hasMetadataChecksums) verifySuperblock(superblock, bytes);
    requireReadable(superblock);

    const has = (name: Parameters<typeof incompat.has>[1]): boolean => incompat.has(superblock.featureIncompat, name);
    this.has64Bit = has('64bit');
    this.hasExtents = has('extents');
    this.hasInlineData = has('inline_data');
    this.hasLargeDirectories = has('large_dir');
    this.hasFileTypes = has('filetype');
    this.hasHugeFiles = roCompat.has(superblock.featureRoCompat, 'huge_file');
    this.hasGroupChecksums = this.hasMetadataChecksums || roCompat.has(superblock.featureRoCompat, 'uninit_bg');
    this.checksumSeed = has('metadata_csum_seed') ? superblock.checksumSeed : crc32c(0xffff_ffff, superblock.uuid);

    const isDynamic = superblock.revision >= DYNAMIC_REVISION;
    this.blockSize = readBlockSize(superblock);
    this.inodeSize = isDynamic ? superblock.inodeSize : 128;
    this.firstFileInode = isDynamic ? superblock.firstInode : FIRST_FREE_INODE;
    this.descriptorSize = this.has64Bit ? superblock.descriptorSize : 32;
    this.blockCount = superblock.blocksCountLo + (this.has64Bit ? superblock.blocksCountHi * 2 ** 32 : 0);
    this.freeBlocks = superblock.freeBlocksCountLo + (this.has64Bit ? superblock.freeBlocksCountHi * 2 ** 32 : 0);
    this.inodeCount = superblock.inodesCount;
    this.inodesPerGroup = superblock.inodesPerGroup;
    this.checkSizes();
    this.layout = new GroupLayout(superblock, this.blockSize, this.blockCount, this.inodeSize, this.descriptorSize);
    this.checkCounts();
  }

  /** @returns the descriptor of a group, from a small cache. @throws BAD_FIELD, CHECKSUM_MISMATCH */
  group(number: number): Group {
    return this.groups.get(number, () => readGroup(this, number));
  }

  /** @returns one block that `checkBlocks` has passed; a copy that the caller owns. */
  readBlock(block: number): Uint8Array {
    return this.copy(block * this.blockSize, this.blockSize);
  }

  /** @returns bytes of the image that the caller owns. (slice() of a Buffer would be a view.) */
  copy(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.image.read(offset, length));
  }

  /** Fills `target` with the bytes of the image at `offset`. */
  readInto(target: Uint8Array, offset: number): void {
    if (this.image.readInto === undefined) target.set(this.image.read(offset, target.length));
    else this.image.readInto(target, offset);
  }

  /** @throws BAD_FIELD when blocks that a record names are not all inside the device */
  checkBlocks(first: number, count: number, from: Place, field: string): void {
    if (first < Math.max(1, this.superblock.firstDataBlock) || first + count > this.blockCount) {
      throw badField(from, field, `is block ${first}${count === 1 ? '' : `-${first + count - 1}`}, the device has blocks 1-${this.blockCount - 1}`);
    }
  }

  /** As checkBlocks, for stretches that begin with the superblock itself. */
  checkMetadataBlocks(first: number, count: number, from: Place): void {
    if (first + count > this.blockCount) throw badField(from, 'metadata', `reaches block ${first + count - 1}, the device ends at ${this.blockCount - 1}`);
  }

  /** @returns the byte offset of an inode's record. @throws BAD_FIELD for a number that the file system does not have */
  inodeOffset(number: number): number {
    if (!Number.isInteger(number) || number < 1 || number > this.inodeCount) {
      throw badField({ record: `inode ${number}`, offset: 0 }, 'number', `is outside 1-${this.inodeCount}`);
    }
    const group = this.group(Math.floor((number - 1) / this.inodesPerGroup));
    return group.inodeTable * this.blockSize + ((number - 1) % this.inodesPerGroup) * this.inodeSize;
  }

  /** @returns the record of an inode at the offset that inodeOffset gives; the caller owns it. */
  inodeRecord(offset: number): Uint8Array {
    const at = offset % this.blockSize; // a record never crosses blocks
    const start = offset - at;
    return this.tableBlocks.get(start, () => this.copy(start, this.blockSize)).slice(at, at + this.inodeSize);
  }

  private checkSizes(): void {
    const { superblock, blockSize, inodeSize, descriptorSize } = this;
    if (superblock.creatorOs === CREATOR_HURD) throw unsupported('hurd', 'the inodes are laid out for GNU Hurd', 'Build from the mounted files.');
    if (!isPowerOfTwo(inodeSize) || inodeSize < 128 || inodeSize > blockSize) throw badField(place, 'inode size', `is ${inodeSize}`);
    if (!isPowerOfTwo(descriptorSize) || (this.has64Bit && descriptorSize < 64) || descriptorSize > blockSize) {
      throw badField(place, 'descriptor size', `is ${descriptorSize}`);
    }
    if (superblock.firstDataBlock !== (blockSize === 1024 ? 1 : 0)) throw badField(place, 'first data block', `is ${superblock.firstDataBlock}`);
    const mostPerGroup = blockSize * 8; // a bitmap is one block
    if (superblock.blocksPerGroup < 8 || superblock.blocksPerGroup > mostPerGroup || superblock.blocksPerGroup % 8 !== 0) {
      throw badField(place, 'blocks per group', `is ${superblock.blocksPerGroup}`);
    }
    const inodesPerBlock = blockSize / inodeSize;
    if (this.inodesPerGroup < inodesPerBlock || this.inodesPerGroup > mostPerGroup || this.inodesPerGroup % 8 !== 0) throw badField(place, 'inodes per group', `is ${this.inodesPerGroup}`);
    if (this.firstFileInode < FIRST_FREE_INODE || this.firstFileInode > this.inodeCount) throw badField(place, 'first inode', `is ${this.firstFileInode}`);
  }

  private checkCounts(): void {
    const { superblock, blockCount, image, layout } = this;
    if (blockCount <= superblock.firstDataBlock + 1) throw badField(place, 'blocks count', `is ${blockCount}`);
    const bytes = blockCount * this.blockSize;
    if (bytes > image.size) {
      throw new ThawfsError('TRUNCATED', `superblock (byte ${SUPERBLOCK_OFFSET}): the file system has ${bytes} bytes, the image ${image.size}`, {
        detail: { ...place, field: 'blocks count', expected: bytes, actual: image.size }, suggestion: 'Fetch the whole image again.',
      });
    }
    if (this.inodeCount !== layout.groupCount * this.inodesPerGroup) {
      throw badField(place, 'inodes count', `is ${this.inodeCount}, ${layout.groupCount} groups have ${layout.groupCount * this.inodesPerGroup}`);
    }
  }
}

function verifySuperblock(superblock: Superblock, bytes: Uint8Array): void {
  if (superblock.checksumType !== CHECKSUM_TYPE_CRC32C) throw badField(place, 'checksum type', `is ${superblock.checksumType}, only 1 (crc32c) is known`);
  const computed = crc32c(0xffff_ffff, bytes, 0, SUPERBLOCK_CHECKSUMMED);
  if (superblock.checksum !== computed) throw badChecksum(place, superblock.checksum, computed);
}

function readBlockSize(superblock: Superblock): number {
  if (superblock.logBlockSize > MAX_LOG_BLOCK_SIZE) throw badField(place, 'log block size', `is ${superblock.logBlockSize}, at most ${MAX_LOG_BLOCK_SIZE} is possible`);
  return 1024 << superblock.logBlockSize;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
