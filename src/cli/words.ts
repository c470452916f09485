/** What stands on a command line. */
import type { Command } from '@oclif/core/command';
import type { ParserOutput } from '@oclif/core/interfaces';

/**
 * For commands that are not strict: of those oclif takes unknown flags for arguments, and sorts the arguments by where each text is found first, so that `a b a` becomes `a a b`.
 *
 * @returns the arguments in the order in which they were given
 * @throws what oclif throws in strict commands for flags that the command does not have
 */
export function wordsOf({ raw, nonExistentFlags: unknown }: Pick<ParserOutput, 'raw' | 'nonExistentFlags'>, { flags }: typeof Command): string[] {
  if (unknown.length > 0) {
    throw Object.assign(new Error(`Nonexistent flag${unknown.length === 1 ? '' : 's'}: ${unknown.join(', ')}`), { oclif: { exit: 2 }, flags: unknown, parse: { input: { flags } } });
  }
  return raw.filter(({ type }) => type === 'arg').map(({ input }) => input);
}

/** @returns the words that are meant for us: what follows `--` is for others, or names that look like flags */
export function wordsOfOurs(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}
