/** Which files loop devices are over, as every user may look it up. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { toBytes, type ByteString } from '../bytes/byte-string.js';

const REMOVED = / \(deleted\)$/;

/** @param device `loop7` @returns the file behind a loop device, also one that was removed since; '' when there is none */
export function backingFile(device: string): ByteString {
  return read(device).replace(REMOVED, '');
}

/** As {@link backingFile}; '' also when that file was removed since: another one may have its path by now. */
export function presentFile(device: string): ByteString {
  const file = read(device);
  return REMOVED.test(file) ? '' : file;
}

function read(device: string): ByteString {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'latin1').trim();
  } catch {
    return '';
  }
}

/** @returns all loop devices, `loop7`; none where there is no /sys */
export function loopDevices(): string[] {
  try {
    return readdirSync('/sys/block').filter((name) => name.startsWith('loop'));
  } catch {
    return [];
  }
}

/** @returns a loop device over the file, `/dev/loop7`, if there is one */
export function loopOver({ dev, ino }: { readonly dev: number; readonly ino: number }): string | undefined {
  const found = loopDevices().find((device) => {
    const path = presentFile(device);
    const stat = path === '' ? undefined : statSync(toBytes(path), { throwIfNoEntry: false });
    return stat?.dev === dev && stat.ino === ino;
  });
  return found === undefined ? undefined : `/dev/${found}`;
}
