/** The head of an image, fetched or remembered, and trusted: all that is needed to mount it. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { toHex } from '../bytes/hex.js';
import { decodeHead } from '../chunk/head.js';
import { hasCode, ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE } from '../format/container.js';
import type { Manifest } from '../format/manifest.js';
import { decodeSignatures } from '../format/signatures.js';
import { sha256 } from '../hash/sha256.js';
import { LinkMeter } from '../source/link-meter.js';
import { amongSeveral, openSource, type SourceOptions } from '../source/open-source.js';
import type { OpenedSource } from '../source/range-source.js';
import { makeFolder } from '../sys/make-folder.js';
import { requireTrust, type TrustPolicy } from '../trust/policy.js';
import { MAX_REQUESTS } from './fetch-scheduler.js';
import type { FetchCost } from './lazy-statistics.js';

export interface TrustedHeadOptions {
  readonly trust: TrustPolicy;
  /** Folder that remembers heads by location, so that an image can be mounted again while its origins are down. */
  readonly cache: string;
  /** Ask no origin. */
  readonly offline?: boolean;
  readonly sourceOptions?: SourceOptions;
  /** Leave the origin that answered open for the caller, who closes it; default false. */
  readonly keepOpen?: boolean;
}

export interface TrustedHead {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  /** Where it came from, when that was to be left open and the head is no remembered one; `at` is its name among the locations. */
  readonly opened?: OpenedSource & { readonly at: string };
}

/** A head whose origin is open for what comes next: what that told of the link, and what it costs from the first request on. */
export interface HeadToFetch extends TrustedHead {
  readonly link: LinkMeter;
  readonly cost: FetchCost;
}

/** As {@link openTrustedHead}, for who goes on to fetch over the same connections; `opened` is closed by the caller. */
export async function openHeadToFetch(locations: readonly string[], options: Omit<TrustedHeadOptions, 'keepOpen'>): Promise<HeadToFetch> {
  const link = new LinkMeter();
  const cost: FetchCost = { requests: 0, bytesFetched: 0, fetched: 0 };
  const onRequest: SourceOptions['onRequest'] = (request) => {
    cost.requests++;
    cost.bytesFetched += request.bytesReceived;
    options.sourceOptions?.onRequest?.(request);
  };
  const head = await openTrustedHead(locations, { ...options, keepOpen: true, sourceOptions: { ...options.sourceOptions, connections: MAX_REQUESTS, link, onRequest } });
  return { ...head, link, cost };
}

/**
 * @param locations best first; the first that answers is taken, and when none does, what it said last time
 * @throws what openSource throws for the first location when there is no remembered head; what requireTrust throws: a
 *   remembered head is judged like a fresh one
 */
export async function openTrustedHead(locations: readonly string[], { trust, cache, offline, sourceOptions, keepOpen = false }: TrustedHeadOptions): Promise<TrustedHead> {
  let failure: unknown;
  if (offline !== true) {
    for (const location of locations) {
      try {
        const opened = await openSource(location, HEAD_MAX_SIZE, amongSeveral(locations, sourceOptions ?? {}));
        let kept = false;
        try {
          const head = judge(opened.opening, trust);
          remember(cache, locations[0]!, head.bytes);
          kept = keepOpen;
          return kept ? { ...head, opened: { ...opened, at: location } } : head;
        } finally {
          if (!kept) await opened.source.close();
        }
      } catch (error) {
        if (!(error instanceof ThawfsError) || (error.kind !== 'source' && !hasCode(error, 'PATH_MISSING', 'OBJECT_MISSING'))) throw error;
        failure ??= error;
      }
    }
  }
  if (hasCode(failure, 'OBJECT_MISSING')) throw failure; // It was taken away.
  const remembered = recallHead(cache, locations[0]!);
  if (remembered !== undefined) return judge(remembered, trust);
  throw (failure as Error | undefined) ?? new ThawfsError('SOURCE_UNREACHABLE', `${locations[0]!}: was never mounted here, and origins may not be asked`, {
    detail: { location: locations[0]! }, suggestion: 'Mount it once without --offline.',
  });
}

function judge(opening: Uint8Array, policy: TrustPolicy): TrustedHead {
  const head = decodeHead(opening);
  const { manifest } = requireTrust({
    manifestBytes: head.manifest, policy, signatures: head.signatures === undefined ? [] : decodeSignatures(head.signatures),
  });
  return { bytes: opening.subarray(0, head.headSize), manifest };
}

/** A cache that cannot be written is no reason not to mount. */
function remember(cache: string, location: string, bytes: Uint8Array): void {
  const path = headPath(cache, location);
  try {
    makeFolder(`${cache}/heads`, 0o700);
    writeFileSync(`${path}.${process.pid}`, bytes, { mode: 0o600 });
    renameSync(`${path}.${process.pid}`, path);
  } catch {
    // Next time it is fetched again.
  }
}

/** @returns what a location had when it was last opened, judged by nobody */
export function recallHead(cache: string, location: string): Uint8Array | undefined {
  try {
    return readFileSync(headPath(cache, location));
  } catch {
    return undefined;
  }
}

function headPath(cache: string, location: string): string {
  return `${cache}/heads/${toHex(sha256(Buffer.from(location)))}`;
}
