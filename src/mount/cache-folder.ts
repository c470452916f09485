/** Where the chunk store lies. */
import { homedir } from 'node:os';
import { isMachineRoot } from '../sys/identity.js';

/** @returns where chunks are kept unless somebody says otherwise */
export function defaultCacheFolder(): string {
  if (isMachineRoot()) return '/var/cache/thawfs';
  const cache = process.env['XDG_CACHE_HOME'] ?? '';
  return `${cache.startsWith('/') ? cache : `${homedir()}/.cache`}/thawfs`;
}
