/** mount(2), umount2(2) and the mount API of Linux 5.2, which gives a mount as a descriptor before (or without) a place in the tree. */
import { closeSync, readSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { display, type ByteString } from '../bytes/byte-string.js';
import { ThawfsError, type ErrorCode } from '../errors.js';
import { cPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { AT_FDCWD, libcFunction } from './libc.js';
import { noLibc } from './system-error.js';

/** Same numbers on every architecture (asm-generic since 5.2). */
const MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432;
const FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1, FSCONFIG_SET_FLAG = 0, FSCONFIG_SET_STRING = 1, FSCONFIG_CMD_CREATE = 6, MOVE_MOUNT_F_EMPTY_PATH = 4;

/** Attributes of a mount (MOUNT_ATTR_*). */
export const mountAttributes = { readOnly: 1, noSetuid: 2, noDevices: 4, noExec: 8 } as const;
/** Flags of {@link unmount}. */
export const unmountFlags = { force: 1, detach: 2, noFollow: 8 } as const;

const fsopen = libcFunction('long syscall(long number, const void *type, long flags)');
const fsconfig = libcFunction('long syscall(long number, long fd, long command, const void *key, const void *value, long aux)');
const fsmount = libcFunction('long syscall(long number, long fd, long flags, long attributes)');
const moveMount = libcFunction('long syscall(long number, long from, const void *fromPath, long to, const void *toPath, long flags)');
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
    detail: { errno }, ...(errno === 'EPERM' ? { suggestion: 'Run as root, or use the tree back-end.' } : {}),
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
