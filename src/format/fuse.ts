/**
 * The FUSE kernel protocol (include/uapi/linux/fuse.h), read side only: a thawed image is never written to.
 * Host byte order on the wire; every platform we run on is little endian. "7.x" in a note is the protocol minor that brought the field.
 */
import { array, reserved, struct, u16le, u32le, u64le, type StructOf } from '../bytes/struct.js';

export const FUSE_MAJOR = 7;
/** Newest minor whose structures we have declared; the kernel then speaks at most this. */
export const FUSE_MINOR = 45;
/** Oldest minor with everything the session relies on: 7.31 brought MAX_PAGES' neighbours and the 64-byte INIT reply, Linux 5.4. */
export const FUSE_MINOR_LEAST = 31;

/** Node id of the root, by protocol. */
export const ROOT_NODE = 1;

export const requestHeader = struct('fuse_in_header', 40, [
  [0, 'length', u32le, 'len: bytes of the whole request'],
  [4, 'opcode', u32le, ''],
  [8, 'unique', u64le, 'echoed in the reply; bit 63 = re-delivered after RESEND (7.40)'],
  [16, 'nodeId', u64le, 'nodeid'],
  [24, 'uid', u32le, ''],
  [28, 'gid', u32le, ''],
  [32, 'pid', u32le, '0 when the process is of another pid namespace'],
  [36, 'extensionLength', u16le, 'total_extlen in units of 8 bytes (7.38)'],
  [38, 'padding', reserved(2)],
]);

export const replyHeader = struct('fuse_out_header', 16, [
  [0, 'length', u32le, 'len: bytes of the whole reply'],
  [4, 'error', u32le, 'negated errno, or the notification code when unique is 0'],
  [8, 'unique', u64le, ''],
]);

export const initRequest = struct('fuse_init_in', 64, [
  [0, 'major', u32le, ''],
  [4, 'minor', u32le, ''],
  [8, 'maxReadahead', u32le, 'max_readahead'],
  [12, 'flags', u32le, ''],
  [16, 'flags2', u32le, '7.36, meaningful with INIT_EXT'],
  [20, 'unused', reserved(44)],
]);

export const initReply = struct('fuse_init_out', 64, [
  [0, 'major', u32le, ''],
  [4, 'minor', u32le, ''],
  [8, 'maxReadahead', u32le, 'max_readahead'],
  [12, 'flags', u32le, ''],
  [16, 'maxBackground', u16le, 'max_background: asynchronous requests in flight'],
  [18, 'congestionThreshold', u16le, 'congestion_threshold'],
  [20, 'maxWrite', u32le, 'max_write'],
  [24, 'timeGranularity', u32le, 'time_gran in ns (7.23)'],
  [28, 'maxPages', u16le, 'max_pages (7.28)'],
  [30, 'mapAlignment', u16le, 'map_alignment (7.31), DAX only'],
  [32, 'flags2', u32le, '7.36'],
  [36, 'maxStackDepth', u32le, 'max_stack_depth (7.40)'],
  [40, 'requestTimeout', u16le, 'request_timeout in s (7.43); 0 = none: a cold read may rightly take long'],
  [42, 'unused', reserved(22)],
]);

export const attributes = struct('fuse_attr', 88, [
  [0, 'inode', u64le, 'ino'],
  [8, 'size', u64le, ''],
  [16, 'blocks', u64le, 'of 512 bytes'],
  [24, 'atime', u64le, 'seconds, two\'s complement'],
  [32, 'mtime', u64le, ''],
  [40, 'ctime', u64le, ''],
  [48, 'atimeNanoseconds', u32le, 'atimensec'],
  [52, 'mtimeNanoseconds', u32le, 'mtimensec'],
  [56, 'ctimeNanoseconds', u32le, 'ctimensec'],
  [60, 'mode', u32le, ''],
  [64, 'linkCount', u32le, 'nlink'],
  [68, 'uid', u32le, ''],
  [72, 'gid', u32le, ''],
  [76, 'device', u32le, 'rdev: minor bits 0-7 and 20-31, major bits 8-19'],
  [80, 'blockSize', u32le, 'blksize'],
  [84, 'flags', u32le, '7.32'],
]);

export const entryReply = struct('fuse_entry_out', 128, [
  [0, 'nodeId', u64le, 'nodeid; 0 = a negative entry that may be cached'],
  [8, 'generation', u64le, ''],
  [16, 'entryValid', u64le, 'entry_valid: seconds the name may be cached'],
  [24, 'attributesValid', u64le, 'attr_valid: seconds'],
  [32, 'entryValidNanoseconds', u32le, 'entry_valid_nsec'],
  [36, 'attributesValidNanoseconds', u32le, 'attr_valid_nsec'],
  [40, 'attributes', reserved(88), 'fuse_attr'],
]);

