/** URLs as people give them, with their secrets: what goes into requests, and what may be printed. */
import { ThawfsError } from '../errors.js';
import { isHttp } from './is-remote.js';

/** `https://user:password@host/` is taken apart, so that the password is in no URL that anybody prints. */
export function splitCredentials(text: string): { origin: URL; credentials: Uint8Array | undefined } {
  if (!URL.canParse(text)) {
    throw new ThawfsError('BAD_ARGUMENT', 'the URL cannot be parsed', { suggestion: 'Write a URL such as https://host/path/app.img.zst.' });
  }
  const origin = new URL(text);
  const { username, password } = origin;
  origin.username = '';
  origin.password = '';
  if (username === '' && password === '') return { origin, credentials: undefined };
  return { origin, credentials: Buffer.concat([percentDecoded(username), Buffer.from(':'), percentDecoded(password)]) };
}

/** Unlike decodeURIComponent it takes any bytes, and a stray `%` for itself. */
function percentDecoded(text: string): Buffer {
  return Buffer.from(text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16))), 'latin1');
}

/** @returns a path as it is, a URL without credentials and query */
export function printable(location: string): string {
  return isHttp(location) && URL.canParse(location) ? withoutSecrets(new URL(location)) : location;
}

/** Signed links carry their secret in the query. */
export function withoutSecrets(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}
