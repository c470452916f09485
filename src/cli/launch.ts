/** The way into the program. What a mount waits for longest are the processes that stay behind it: they start before the program itself is loaded. */
import { readdirSync } from 'node:fs';
import { defaultCacheFolder } from '../mount/cache-folder.js';
import { anticipateMount } from '../mount/load-supervisor.js';
import { INSIDE } from '../mount/namespace.js';
import { rawFolderOf } from '../store/raw-folder.js';
import '../sys/wasm-tiering.js';
import { wordsOfOurs } from './words.js';

/** As `start`: its arguments, its status. */
export async function launch(argv: readonly string[], root: string): Promise<number> {
  if (willMount(argv)) anticipateMount();
  const { start } = await import('./start.js');
  return start(argv, root);
}

/** Most likely: should it turn out otherwise, what was started ends with this process. */
function willMount(argv: readonly string[]): boolean {
  const [command, ...rest] = wordsOfOurs(argv);
  const mounts = command === 'mount' ? rest.length > 1 : command === 'run' && process.env[INSIDE] !== undefined;
  return mounts && !rest.includes('--help') && !hasRawImages(cacheIn(rest) ?? defaultCacheFolder());
}

/** Whether a cache has complete images, which nobody has to serve: this may be one of them. */
function hasRawImages(cache: string): boolean {
  try {
    return readdirSync(rawFolderOf(cache)).length > 0;
  } catch {
    return false;
  }
}

/** What `--cache` names. */
function cacheIn(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word.startsWith('--cache=') || word === '--cache');
  return words[at] === '--cache' ? words[at + 1] : words[at]?.slice('--cache='.length);
}
