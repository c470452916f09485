/** The arguments of this process. Node makes text of them, and of what is not UTF-8 replacement characters: the kernel still has the bytes. */
import { readFileSync } from 'node:fs';
import { display, fromBytes } from '../bytes/byte-string.js';

const REPLACEMENT = '\ufffd';

/** @returns what Node was given; what is not UTF-8 as {@link display} writes it, so that it can be found again */
export function givenArguments(argv: readonly string[] = process.argv.slice(2)): readonly string[] {
  if (!argv.some((argument) => argument.includes(REPLACEMENT))) return argv;
  try {
    const all = fromBytes(readFileSync('/proc/self/cmdline')).split('\0').slice(0, -1);
    return argv.map((argument, i) => argument.includes(REPLACEMENT) ? display(all[all.length - argv.length + i]!) : argument);
  } catch {
    return argv; // not Linux
  }
}
