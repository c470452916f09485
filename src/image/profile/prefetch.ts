/** Fetching what a profile names before it is asked for, in the order in which it will be. */
import { ChunkMissing } from '../../bytes/random-access.js';
import { setImmediate as turn } from 'node:timers/promises';
import type { LazyImage } from '../lazy-image.js';
import { chunksOf, ProfileLocator } from './locate.js';
import type { Profile, ProfileVisit } from './profile.js';

/** Visits looked up between two turns of the event loop. */
const STRIDE = 200;

/**
 * Finds out where the visits lie and has their chunks fetched in that order. The directories and inodes on the way are fetched for all
 * visits at once, a level of the tree at a time, so that a long link is crossed a few times and not once a file.
 *
 * @returns when all visits are looked up; their content is then under way
 * @throws what LazyImage.fetch throws
 */
export async function prefetchProfile(image: LazyImage, { visits }: Profile): Promise<void> {
  const locator = new ProfileLocator(image);
  for (let waiting: readonly ProfileVisit[] = visits; waiting.length > 0;) {
    const missing = new Set<number>();
    const later: ProfileVisit[] = [];
    for (const [i, visit] of waiting.entries()) {
      if (i % STRIDE === STRIDE - 1) await turn();
      try {
        image.expect([...chunksOf(locator.locate(visit) ?? [], image.chunkSize)]);
      } catch (error) {
        if (!(error instanceof ChunkMissing)) throw error;
        for (const chunk of error.chunks) missing.add(chunk);
        later.push(visit);
      }
    }
    if (missing.size > 0) await image.fetch([...missing].sort((a, b) => a - b));
    waiting = later;
  }
}
