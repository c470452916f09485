/** Who we are outside of any user namespace. */
import { readFileSync } from 'node:fs';

/** @returns whether this process is root of the machine, not merely of a user namespace of its own */
export function isMachineRoot(): boolean {
  return process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/m.test(uidMap());
}

/** @returns the user id as the parent namespace sees it: the same inside `unshare -Ur` and outside */
export function outerUid(): number {
  const uid = process.getuid?.() ?? 0;
  for (const [, inner, outer, count] of uidMap().matchAll(/^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/gm)) {
    if (uid >= Number(inner) && uid < Number(inner) + Number(count)) return Number(outer) + uid - Number(inner);
  }
  return uid;
}

function uidMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'latin1');
  } catch {
    return '0 0 4294967295'; // a kernel without user namespaces
  }
}
