/**
 * Freed blocks keep their old bytes for the sake of others in their chunk, and are dead weight in the image. Where little of a chunk
 * is still wanted, that little is written anew elsewhere and the chunk given up: emptiest first, until the weight is bearable.
 */
import type { BlockSpace } from './block-space.js';
import type { MappedRun } from './block-runs.js';

/** A chunk of which at most this share is wanted is given up in any case. */
const HARDLY_USED = 1 / 8;

/**
 * @param runs data that could stay
 * @param maxFreed blocks of old bytes that are bearable in all
 * @returns the chunks to give up
 */
export function chunksToLeave(runs: Iterable<MappedRun>, space: BlockSpace, maxFreed: number): Set<number> {
  const { chunkBlocks } = space;
  const wanted = new Map<number, number>();
  for (const { physical, count } of runs) {
    for (let block = physical; block < physical + count;) {
      const chunk = Math.floor(block / chunkBlocks);
      const part = Math.min(physical + count, (chunk + 1) * chunkBlocks) - block;
      wanted.set(chunk, (wanted.get(chunk) ?? 0) + part);
      block += part;
    }
  }
  const candidates = [...wanted].filter(([chunk]) => !space.holdsMetadata(chunk))
    .map(([chunk, live]) => ({ chunk, live, freed: space.formerIn(chunk) - live })).filter(({ freed }) => freed > 0)
    .sort((a, b) => a.live - b.live || a.chunk - b.chunk);
  const leave = new Set<number>();
  let freed = candidates.reduce((sum, each) => sum + each.freed, 0);
  for (const { chunk, live, freed: weight } of candidates) {
    if (freed <= maxFreed && live > chunkBlocks * HARDLY_USED) break;
    leave.add(chunk);
    freed -= weight;
  }
  return leave;
}
