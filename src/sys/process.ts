/** Whether a process is still there. */
import { readFileSync } from 'node:fs';

/**
 * A process that has ended, but whose parent has not asked how (state Z in proc(5)), is not running: it holds nothing any more, and where
 * the first process of a container asks nobody it stays for ever.
 *
 * @param pid a process of this machine, of whatever user
 */
export function isRunning(pid: number): boolean {
  const state = stateOf(pid);
  if (state !== undefined) return state !== 'Z' && state !== 'X';
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @returns undefined where /proc does not tell */
function stateOf(pid: number): string | undefined {
  try {
    // The name of the program before it may hold anything, also parentheses.
    return /^.*\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}
