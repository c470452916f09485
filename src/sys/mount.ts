/** mount(2), umount2(2) and the mount API of Linux 5.2, which gives a mount as a descriptor before (or without) a place in the tree. */
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { release } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { display, toBytes, type ByteString } from '../bytes/byte-string.js';
import { hasCode, ThawfsError, type ErrorCode } from '../errors.js';
import { cPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { AT_FDCWD, libcFunction } from './libc.js';
import { errno, noLibc } from './system-error.js';

/** Same numbers on every architecture (asm-generic since 5.2). */
const OPEN_TREE = 428, MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432, FSPICK = 433, MOUNT_SETATTR = 442;
const FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1, FSPICK_CLOEXEC = 1, FSPICK_NO_AUTOMOUNT = 4, OPEN_TREE_CLONE = 1, OPEN_TREE_CLOEXEC = 0o2000000;
const FSCONFIG_SET_FLAG = 0, FSCONFIG_SET_STRING = 1, FSCONFIG_CMD_CREATE = 6, FSCONFIG_CMD_RECONFIGURE = 7;
const AT_EMPTY_PATH = 0x1000, MOVE_MOUNT_F_EMPTY_PATH = 4, MOVE_MOUNT_T_EMPTY_PATH = 0x40, MOVE_MOUNT_BENEATH = 0x200;
/** Names a file without opening it. */
const O_PATH = 0o10000000;

/** Attributes of a mount (MOUNT_ATTR_*). */
export const mountAttributes = { readOnly: 1, noSetuid: 2, noDevices: 4, noExec: 8 } as const;
/** Flags of {@link unmount}. */
export const unmountFlags = { force: 1, detach: 2, noFollow: 8 } as const;

const fsopen = libcFunction('long syscall(long number, const void *type, long flags)');
const fsconfig = libcFunction('long syscall(long number, long fd, long command, const void *key, const void *value, long aux)');
const fsmount = libcFunction('long syscall(long number, long fd, long flags, long attributes)');
const moveMount = libcFunction('long syscall(long number, long from, const void *fromPath, long to, const void *toPath, long flags)');
const openTree = libcFunction('long syscall(long number, long directory, const void *path, long flags)');
const fspick = libcFunction('long syscall(long number, long directory, const void *path, long flags)');
const syncfs = libcFunction('int syncfs(int fd)');
const mountSetattr = libcFunction('long syscall(long number, long directory, const void *path, long flags, const void *attributes, long size)');
const umount2 = libcFunction('int umount2(const void *target, int flags)');

export interface FileSystemParameters {
  /** Parameters with a value, in order; a name may come more than once (`lowerdir+`). */
  readonly strings?: readonly (readonly [key: string, value: ByteString])[];
  readonly flags?: readonly string[];
  /** {@link mountAttributes}, or-ed. */
  readonly attributes: number;
}

/**
 * Makes a mount that is not in the file tree yet.
 *
 * @param type `fuse`, `ext4`, `overlay` …
 * @returns its descriptor; closing it before {@link placeMount} undoes the mount unless files in it are open
 * @throws MOUNT_FAILED with the kernel's own explanation, NOT_PERMITTED
 */
export function createMount(type: string, parameters: FileSystemParameters): number {
  if (fsopen === undefined || fsconfig === undefined || fsmount === undefined) throw noLibc('fsopen');
  const context = check(fsopen(FSOPEN, cPath(type), FSOPEN_CLOEXEC), `fsopen ${type}`);
  try {
    for (const key of parameters.flags ?? []) {
      check(fsconfig(FSCONFIG, context, FSCONFIG_SET_FLAG, cPath(key), null, 0), `mounting ${type}: ${key}`, context);
    }
    for (const [key, value] of parameters.strings ?? []) {
      check(fsconfig(FSCONFIG, context, FSCONFIG_SET_STRING, cPath(key), cPath(value), 0), `mounting ${type}: ${key}=${display(value)}`, context);
    }
    check(fsconfig(FSCONFIG, context, FSCONFIG_CMD_CREATE, null, null, 0), `mounting ${type}`, context);
    return check(fsmount(FSMOUNT, context, FSMOUNT_CLOEXEC, parameters.attributes), `mounting ${type}`, context);
  } finally {
    closeSync(context);
  }
}

/** Puts a mount from {@link createMount} onto the directory `target`. */
export function placeMount(mount: number, target: ByteString): void {
  if (moveMount === undefined) throw noLibc('move_mount');
  check(moveMount(MOVE_MOUNT, mount, cPath(''), AT_FDCWD, cPath(target), MOVE_MOUNT_F_EMPTY_PATH), `mounting onto ${display(target)}`);
}

/** @returns the number by which mountinfo names the mount that `directory` is in */
export function mountIdOf(directory: ByteString): number {
  const fd = openSync(toBytes(directory), O_PATH | constants.O_DIRECTORY);
  try {
    return mountIdOfDescriptor(fd);
  } finally {
    closeSync(fd);
  }
}

function mountIdOfDescriptor(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]);
}

/**
 * Puts a mount in the place of the one on top of `target`, in one step for everybody who walks that path: first beneath it, then the
 * upper one is taken out. Who has files of that one open keeps it alive.
 *
 * @param old number of the mount that is replaced, see {@link mountIdOf}
 * @throws MOUNT_BUSY when another mount is on top by now; FEATURE_UNSUPPORTED before Linux 6.5; `mount` has no place then
 */
