/** Unmounting, and waiting until nothing is left of the mount. */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { display, fromBytes, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, hasCode, ThawfsError } from '../errors.js';
import { unmount, unmountFlags } from '../sys/mount.js';
import { OVERLAY_SOURCE } from './overlay.js';
import { rawCopyUnder, readMountTable } from './mount-table.js';
import { defaultRuntimeFolder, removeStale } from './runtime-folder.js';
import { liveMounts } from './status.js';

/** Milliseconds for which processes and loop devices may take to disappear. */
const PATIENCE = 10_000;

export interface UnmountOptions {
  /** Take it out of the tree now, although it is in use; it ends with its last user. */
  readonly lazy?: boolean;
  readonly runtimeFolder?: string;
}

/**
 * @returns when the mount, its loop devices and its processes are gone (with `lazy`: when it is out of the tree)
 * @throws NOT_MOUNTED when the directory is no mount of ours; MOUNT_BUSY with the processes that hold it; NOT_PERMITTED
 */
export async function unmountImage(directory: string, { lazy = false, runtimeFolder = defaultRuntimeFolder() }: UnmountOptions = {}): Promise<void> {
  const target = resolve(directory);
  const entry = readMountTable().filter((mount) => mount.target === target).at(-1);
  const live = (await liveMounts(runtimeFolder)).filter((mount) => mount.target === target);
  const ours = entry !== undefined && (live.length > 0 || (entry.type === 'overlay' && entry.source === OVERLAY_SOURCE) || entry.type === 'fuse.thawfs' || rawCopyUnder(entry) !== undefined || isOrphan(entry.source));
  if (!ours) {
    throw new ThawfsError('NOT_MOUNTED', `${directory}: no thawfs image is mounted there`, { detail: { directory }, suggestion: 'thawfs status lists what is mounted.' });
  }
  try {
    unmount(target, unmountFlags.noFollow | (lazy ? unmountFlags.detach : 0));
  } catch (error) {
    throw hasCode(error, 'MOUNT_BUSY') ? busy(directory, target, error) : error;
  }
  if (!lazy) {
    for (const deadline = Date.now() + PATIENCE; live.some(({ socket, supervisor }) => existsSync(socket) || existsSync(`/proc/${String(supervisor)}`)) && Date.now() < deadline;) await delay(10);
  }
  await removeStale(runtimeFolder);
}

/** Our block mount whose processes were all killed: its inner loop device still shows the file of the FUSE mount. */
function isOrphan(source: ByteString): boolean {
  const read = (device: string): string => {
    try {
      return readFileSync(`/sys/block/${device}/loop/backing_file`, 'latin1').trim();
    } catch {
      return '';
    }
  };
  const inner = /^\/dev\/(loop\d+)$/.exec(read(source.replace('/dev/', '')))?.[1];
  return inner !== undefined && read(inner) === '/image';
}

/** The target may be a dead mount, so only its parent is resolved by the file system. */
function resolve(directory: string): ByteString {
  try {
    return fromBytes(realpathSync(directory, 'buffer'));
  } catch (error) {
    const parent = /^(.*)\/([^/]+)\/*$/.exec(directory.startsWith('/') ? directory : `${process.cwd()}/${directory}`);
    if (parent === null || (error as NodeJS.ErrnoException).code === 'ENOENT') throw fromErrno(error, directory);
    return `${fromBytes(realpathSync(parent[1] === '' ? '/' : parent[1]!, 'buffer'))}/${parent[2]!}`;
  }
}

function busy(directory: string, target: ByteString, cause: unknown): ThawfsError {
  const holders = holdersOf(target);
  const who = holders.slice(0, 5).join(', ');
  return new ThawfsError('MOUNT_BUSY', `${directory}: in use${who === '' ? '' : ` by ${who}`}`, {
    cause, detail: { directory: display(target), holders }, suggestion: 'End these processes, or unmount with --lazy.',
  });
}

/** @returns `command (pid)` of the processes that have something below `target` open, mapped, or as their directory */
function holdersOf(target: ByteString): string[] {
  const inside = (path: string): boolean => path === target || path.startsWith(`${target}/`);
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    const links = ['cwd', 'root', 'exe', ...listed(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)];
    const holds = links.some((link) => inside(linkOf(`/proc/${pid}/${link}`))) || mapsOf(pid).some(inside);
    return holds ? [`${nameOf(pid)} (${pid})`] : [];
  });
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return fromBytes(readlinkSync(path, 'buffer'));
  } catch {
    return '';
  }
}

function mapsOf(pid: string): string[] {
  try {
    return fromBytes(readFileSync(`/proc/${pid}/maps`)).split('\n').map((line) => line.slice(73));
  } catch {
    return [];
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '?';
  }
}
