/** The kernel's table of mounts, and which of them are ours. */
import { readFileSync } from 'node:fs';
import { fromBytes, type ByteString } from '../bytes/byte-string.js';

export interface MountEntry {
  readonly target: ByteString;
  /** `ext4`, `fuse.thawfs`, `overlay` … */
  readonly type: string;
  readonly source: ByteString;
}

/** @returns all mounts of this process's namespace, in the order they were made; the last one of a target is the one on top */
export function readMountTable(): MountEntry[] {
  return fromBytes(readFileSync('/proc/self/mountinfo')).split('\n').filter((line) => line !== '').map((line) => {
    // man proc_pid_mountinfo(5): ID parent major:minor root TARGET options [optional…] - TYPE SOURCE super-options
    const [before, after] = line.split(' - ') as [string, string];
    const [type, source] = after.split(' ') as [string, string];
    return { target: unescape(before.split(' ')[4]!), type, source: unescape(source) };
  });
}

/** The path of the raw image that a mount without a server reads; undefined when it is not such a mount. */
export function rawCopyUnder({ type, source }: MountEntry): string | undefined {
  if (type !== 'ext4') return undefined;
  let file = source;
  for (let depth = 0; depth < 2; depth++) {
    const device = /^\/dev\/(loop\d+)$/.exec(file)?.[1];
    if (device === undefined) break;
    file = backingFile(device);
  }
  return /\/raw\/[0-9a-f]{64}$/.test(file) ? file : undefined;
}

function backingFile(device: string): string {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'latin1').trim();
  } catch {
    return '';
  }
}

/** The kernel writes space, tab, newline and backslash as octal. */
function unescape(text: string): ByteString {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
