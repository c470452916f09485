/** `inspect`: what an image is, without reading its content. It judges nothing: signature states are reported, not enforced. */
import type { Manifest } from '../format/manifest.js';
import { decodeSignatures } from '../format/signatures.js';
import type { SourceOptions } from '../source/open-source.js';
import { summariseTrust, type TrustPolicy, type TrustSummary } from '../trust/policy.js';
import { ImageFiles } from './files.js';
import { mapImage, type MappedRange } from './map.js';
import { openImage } from './open.js';

export interface InspectOptions extends SourceOptions {
  /** Whose signatures count as valid; nothing is refused. */
  readonly trust: TrustPolicy;
  /** List every decoded on-disk range too; default false. */
  readonly map?: boolean;
}

export interface Inspection extends TrustSummary {
  readonly location: string;
  readonly manifest: Manifest;
  /** Whether a PKCS#7 signature over the root hash is there. */
  readonly pkcs7: boolean;
  readonly sizes: {
    /** Bytes of the image file; of what a reader needs to open it; of the chunk frames. */
    readonly file: number;
    readonly head: number;
    readonly frames: number;
    /** Bytes of the raw image. */
    readonly raw: number;
    /** Chunk frames per raw image: below 1 where compression pays. */
    readonly ratio: number;
  };
  readonly fileSystem: {
    readonly volumeName: string;
    /** As dumpe2fs(8) names them. */
    readonly features: readonly string[];
    readonly blockSize: number;
    readonly blocks: number;
    readonly freeBlocks: number;
    readonly inodes: number;
    readonly freeInodes: number;
  };
  /** Requests and bytes that looking cost. */
  readonly cost: { readonly requests: number; readonly bytes: number };
  readonly map?: readonly MappedRange[];
}

/**
 * Cost: the opening request, and the index page and chunk that hold the superblock; with `map` also the index and all metadata of groups.
 *
 * @param location a path or URL
 * @throws what openImage throws, but for the refusals of the trust policy
 */
export async function inspectImage(location: string, { trust, map = false, ...options }: InspectOptions): Promise<Inspection> {
  await using image = await openImage(location, { ...options, trust: { keys: [], allowUnsigned: true, now: 0 } });
  const { head, manifest } = image;
  const signatures = head.signatures === undefined ? [] : decodeSignatures(head.signatures);
  const trusted = summariseTrust({ manifestBytes: head.manifest, signatures, policy: trust });
  const fileSystem = await new ImageFiles(image).run((reader) => ({
    volumeName: reader.volumeName, features: reader.features, blockSize: reader.blockSize,
    blocks: reader.blockCount, freeBlocks: reader.freeBlocks, inodes: reader.inodeCount, freeInodes: reader.freeInodes,
  }), options);
  const frames = head.indexOffset - head.headSize;
  return {
    location: image.location, manifest, ...trusted,
    pkcs7: head.pkcs7 !== undefined,
    sizes: { file: image.fileSize, head: head.headSize, frames, raw: manifest.raw.size, ratio: Math.round(frames / manifest.raw.size * 1e4) / 1e4 },
    fileSystem,
    ...(map ? { map: await mapImage(image) } : {}),
    cost: { requests: image.statistics.requests, bytes: image.statistics.bytesFetched },
  };
}
