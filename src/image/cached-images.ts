/** Which images the chunk store knows, and what of each it holds: from the heads that mounts and fills remembered, without any origin. */
import { readFileSync, readdirSync } from 'node:fs';
import { toHex } from '../bytes/hex.js';
import { decodeHead, type Head } from '../chunk/head.js';
import { IndexReader, isPagePlace } from '../chunk/index-reader.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { DiskStore } from '../store/disk-store.js';

export interface RememberedHead {
  readonly head: Head;
  readonly manifest: Manifest;
}

/** What the store holds of an image. */
export interface Residence {
  /** Digests of the pages and chunks, 32 bytes each, as far as pages are here to tell. */
  readonly ids: Uint8Array;
  readonly chunkCount: number;
  readonly localChunks: number;
}

/** @returns the heads that are whole, one for each root hash; nobody says here whom to trust */
export function rememberedHeads(cache: string): RememberedHead[] {
  const heads = new Map<string, RememberedHead>();
  for (const name of headFiles(cache)) {
    try {
      const head = decodeHead(readFileSync(`${cache}/heads/${name}`));
      const manifest = decodeManifest(head.manifest);
      heads.set(manifest.verity.rootHash, { head, manifest });
    } catch {
      // It is damaged, or has just gone: then it says nothing.
    }
  }
  return [...heads.values()].sort(({ manifest: a }, { manifest: b }) => a.name === b.name ? a.sequence - b.sequence : a.name < b.name ? -1 : 1);
}

/** @returns names of the files that hold heads */
function headFiles(cache: string): string[] {
  try {
    return readdirSync(`${cache}/heads`).filter((name) => /^[0-9a-f]{64}$/.test(name));
  } catch {
    return [];
  }
}

export interface CachedImage {
  readonly name: string;
  readonly sequence: number;
  readonly rootHash: string;
  /** In all, and of them here. */
  readonly chunks: number;
  readonly localChunks: number;
  readonly pinned: boolean;
}

/**
 * @param cache folder of the chunk store
 * @returns the images that it was used for, by name and sequence. Cost: as {@link residenceOf}, for each
 */
export function cachedImages(cache: string): CachedImage[] {
  const store = new DiskStore(cache);
  try {
    const pins = new Set(store.pins());
    return rememberedHeads(store.folder).map((remembered) => {
      const { name, sequence, verity: { rootHash } } = remembered.manifest;
      const { chunkCount, localChunks } = residenceOf(remembered, store);
      return { name, sequence, rootHash, chunks: chunkCount, localChunks, pinned: pins.has(rootHash) };
    });
  } finally {
    store.close();
  }
}

/**
 * Lets the store forget an image that was pinned (`pin` of fillCache): its chunks stay until room is needed for others.
 *
 * @param cache folder of the chunk store
 * @param beginning of the image's root hash, or all of it
 * @returns the root hash
 * @throws BAD_ARGUMENT when no image, or more than one, is pinned under it
 */
export function unpinImage(cache: string, beginning: string): string {
  const store = new DiskStore(cache);
  try {
    const [rootHash, ...others] = beginning === '' ? [] : store.pins().filter((pin) => pin.startsWith(beginning));
    if (rootHash === undefined || others.length > 0) {
      throw new ThawfsError('BAD_ARGUMENT', `${beginning}: ${rootHash === undefined ? 'no image is pinned under this root hash' : 'several root hashes begin like this'}`, {
        suggestion: 'Look at thawfs cache ls.',
      });
    }
    store.unpin(rootHash);
    return rootHash;
  } finally {
    store.close();
  }
}

/** Looks each chunk up, sound or not. Cost: a system call for each chunk; memory: 32 bytes for each. @throws INDEX_DIGEST_MISMATCH for a head that contradicts itself */
export function residenceOf({ head, manifest }: RememberedHead, store: DiskStore): Residence {
  const { index: { chunkCount, chunkSize }, raw } = manifest;
  const index = new IndexReader({
    chunkCount, chunkSize, rawSize: raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize: openCodec().bound(chunkSize),
  }, head.rootPage);
  const ids = new Map<string, Uint8Array>();
  let localChunks = 0;
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    let place = index.find(chunk);
    while (isPagePlace(place)) {
      const digest = toHex(place.digest);
      ids.set(digest, Buffer.from(place.digest));
      const page = store.read(digest, false);
      if (page === undefined) break;
      try {
        index.accept(place, page);
      } catch (error) {
        if (!hasCode(error, 'INDEX_DIGEST_MISMATCH')) throw error;
        break;
      }
      place = index.find(chunk);
    }
    if (isPagePlace(place)) continue; // nobody can say what the chunk is
    const id = toHex(place.id);
    if (!ids.has(id)) ids.set(id, Buffer.from(place.id));
    if (store.has(id)) localChunks++;
  }
  return { ids: Buffer.concat([...ids.values()]), chunkCount, localChunks };
}
