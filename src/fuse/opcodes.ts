/** The opcode table: number, name, least body, and what is answered. Everything that would write is refused with EROFS. */
import { constants } from 'node:os';
import { readRequest, seekRequest, statfsReply, xattrRequest } from '../format/fuse.js';
import { FuseError, type DirectoryItem, type Entry, type FileSystem } from './file-system.js';
import { encodeNames, type Reply } from './reply.js';
import type { Request } from './request.js';

/** Largest READ we answer: MAX_PAGES of 256 pages. */
export const MAX_READ_SIZE = 1 << 20;

/** Opcodes that others name too. */
export const LOOKUP = 1;
export const GETATTR = 3;
export const READ = 15;
export const INIT = 26;
export const INTERRUPT = 36;

export type Handler = (fileSystem: FileSystem, request: Request, reply: Reply) => void;

export interface Operation {
  readonly name: string;
  /** Fewest bytes after the request header; a shorter request is EINVAL before the handler sees it. */
  readonly bodySize: number;
  /** Absent: the kernel expects no reply. */
  readonly handler?: Handler;
}

const { EINVAL, ENOSYS, ENODATA, ERANGE, EROFS, ENXIO } = constants.errno;

const read: Handler = (fileSystem, request, reply) => {
  const size = request.bodyU32(16);
  if (size > MAX_READ_SIZE) throw new FuseError(EINVAL);
  reply.keep(fileSystem.read(request.nodeId, request.bodyU64(8), reply.dataRoom(size)));
};

const readDirectory = (plus: boolean): Handler => (fileSystem, request, reply) => {
  const size = Math.min(request.bodyU32(16), MAX_READ_SIZE);
  let ordinal = request.bodyU64(8);
  for (const item of fileSystem.list(request.nodeId, ordinal)) {
    ordinal++;
    if (!reply.directoryItem(item, ordinal, size, plus ? entryOf(fileSystem, item) : undefined)) return;
  }
};

// "." and ".." must come without an entry: the kernel counts a look-up for every entry it is given.
function entryOf(fileSystem: FileSystem, { name, inode }: DirectoryItem): Entry | 'none' {
  return name === '.' || name === '..' ? 'none' : fileSystem.entry(inode);
}

/** getxattr(2) and listxattr(2): a size of 0 asks how much room is needed. */
function sized(value: Uint8Array, room: number, reply: Reply): void {
  if (room === 0) {
    reply.u32(value.length);
    reply.u32(0);
  } else if (value.length > room) {
    throw new FuseError(ERANGE);
  } else {
    reply.append(value);
  }
}

const getXattr: Handler = (fileSystem, request, reply) => {
  const value = fileSystem.getXattr(request.nodeId, request.name(xattrRequest.size));
  if (value === undefined) throw new FuseError(ENODATA);
  sized(value, request.bodyU32(0), reply);
};

const seek: Handler = (fileSystem, request, reply) => {
  const whence = request.bodyU32(16);
  if (whence !== 3 && whence !== 4) throw new FuseError(EINVAL);
  const found = fileSystem.seek(request.nodeId, request.bodyU64(8), whence === 3 ? 'data' : 'hole');
  if (found === undefined) throw new FuseError(ENXIO);
  reply.u64(found);
};

const statistics: Handler = (fileSystem, _request, reply) => {
  const values = fileSystem.statistics();
  for (const value of [values.blocks, values.blocksFree, values.blocksFree, values.files, values.filesFree]) reply.u64(value);
  for (const value of [values.blockSize, 255, values.blockSize]) reply.u32(value);
  reply.reserve(statfsReply.size - 52);
};

const answer = (errno: number): Handler => () => { throw new FuseError(errno); };
/** ENOSYS once tells the kernel to do without from then on: no-open mode (facts: hot open+read+close 4.3 us instead of 18.6). */
const doWithout = answer(ENOSYS);
const readOnly = answer(EROFS);

/** By opcode. What is missing here is answered with ENOSYS. */
export const operations: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [LOOKUP, { name: 'LOOKUP', bodySize: 2, handler: (fileSystem, request, reply) => {
    const entry = fileSystem.lookup(request.nodeId, request.name());
    if (entry === undefined) reply.negativeEntry();
    else reply.entry(entry);
  } }],
  [2, { name: 'FORGET', bodySize: 0 }],
  [GETATTR, { name: 'GETATTR', bodySize: 0, handler: (fileSystem, request, reply) => { reply.attributes(fileSystem.getAttributes(request.nodeId)); } }],
  [4, { name: 'SETATTR', bodySize: 0, handler: readOnly }],
  [5, { name: 'READLINK', bodySize: 0, handler: (fileSystem, request, reply) => { reply.append(Buffer.from(fileSystem.readLink(request.nodeId), 'latin1')); } }],
  [6, { name: 'SYMLINK', bodySize: 0, handler: readOnly }],
  [8, { name: 'MKNOD', bodySize: 0, handler: readOnly }],
  [9, { name: 'MKDIR', bodySize: 0, handler: readOnly }],
  [10, { name: 'UNLINK', bodySize: 0, handler: readOnly }],
  [11, { name: 'RMDIR', bodySize: 0, handler: readOnly }],
  [12, { name: 'RENAME', bodySize: 0, handler: readOnly }],
  [13, { name: 'LINK', bodySize: 0, handler: readOnly }],
  [14, { name: 'OPEN', bodySize: 0, handler: doWithout }],
  [READ, { name: 'READ', bodySize: readRequest.size, handler: read }],
  [16, { name: 'WRITE', bodySize: 0, handler: readOnly }],
  [17, { name: 'STATFS', bodySize: 0, handler: statistics }],
  [18, { name: 'RELEASE', bodySize: 0, handler: doWithout }],
  [20, { name: 'FSYNC', bodySize: 0, handler: doWithout }],
  [21, { name: 'SETXATTR', bodySize: 0, handler: readOnly }],
  [22, { name: 'GETXATTR', bodySize: xattrRequest.size + 2, handler: getXattr }],
  [23, { name: 'LISTXATTR', bodySize: xattrRequest.size, handler: (fileSystem, request, reply) => {
    // The kernel refuses to read trusted.* for others, but lists what we list.
    const names = fileSystem.listXattrs(request.nodeId).filter((name) => request.uid === 0 || !name.startsWith('trusted.'));
    sized(encodeNames(names), request.bodyU32(0), reply);
  } }],
  [24, { name: 'REMOVEXATTR', bodySize: 0, handler: readOnly }],
  [25, { name: 'FLUSH', bodySize: 0, handler: doWithout }],
  [27, { name: 'OPENDIR', bodySize: 0, handler: doWithout }],
  [28, { name: 'READDIR', bodySize: readRequest.size, handler: readDirectory(false) }],
  [29, { name: 'RELEASEDIR', bodySize: 0, handler: doWithout }],
  [30, { name: 'FSYNCDIR', bodySize: 0, handler: doWithout }],
  [35, { name: 'CREATE', bodySize: 0, handler: readOnly }],
  [INTERRUPT, { name: 'INTERRUPT', bodySize: 8 }],
  [38, { name: 'DESTROY', bodySize: 0, handler: () => undefined }],
  [42, { name: 'BATCH_FORGET', bodySize: 0 }],
  [44, { name: 'READDIRPLUS', bodySize: readRequest.size, handler: readDirectory(true) }],
  [45, { name: 'RENAME2', bodySize: 0, handler: readOnly }],
  [46, { name: 'LSEEK', bodySize: seekRequest.size, handler: seek }],
]);
