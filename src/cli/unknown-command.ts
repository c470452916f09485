/** Called by oclif (package.json, hooks) for words that are no command. */
import type { Hook } from '@oclif/core/hooks';
import { ThawfsError } from '../errors.js';
import { nearest } from './nearest.js';

const unknownCommand: Hook.CommandNotFound = ({ id, config }) => {
  const words = id.split(':');
  const commands = config.commandIDs.map((known) => known.replaceAll(':', ' '));
  // oclif takes arguments, too, for words of the command; none of ours has more than two.
  const named = commands.some((command) => command.startsWith(`${words[0]!} `)) ? words.slice(0, 2).join(' ') : words[0]!;
  const meant = nearest(named, commands) ?? nearest(words.slice(0, 2).join(' '), commands);
  throw new ThawfsError('BAD_ARGUMENT', `there is no command "${named}"`, {
    suggestion: meant === undefined ? 'See thawfs --help' : `Did you mean thawfs ${meant}? See thawfs --help`,
  });
};

export default unknownCommand;
