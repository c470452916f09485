/** Who we are outside of any user namespace, and on which run of the machine. */
import { readFileSync } from 'node:fs';

/** @returns whether this process is root of the machine, not merely of a user namespace of its own */
export function isMachineRoot(): boolean {
  return process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/m.test(uidMap());
}

/** @returns whether this user has to mount through fusermount3(1): only root, of the machine or of a user namespace, may do it himself */
export function needsMountProgram(): boolean {
  return process.getuid?.() !== 0;
}

/** @returns the user id as the parent namespace sees it: the same inside `unshare -Ur` and outside */
export function outerUid(): number {
  const uid = process.getuid?.() ?? 0;
  for (const [, inner, outer, count] of uidMap().matchAll(/^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/gm)) {
    if (uid >= Number(inner) && uid < Number(inner) + Number(count)) return Number(outer) + uid - Number(inner);
  }
  return uid;
}

/** @returns a name of the time since the machine was started; '' where the kernel tells none */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

function uidMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'latin1');
  } catch {
    return '0 0 4294967295'; // a kernel without user namespaces
  }
}
