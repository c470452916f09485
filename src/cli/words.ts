/** The arguments of a command that takes any number of them. */
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
