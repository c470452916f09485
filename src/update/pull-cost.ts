/** What a pull costs, and the limit on it. */
import { ThawfsError } from '../errors.js';
import { formatSize } from '../units.js';
import type { PublishedPatch } from './published-patch.js';

/** Bytes of the image file, by where they come from. */
export interface PullCost {
  readonly fileSize: number;
  /** To be fetched, in this many requests. */
  readonly fetch: number;
  readonly requests: number;
  /** Head and index, which were fetched to find out. */
  readonly opened: number;
  /** Frames of seeds, of an interrupted run, and such as the image has more than once. */
  readonly seeded: number;
  readonly kept: number;
  readonly repeated: number;
  /** Frames of the hash area: computed here from all others, where this machine has the compressor of the image. */
  readonly made: number;
  /** Seeds that cannot help: their frames are those of another compressor, or have to be made by one that is not here. */
  readonly foreignSeeds: readonly string[];
  /** The patch that is fetched instead of chunks: where it lies, its bytes, the seed that it starts from, and what the chunks would cost. */
  readonly patch?: { readonly location: string; readonly size: number; readonly from: string; readonly instead: number };
}

/** The cost when a patch is fetched instead of chunks. */
export function costWithPatch(chunks: PullCost, { location, size, from, kept, requests, bytesFetched }: PublishedPatch): PullCost {
  return {
    ...chunks, fetch: size - kept, requests, opened: chunks.opened + bytesFetched, seeded: 0, kept: 0, repeated: 0, made: 0,
    patch: { location, size, from, instead: chunks.fetch },
  };
}

/** Bytes that may still be fetched. */
export class Allowance {
  private spent = 0;

  /** @param limit bytes in all; undefined = any amount */
  constructor(private readonly limit: number | undefined) {}

  /** Before they are fetched. @throws FETCH_LIMIT_EXCEEDED */
  spend(bytes: number): void {
    this.spent += bytes;
    const { limit, spent } = this;
    if (limit === undefined || spent <= limit) return;
    throw new ThawfsError('FETCH_LIMIT_EXCEEDED', `${formatSize(spent)} would have to be fetched, at most ${formatSize(limit)} are allowed`, {
      detail: { needed: spent, limit }, suggestion: 'Allow more (--max-bytes), or name an older version of the image (--seed).',
    });
  }
}
