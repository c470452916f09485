import { fileURLToPath } from 'node:url';
import { ThawfsError } from '../errors.js';
import { openFileSource } from './file.js';
import type { HttpOptions } from './http.js';
import { isRegistry } from './is-remote.js';
import type { KnownSource, OpenedSource, RangeSource } from './range-source.js';
import { defaultRetryPolicy, retry, RetryingSource, type RetryPolicy } from './retry.js';

export interface SourceOptions extends HttpOptions {
  /** How failed requests are tried again; what is left out has its default. */
  readonly retry?: Partial<RetryPolicy>;
}

/** @returns options for one of several locations: who waits for one that hangs has no time left for the next */
export function amongSeveral<Options extends SourceOptions>(locations: readonly string[], options: Options): Options {
  return locations.length > 1 ? { ...options, retry: { ...options.retry, retryTimeouts: false } } : options;
}

/**
 * Opens bytes by name.
 *
 * @param location a path, a `file:` URL, an `http:` or `https:` URL, or `oci://HOST/REPOSITORY:TAG`
 * @param openingLength bytes to read at once from the start; opening costs this one request
 * @throws BAD_ARGUMENT for another scheme, or what is no regular file; PATH_MISSING, NOT_PERMITTED, IO_FAILED; SOURCE_UNREACHABLE, TIMEOUT,
 *   RANGE_NOT_SUPPORTED, AUTH_REQUIRED, OBJECT_MISSING, HTTP_STATUS
 */
export async function openSource(location: string, openingLength: number, options: SourceOptions = {}): Promise<OpenedSource> {
  options.signal?.throwIfAborted();
  const scheme = schemeOf(location);
  if (scheme === undefined) return openFileSource(location, openingLength, options.onRequest);
  if (scheme === 'file') return openFileSource(pathOf(location), openingLength, options.onRequest);
  // The HTTP client costs 90 ms to load, which local images do not pay.
  const open = scheme === 'oci' ? (await import('./registry.js')).openRegistrySource : (await import('./http.js')).openHttpSource;
  const policy = { ...defaultRetryPolicy, ...options.retry };
  const { source, opening } = await retry(() => open(location, openingLength, options), policy, options.signal);
  return { source: new RetryingSource(source, policy), opening };
}

/**
 * Opens what another process had open, without a request: the first answer shows whether it is still the same.
 *
 * @returns undefined where that takes asking: registries tell where a blob is
 */
export async function reopenSource(location: string, known: KnownSource, options: SourceOptions = {}): Promise<RangeSource | undefined> {
  const scheme = schemeOf(location);
  if (scheme !== 'http' && scheme !== 'https') return undefined;
  const { reopenHttpSource } = await import('./http.js');
  return new RetryingSource(reopenHttpSource(location, known, options), { ...defaultRetryPolicy, ...options.retry });
}

/** @returns how to reach a location; undefined for a path @throws BAD_ARGUMENT when there is no way */
export function schemeOf(location: string): 'file' | 'http' | 'https' | 'oci' | undefined {
  if (isRegistry(location)) return 'oci';
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'file' || scheme === 'http' || scheme === 'https') return scheme;
  throw new ThawfsError('BAD_ARGUMENT', `images cannot be read from "${scheme}:"`, {
    detail: { scheme }, suggestion: 'Name a path, an http(s) URL or oci://HOST/REPOSITORY:TAG; write ./ before a path with a colon.',
  });
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new ThawfsError('BAD_ARGUMENT', `${url}: not a file of this machine`, { detail: { location: url }, suggestion: 'Write file:///path, or just the path.', cause });
  }
}
