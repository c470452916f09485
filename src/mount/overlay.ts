/**
 * A writable or stacked view: overlayfs over one or more lazy images. Its layers need no place in the tree once it is
 * mounted: overlayfs holds them, and with its end they end.
 */
import { chmodSync, chownSync, closeSync, statSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.js';
import { display, toBytes } from '../bytes/byte-string.js';
import { fromErrno, hasCode, ThawfsError } from '../errors.js';
import { cPath } from '../sys/c-path.js';
import { setModificationTime } from '../sys/inode.js';
import { lstatInto, newInode } from '../sys/lstat.js';
import { makeFolder } from '../sys/make-folder.js';
import { createMount, flush, mountAttributes, placeMount, replaceMount, setReadOnly } from '../sys/mount.js';
import { getXattr, listXattrs, setXattr } from '../sys/xattr.js';
import { busyError } from './holders.js';
import { overlayPath, OVERLAY_SOURCE } from './mount-table.js';

/** Bytes of a value that fsconfig(2) takes. */
const PARAMETER_MAX = 255;

export interface OverlayOptions {
  /** Paths of mounted images, the topmost first. */
  readonly lowers: readonly ByteString[];
  /** Takes what is written; created when missing. Absent: the view is read-only. */
  readonly upper?: ByteString;
  /** On the same file system as `upper`, and empty; default `UPPER.work`. */
  readonly work?: ByteString;
  /** Nobody writes through this mount, in spite of an upper directory, and it looks like the topmost lower one: an overlay's root has the attributes of the upper directory. */
  readonly readOnly?: boolean;
  /** Of the mount, beyond read-only: {@link mountAttributes}, or-ed. */
  readonly attributes: number;
  /** Without the rights of the machine's root: overlayfs keeps its notes in user.* attributes. */
  readonly unprivileged: boolean;
  /** Takes the place of what is mounted on the target. */
  readonly replaces?: Replaced;
}

export interface Replaced {
  /** Number of the mount. */
  readonly id: number;
  /** It is an overlay with the same upper directory. Two must not write there, so it becomes read-only for those who still use it. */
  readonly sharesUpper: boolean;
}

/**
 * @param target where the merged view is put
 * @throws BAD_ARGUMENT when `work` is not where `upper` is; MOUNT_FAILED with the kernel's reason, NOT_PERMITTED, NO_SPACE; MOUNT_BUSY when files of a shared upper directory are open for writing
 */
export function mountOverlay(target: ByteString, options: OverlayOptions): void {
  const { replaces } = options;
  const mount = replaces?.sharesUpper === true ? takeOverUpper(target, options) : createOverlay(options);
  try {
    if (replaces === undefined) placeMount(mount, target);
    else replaceMount(mount, target, replaces.id);
  } catch (error) {
    if (replaces?.sharesUpper === true) setReadOnly(target, false);
    throw error;
  } finally {
    closeSync(mount);
  }
}

/** From the first step to the last, some milliseconds, nobody can write to the old overlay: EROFS. */
function takeOverUpper(target: ByteString, options: OverlayOptions): number {
  flush(target); // what is written out now need not be written out while writers are kept waiting
  try {
    setReadOnly(target, true);
  } catch (cause) {
    if (!hasCode(cause, 'MOUNT_BUSY')) throw cause;
    throw busyError(target, { what: 'files are open for writing', writing: true, cause, suggestion: 'Let these processes close them, or name another upper directory with --upper.' });
  }
  try {
    return createOverlay(options);
  } catch (error) {
    setReadOnly(target, false);
    throw error;
  }
}

function createOverlay({ lowers, upper, work, readOnly = upper === undefined, attributes, unprivileged }: OverlayOptions): number {
  const workFolder = upper === undefined ? undefined : work ?? `${upper}.work`;
  try {
    for (const folder of [upper, workFolder]) if (folder !== undefined) makeFolder(toBytes(folder));
    for (const folder of [upper, workFolder]) if (folder !== undefined) requireShort(folder);
    if (upper !== undefined && workFolder !== undefined) requireOneFileSystem(upper, workFolder);
    if (readOnly && upper !== undefined) copyAttributes(lowers[0]!, upper);
  } catch (error) {
    throw fromErrno(error, 'preparing the upper directory');
  }
  return createMount('overlay', {
    // What nobody keeps need not reach the disk: else the end of the mount waits for that.
    flags: [...(unprivileged ? ['userxattr'] : []), ...(upper !== undefined && readOnly ? ['volatile'] : [])],
    strings: [
      ['source', OVERLAY_SOURCE], ...lowers.map((lower) => ['lowerdir+', lower] as const),
      // An upper directory must fit other images too, and change hands while its last owner is still in use: no notes of what lay below.
      ...(upper === undefined || workFolder === undefined ? [] : [['upperdir', overlayPath(upper)], ['workdir', overlayPath(workFolder)], ['index', 'off'], ['metacopy', 'off']] as const),
    ],
    attributes: attributes | (readOnly ? mountAttributes.readOnly : 0),
  });
}

/** The kernel's own word for this, and for the next, is EINVAL. */
function requireShort(folder: ByteString): void {
  if (overlayPath(folder).length <= PARAMETER_MAX) return;
  throw new ThawfsError('BAD_ARGUMENT', `${display(folder)}: overlayfs takes paths of ${PARAMETER_MAX} bytes at most`, { suggestion: 'Name a directory with a shorter path.' });
}

function requireOneFileSystem(upper: ByteString, work: ByteString): void {
  const inside = (path: ByteString, folder: ByteString): boolean => `${path}/`.startsWith(`${folder}/`);
  if (inside(upper, work) || inside(work, upper)) {
    throw new ThawfsError('BAD_ARGUMENT', `${display(work)}: is not beside ${display(upper)}`, { suggestion: 'Name a working directory beside the upper one, or none.' });
  }
  const [ofUpper, ofWork] = [upper, work].map((folder) => statSync(toBytes(folder)).dev);
  if (ofUpper === ofWork) return;
  throw new ThawfsError('BAD_ARGUMENT', `${display(work)}: is on another file system than ${display(upper)}`, { suggestion: 'Name a working directory beside the upper one, or none.' });
}

function copyAttributes(from: ByteString, to: ByteString): void {
  const [source, target] = [cPath(from), cPath(to)];
  const inode = newInode();
  lstatInto(source, inode);
  chownSync(toBytes(to), inode.uid, inode.gid);
  chmodSync(toBytes(to), inode.mode & 0o7777);
  for (const name of listXattrs(source)) setXattr(target, name, getXattr(source, name) ?? new Uint8Array());
  setModificationTime(target, inode.mtimeSeconds, inode.mtimeNanoseconds);
}
