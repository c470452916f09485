/** What may be the name of one entry: the rules of every Linux file system. */
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';

/** Bytes in one name (NAME_MAX). */
export const NAME_MAX = 255;

/**
 * @param where names the place in messages, for example the archive's path
 * @throws BAD_FIELD for `.`, `..`, the empty name, a slash or NUL inside, more than 255 bytes
 */
export function checkName(name: ByteString, where: ByteString): void {
  const wrong = name === '' ? 'is empty'
    : name === '.' || name === '..' ? 'would leave its directory'
    : name.includes('/') || name.includes('\0') ? 'has a slash or NUL'
    : name.length > NAME_MAX ? `has ${name.length} bytes, at most ${NAME_MAX} are possible`
    : undefined;
  if (wrong === undefined) return;
  throw new ThawfsError('BAD_FIELD', `${display(where.slice(0, 200))}: the name "${display(name.slice(0, 64))}" ${wrong}`, { detail: { path: display(where.slice(0, 4096)) } });
}
