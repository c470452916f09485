/** Who keeps a mount from ending: processes, mounts inside it, loop devices over its files. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { display, fromBytes, type ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { backingFile, loopDevices } from '../sys/loop-files.js';
import { readMountTable } from './mount-table.js';

/** Access mode bits of open(2) in the octal flags of fdinfo: any of them set means that it may be written to. */
const O_ACCMODE = 3;

/**
 * @param what what cannot be done because of them, for the message
 * @param writing count only who has files open for writing
 */
export function busyError(target: ByteString, { what, suggestion, cause, writing = false }: { what: string; suggestion: string; cause: unknown; writing?: boolean }): ThawfsError {
  const holders = holdersOf(target, writing);
  const who = holders.slice(0, 5).join(', ');
  return new ThawfsError('MOUNT_BUSY', `${display(target)}: ${what}${who === '' ? '' : ` by ${who}`}`, { cause, detail: { directory: display(target), holders }, suggestion });
}

/** @returns `command (pid)` of the processes that have something below `target` open, mapped, or as their directory; then mounts and loop devices */
export function holdersOf(target: ByteString, writing = false): string[] {
  const inside = (path: string): boolean => path === target || path.startsWith(`${target}/`);
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    const files = listed(`/proc/${pid}/fd`).filter((fd) => inside(linkOf(`/proc/${pid}/fd/${fd}`)) && (!writing || isWritable(pid, fd)));
    const holds = files.length > 0 || (!writing && (['cwd', 'root', 'exe'].some((link) => inside(linkOf(`/proc/${pid}/${link}`))) || mapsOf(pid).some(inside)));
    return holds ? [`${nameOf(pid)} (${pid})`] : [];
  });
  if (writing) return processes;
  const mounts = readMountTable().filter((entry) => entry.target !== target && inside(entry.target)).map((entry) => `the mount on ${display(entry.target)}`);
  const loops = loopDevices().filter((name) => inside(backingFile(name))).map((name) => `/dev/${name}`);
  return [...processes, ...mounts, ...loops];
}

function isWritable(pid: string, fd: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(textOf(`/proc/${pid}/fdinfo/${fd}`))?.[1] ?? '0';
  return (parseInt(flags, 8) & O_ACCMODE) !== 0;
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
  return textOf(`/proc/${pid}/maps`).split('\n').map((line) => line.slice(73));
}

function nameOf(pid: string): string {
  return textOf(`/proc/${pid}/comm`).trim() || '?';
}

/** '' for what has just ended, or is not ours to read. */
function textOf(path: string): ByteString {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
