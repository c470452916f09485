/** The choices that all images of this writer share. Constants, so that equal trees have equal bytes whatever their uuid. */
import { hashSeed, type HashFunction } from '../dirhash.js';
import { hashVersions } from '../../format/ext4/directory.js';
import { INODE_CORE_SIZE, INODE_EXTRA_SIZE } from '../../format/ext4/inode.js';
import { xattrInodeHeader } from '../../format/ext4/xattr.js';
import { BLOCK_SIZE } from '../../units.js';

export const INODE_SIZE = 256;
export const INODES_PER_BLOCK = BLOCK_SIZE / INODE_SIZE;
export const DESCRIPTOR_SIZE = 64;

/** Bits of one bitmap block: neither blocks nor inodes of a group can be more. */
export const GROUP_MAX = BLOCK_SIZE * 8;

/** Where xattr entries begin in an inode, and the bytes from there to its end. */
export const XATTR_BODY_OFFSET = INODE_CORE_SIZE + INODE_EXTRA_SIZE + xattrInodeHeader.size;
export const XATTR_BODY_SIZE = INODE_SIZE - XATTR_BODY_OFFSET;

/** s_checksum_seed. Written out (metadata_csum_seed) instead of following from the uuid, so that a uuid changes one block only. */
export const CHECKSUM_SEED = 0x74686177;

/** s_hash_seed. Frozen trees gain nothing from a secret one. */
export const HASH_SEED = Buffer.from('thawfs hash seed', 'latin1');

/** Signed characters, as mkfs.ext4 decides on x86-64. */
export const HASH_FUNCTION: HashFunction = { version: hashVersions.halfMd4, seed: hashSeed(HASH_SEED) };

/** Physical block numbers are kept in 32 bits; 16 TiB. */
export const MAX_BLOCKS = 2 ** 32 - 1;

/** Largest i_size with extents: logical block numbers have 32 bits, the last one marks the end. */
export const MAX_FILE_SIZE = (2 ** 32 - 1) * BLOCK_SIZE;