export function replaceMount(mount: number, target: ByteString, old: number): void {
  if (moveMount === undefined || umount2 === undefined) throw noLibc('move_mount');
  const top = openSync(toBytes(target), O_PATH | constants.O_DIRECTORY);
  try {
    if (mountIdOfDescriptor(top) !== old) throw replacedMeanwhile(target);
    const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH;
    const moved = Number(moveMount(MOVE_MOUNT, mount, cPath(''), top, cPath(''), flags));
    if (moved < 0 && lastErrno() === errno.EINVAL && !isAtLeast(6, 5)) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', 'this kernel cannot mount beneath another mount', { suggestion: 'Use Linux 6.5 or newer, or unmount and mount again.' });
    }
    check(moved, `mounting beneath ${display(target)}`);
    try {
      check(umount2(cPath(`/proc/self/fd/${top}`), unmountFlags.detach), `unmounting what was on ${display(target)}`);
    } catch (error) {
      // Somebody else took the old one out just now. Ours is where theirs should be, or beneath it: it goes, theirs stays.
      umount2(cPath(`/proc/self/fd/${mount}`), unmountFlags.detach);
      throw hasCode(error, 'NOT_MOUNTED') ? replacedMeanwhile(target) : error;
    }
  } finally {
    closeSync(top);
  }
}

/** Flags that a kernel does not know are EINVAL, as much else. */
function isAtLeast(major: number, minor: number): boolean {
  const [, ours = '0', oursMinor = '0'] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  return Number(ours) > major || (Number(ours) === major && Number(oursMinor) >= minor);
}

function replacedMeanwhile(target: ByteString): ThawfsError {
  return new ThawfsError('MOUNT_BUSY', `${display(target)}: something else was mounted there meanwhile`, { suggestion: 'Look at thawfs status, and try again.' });
}

/**
 * @param directory the root of a mount
 * @returns another mount of the same file system, which has no place yet, as {@link createMount}
 */
export function cloneMount(directory: ByteString): number {
  if (openTree === undefined) throw noLibc('open_tree');
  return check(openTree(OPEN_TREE, AT_FDCWD, cPath(directory), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), `cloning the mount on ${display(directory)}`);
}

/**
 * Makes one mount read-only, or writable, whatever other mounts of its file system are. Needs Linux 5.12.
 *
 * @param mount a descriptor, as {@link createMount}
 */
export function setMountReadOnly(mount: number, readOnly: boolean): void {
  if (mountSetattr === undefined) throw noLibc('mount_setattr');
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
  const attributes = new BigUint64Array(4);
  attributes[readOnly ? 0 : 1] = BigInt(mountAttributes.readOnly);
  check(mountSetattr(MOUNT_SETATTR, mount, cPath(''), AT_EMPTY_PATH, attributes, attributes.byteLength), 'changing a mount');
}

/** Writes out what a file system holds in memory. Failing is left to whoever needs it written. */
export function flush(directory: ByteString): void {
  const fd = openSync(toBytes(directory), constants.O_RDONLY | constants.O_DIRECTORY);
  syncfs?.(fd);
  closeSync(fd);
}

/**
 * Makes a whole file system read-only, or writable again, for everybody.
 *
 * @param directory the root of a mount of it
 * @throws MOUNT_BUSY while files are open for writing
 */
export function setReadOnly(directory: ByteString, readOnly: boolean): void {
  if (fspick === undefined || fsconfig === undefined) throw noLibc('fspick');
  const context = check(fspick(FSPICK, AT_FDCWD, cPath(directory), FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT), `changing ${display(directory)}`);
  const doing = `making ${display(directory)} ${readOnly ? 'read-only' : 'writable'}`;
  try {
    check(fsconfig(FSCONFIG, context, FSCONFIG_SET_FLAG, cPath(readOnly ? 'ro' : 'rw'), null, 0), doing, context);
    check(fsconfig(FSCONFIG, context, FSCONFIG_CMD_RECONFIGURE, null, null, 0), doing, context);
  } finally {
    closeSync(context);
  }
}

/**
 * @param flags {@link unmountFlags}, or-ed
 * @throws MOUNT_BUSY, NOT_MOUNTED, NOT_PERMITTED
 */
export function unmount(target: ByteString, flags = 0): void {
  if (umount2 === undefined) throw noLibc('umount2');
  check(umount2(cPath(target), flags), `unmounting ${display(target)}`);
}

const codes: Readonly<Record<string, ErrorCode>> = {
  EPERM: 'NOT_PERMITTED', EACCES: 'NOT_PERMITTED', EBUSY: 'MOUNT_BUSY', ENOENT: 'PATH_MISSING', ENOTDIR: 'PATH_MISSING', ENODEV: 'MOUNT_FAILED',
};

function check(result: unknown, doing: string, context?: number): number {
  const value = Number(result);
  if (value >= 0) return value;
  const errno = getSystemErrorName(-lastErrno());
  const explained = context === undefined ? '' : explanations(context);
  const unmounting = doing.startsWith('unmounting') && errno === 'EINVAL';
  throw new ThawfsError(unmounting ? 'NOT_MOUNTED' : codes[errno] ?? 'MOUNT_FAILED', `${doing}: ${explained || errno}`, {
    detail: { errno }, ...(errno === 'EPERM' ? { suggestion: 'Run as root, in a container with CAP_SYS_ADMIN (--cap-add SYS_ADMIN), or use thawfs run.' } : {}),
  });
}

/** The kernel leaves its messages to be read from the context, one per read: `e fuse: Bad value for 'fd'`. */
function explanations(context: number): string {
  const lines: string[] = [];
  const buffer = Buffer.alloc(1024);
  try {
    for (;;) lines.push(buffer.toString('latin1', 2, readSync(context, buffer)).trim());
  } catch {
    return lines.join('; '); // ENODATA: that was the last
  }
}
