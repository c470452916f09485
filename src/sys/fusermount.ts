/**
 * fusermount3(1), the setuid program of libfuse, mounts FUSE file systems for users who may not mount. It sends the opened
 * device back through a Unix socket, whose number it finds in the environment (libfuse, lib/mount.c and util/fusermount.c).
 */
import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { display, toBytes, type ByteString } from '../bytes/byte-string.js';
import { i32le, reserved, struct, u64le } from '../bytes/struct.js';
import { ThawfsError, type ErrorCode } from '../errors.js';
import { addressOf, lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { noLibc } from './system-error.js';

const PROGRAM = 'fusermount3';
const SOCKET_DESCRIPTOR = 3;
const AF_UNIX = 1, SOCK_STREAM_CLOEXEC = 0o2000001, SOL_SOCKET = 1, SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40, MSG_CMSG_CLOEXEC = 0x40000000;

/** What it complains about, in its own words. */
const meanings: readonly (readonly [words: RegExp, code: ErrorCode, suggestion?: string])[] = [
  [/\/dev\/fuse/, 'NO_FUSE_DEVICE', 'Load the module (modprobe fuse), and let users open the device: chmod 666 /dev/fuse.'],
  [/busy/i, 'MOUNT_BUSY'],
  [/not found in|not mounted/i, 'NOT_MOUNTED'],
  [/username/, 'NOT_PERMITTED', 'Give this user a name (/etc/passwd), or use thawfs run.'],
  [/permission|permitted|access|allowed/i, 'NOT_PERMITTED', 'Mount on a directory of your own.'],
  [/(?:)/, 'MOUNT_FAILED'],
];

/** struct msghdr, iovec and cmsghdr with one descriptor, of a 64-bit Linux (socket(7), cmsg(3)). */
const messageHeader = struct('msghdr', 56, [
  [0, 'name', reserved(16)], [16, 'parts', u64le, 'msg_iov'], [24, 'partCount', u64le, 'msg_iovlen'],
  [32, 'control', u64le, 'msg_control'], [40, 'controlLength', u64le, 'msg_controllen'], [48, 'flags', reserved(8)],
]);
const part = struct('iovec', 16, [[0, 'base', u64le, ''], [8, 'length', u64le, '']]);
const control = struct('cmsghdr', 24, [
  [0, 'length', u64le, 'cmsg_len'], [8, 'level', i32le, ''], [12, 'type', i32le, ''], [16, 'descriptor', i32le, ''], [20, 'padding', reserved(4)],
]);

const socketpair = libcFunction('int socketpair(int domain, int type, int protocol, void *pair)');
const recvmsg = libcFunction('long recvmsg(int fd, void *message, int flags)');

/**
 * Mounts a FUSE file system; nobody serves it yet, so that whoever looks into it waits.
 *
 * @param target an existing directory that the user may write to
 * @param options as mount(8) takes them, `['ro', 'subtype=thawfs']`
 * @returns a descriptor of the FUSE device
 * @throws TOOL_MISSING without fusermount3; NOT_PERMITTED, MOUNT_FAILED with its own words
 */
export function mountByProgram(target: ByteString, options: readonly string[]): number {
  const [ours, theirs] = socketPair();
  try {
    callProgram(['-o', options.join(','), '--', asArgument(target)], `mounting onto ${display(target)}`, theirs);
    return receiveDescriptor(ours);
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/**
 * @param lazy take it out of the tree now, although it is in use
 * @throws MOUNT_BUSY, NOT_MOUNTED, NOT_PERMITTED, TOOL_MISSING
 */
export function unmountByProgram(target: ByteString, lazy: boolean): void {
  callProgram(['-u', ...(lazy ? ['-z'] : []), '--', asArgument(target)], `unmounting ${display(target)}`, 'ignore');
}

function callProgram(args: readonly string[], doing: string, socket: number | 'ignore'): void {
  const { status, stderr, error } = spawnSync(PROGRAM, args, {
    stdio: ['ignore', 'ignore', 'pipe', socket], encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(SOCKET_DESCRIPTOR) },
  });
  if (error !== undefined) {
    throw new ThawfsError('TOOL_MISSING', `${doing}: ${PROGRAM} cannot be run`, {
      cause: error, detail: { tool: PROGRAM }, suggestion: 'Install fuse3 (Debian: apt install fuse3), or use thawfs run, which needs no mount of the machine.',
    });
  }
  if (status === 0) return;
  const words = stderr.trim().replace(/^fusermount3: /, '');
  const [, code, suggestion] = meanings.find(([pattern]) => pattern.test(words))!;
  throw new ThawfsError(code, `${doing}: ${words || `${PROGRAM} failed`}`, { detail: { tool: PROGRAM, ...(status === null ? {} : { status }) }, ...(suggestion === undefined ? {} : { suggestion }) });
}

function asArgument(path: ByteString): string {
  const text = toBytes(path).toString();
  if (Buffer.from(text).equals(toBytes(path))) return text;
  throw new ThawfsError('BAD_ARGUMENT', `${display(path)}: ${PROGRAM} takes only names in UTF-8`, { suggestion: 'Mount on a directory with another name.' });
}

function socketPair(): [number, number] {
  if (socketpair === undefined) throw noLibc('socketpair');
  const pair = new Int32Array(2);
  if (Number(socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair)) < 0) throw failed('socketpair');
  return [pair[0]!, pair[1]!];
}

/** The program has ended, so what it sent is there. */
function receiveDescriptor(socket: number): number {
  if (recvmsg === undefined) throw noLibc('recvmsg');
  const [byte, ancillary, parts, message] = [Buffer.alloc(1), Buffer.alloc(control.size), Buffer.alloc(part.size), Buffer.alloc(messageHeader.size)];
  part.encode({ base: addressOf(byte), length: 1n }, parts);
  messageHeader.encode({ parts: addressOf(parts), partCount: 1n, control: addressOf(ancillary), controlLength: BigInt(ancillary.length) }, message);
  if (Number(recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) throw failed('recvmsg');
  const { level, type, descriptor } = control.decode(ancillary);
  if (level !== SOL_SOCKET || type !== SCM_RIGHTS) throw new ThawfsError('MOUNT_FAILED', `${PROGRAM} sent no descriptor`);
  return descriptor;
}

function failed(call: string): ThawfsError {
  const errno = getSystemErrorName(-lastErrno());
  return new ThawfsError('MOUNT_FAILED', `${call}: ${errno}`, { detail: { errno } });
}