export const attributesReply = struct('fuse_attr_out', 104, [
  [0, 'valid', u64le, 'attr_valid: seconds'],
  [8, 'validNanoseconds', u32le, 'attr_valid_nsec'],
  [12, 'padding', reserved(4)],
  [16, 'attributes', reserved(88), 'fuse_attr'],
]);

export const readRequest = struct('fuse_read_in', 40, [
  [0, 'handle', u64le, 'fh'],
  [8, 'offset', u64le, ''],
  [16, 'size', u32le, ''],
  [20, 'readFlags', u32le, 'read_flags (7.9)'],
  [24, 'lockOwner', u64le, 'lock_owner'],
  [32, 'flags', u32le, 'open flags'],
  [36, 'padding', reserved(4)],
]);

export const xattrRequest = struct('fuse_getxattr_in', 8, [
  [0, 'size', u32le, 'room in the caller\'s buffer; 0 asks for the size'],
  [4, 'padding', reserved(4)],
]);

export const xattrReply = struct('fuse_getxattr_out', 8, [
  [0, 'size', u32le, ''],
  [4, 'padding', reserved(4)],
]);

export const seekRequest = struct('fuse_lseek_in', 24, [
  [0, 'handle', u64le, 'fh'],
  [8, 'offset', u64le, ''],
  [16, 'whence', u32le, 'SEEK_DATA 3 or SEEK_HOLE 4'],
  [20, 'padding', reserved(4)],
]);

export const seekReply = struct('fuse_lseek_out', 8, [[0, 'offset', u64le, '']]);

/** The name follows, padded with zeros to a multiple of 8 bytes. */
export const directoryEntry = struct('fuse_dirent', 24, [
  [0, 'inode', u64le, 'ino'],
  [8, 'offset', u64le, 'off: where the next READDIR resumes'],
  [16, 'nameLength', u32le, 'namelen'],
  [20, 'type', u32le, 'file type bits of the mode, shifted right by 12'],
]);

export const statfsReply = struct('fuse_kstatfs', 80, [
  [0, 'blocks', u64le, ''],
  [8, 'blocksFree', u64le, 'bfree'],
  [16, 'blocksAvailable', u64le, 'bavail'],
  [24, 'files', u64le, ''],
  [32, 'filesFree', u64le, 'ffree'],
  [40, 'blockSize', u32le, 'bsize'],
  [44, 'nameLength', u32le, 'namelen'],
  [48, 'fragmentSize', u32le, 'frsize'],
  [52, 'padding', u32le, ''],
  [56, 'spare', array(u32le, 6), ''],
]);

export const interruptRequest = struct('fuse_interrupt_in', 8, [[0, 'unique', u64le, 'of the request that is interrupted']]);

/** NOTIFY_STORE puts bytes into the page cache of a node; the data follows. */
export const storeNotification = struct('fuse_notify_store_out', 24, [
  [0, 'nodeId', u64le, 'nodeid'],
  [8, 'offset', u64le, ''],
  [16, 'size', u32le, ''],
  [20, 'padding', reserved(4)],
]);

/** What the kernel offers and we take, first flags word of INIT. */
export const initFlags = {
  ASYNC_READ: 1 << 0, // 7.6
  DO_READDIRPLUS: 1 << 13, // 7.21
  READDIRPLUS_AUTO: 1 << 14, // 7.21
  ASYNC_DIO: 1 << 15, // 7.22
  NO_OPEN_SUPPORT: 1 << 17, // 7.23
  PARALLEL_DIROPS: 1 << 18, // 7.25
  POSIX_ACL: 1 << 20, // 7.26
  MAX_PAGES: 1 << 22, // 7.28
  CACHE_SYMLINKS: 1 << 23, // 7.28
  NO_OPENDIR_SUPPORT: 1 << 24, // 7.29
  EXPLICIT_INVAL_DATA: 1 << 25, // 7.30
  INIT_EXT: 1 << 30, // 7.36: the second word counts
} as const;

/** Second flags word of INIT. */
export const initFlags2 = {
  HAS_RESEND: 1 << 7, // 7.40
} as const;

/** Notification codes: written with unique 0. */
export const notifications = { STORE: 4, RESEND: 7 } as const;

export type Attributes = StructOf<typeof attributes>;
