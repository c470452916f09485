/** What an image keeps of a profile: the chunks that it leads to, in the order of their use. That costs a mount no request, and no look at the file system. */
import type { RandomAccess } from '../../bytes/random-access.js';
import { chunksOf, ProfileLocator } from './locate.js';
import type { ByteRange, Profile } from './profile.js';

export interface EmbeddedProfile {
  /** In the order of their first use. */
  readonly chunks: readonly number[];
  /** Visits of the profile; those whose path is gone; those whose bytes are not the recorded ones any more (used all the same). */
  readonly visits: number;
  readonly gone: number;
  readonly changed: number;
}

/**
 * Cost: the metadata on the way to each path, and what the profile names is read once and hashed.
 *
 * @param image answers every read
 * @throws LIMIT_EXCEEDED for a crafted profile
 */
export function embedProfile(image: RandomAccess, chunkSize: number, { visits }: Profile): EmbeddedProfile {
  const locator = new ProfileLocator(image);
  const ranges: ByteRange[] = [];
  let [gone, changed] = [0, 0];
  for (const visit of visits) {
    const found = locator.locate(visit);
    if (found === undefined) gone++;
    else for (const range of found) ranges.push(range);
    if (found !== undefined && visit.digest !== undefined && locator.digest(visit) !== visit.digest) changed++;
  }
  return { chunks: [...chunksOf(ranges, chunkSize)], visits: visits.length, gone, changed };
}
