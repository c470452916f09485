/**
 * Verifies everything in a chunk store, and drops what is damaged. An object's name is the digest of what it must be: a page hashes to
 * it, a chunk's frame decodes to blocks that do. Salts are in no object; those of the remembered heads are tried.
 */
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { parseHex, toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { decodeFrameHeader } from '../codec/frame.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import type { DiskStore } from '../store/disk-store.js';
import { rawImagesIn } from '../store/raw-folder.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import { parseUuid } from '../bytes/uuid.js';
import { rememberedHeads, type RememberedHead } from './cached-images.js';
import { HashAreaCheck } from './hash-area-check.js';
import { findRawCopy } from './raw-copy.js';

export interface CheckCacheOptions {
  /** Say what is damaged and leave it; default false. */
  readonly keep?: boolean;
  /** Bytes of disk space looked at, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface CacheCheckReport {
  readonly objects: number;
  /** Ids of the objects that are not what their names say: damaged, torn, or of an image with a salt whose head is forgotten. */
  readonly damaged: readonly string[];
  readonly rawImages: number;
  /** Root hashes of raw images that were changed since they were written. */
  readonly damagedRawImages: readonly string[];
  /** Root hashes of raw images whose head is forgotten: only their seal was looked at. */
  readonly sealedOnly: readonly string[];
}

const MAX_CHUNK_SIZE = MiB;

/** Cost: reads and decompresses everything. Mounts are not disturbed: what they miss afterwards they fetch. @throws the signal's reason */
export async function checkCache(store: DiskStore, { keep = false, onProgress, signal }: CheckCacheOptions = {}): Promise<CacheCheckReport> {
  const heads = rememberedHeads(store.folder);
  const objects = [...store.objects()];
  const rawImages = rawImagesIn(store.folder);
  const total = objects.reduce((sum, { space }) => sum + space, 0) + rawImages.reduce((sum, { space }) => sum + space, 0);
  let done = 0;
  const step = async (space: number): Promise<void> => {
    onProgress?.(done += space, total);
    await turn();
    signal?.throwIfAborted();
  };
  const isSound = objectCheck(heads);
  const damaged: string[] = [];
  for (const { id, space } of objects) {
    const bytes = store.read(id, false);
    if (bytes !== undefined && !isSound(id, bytes)) {
      damaged.push(id);
      if (!keep) store.remove(id);
    }
    await step(space);
  }
  const [damagedRawImages, sealedOnly]: [string[], string[]] = [[], []];
  for (const { rootHash, path, space } of rawImages) {
    const known = heads.find(({ manifest }) => manifest.verity.rootHash === rootHash);
    if (known === undefined) sealedOnly.push(rootHash);
    else if (!await isSoundRaw(path, known, signal)) {
      damagedRawImages.push(rootHash);
      // Who has it mounted keeps it until then; nobody mounts it again.
      if (!keep) for (const name of [`${path}.seal`, path]) rmSync(name, { force: true });
    }
    if (!keep) findRawCopy(store.folder, rootHash); // drops one whose seal is broken
    await step(space);
  }
  return { objects: objects.length, damaged, rawImages: rawImages.length, damagedRawImages, sealedOnly };
}

function objectCheck(heads: readonly RememberedHead[]): (id: string, bytes: Uint8Array) => boolean {
  const salts = new Set(['', ...heads.map(({ manifest }) => manifest.verity.salt)]);
  const decoders = [...salts].map((salt) => new ChunkDecoder(openCodec(), MAX_CHUNK_SIZE, parseHex(salt, 'salt')));
  return (id, bytes) => {
    if (toHex(sha256(bytes)) === id) return true;
    try {
      const size = decodeFrameHeader(bytes)?.contentSize ?? 0;
      if (size === 0 || size > MAX_CHUNK_SIZE) return false;
      const place = { number: 0, size, frameOffset: 0, frameSize: bytes.length, id: parseHex(id, 'id') };
      return decoders.some((decoder) => decodes(decoder, place, bytes));
    } catch (error) {
      if (error instanceof ThawfsError) return false;
      throw error;
    }
  };
}

function decodes(decoder: ChunkDecoder, place: Parameters<ChunkDecoder['decode']>[0], frame: Uint8Array): boolean {
  try {
    decoder.decode(place, frame);
    return true;
  } catch (error) {
    if (error instanceof ThawfsError) return false;
    throw error;
  }
}

async function isSoundRaw(path: string, { manifest }: RememberedHead, signal: AbortSignal | undefined): Promise<boolean> {
  const { verity, raw, uuid } = manifest;
  const salt = parseHex(verity.salt, 'salt');
  const check = new HashAreaCheck(verity, salt, parseUuid(uuid, 'uuid'));
  const [bytes, leaves] = [Buffer.alloc(MiB), new Uint8Array(MiB / BLOCK_SIZE * DIGEST_SIZE)];
  const fd = openSync(path, 'r');
  try {
    if (statSync(path).size !== raw.size) return false;
    for (let at = 0; at < raw.size;) {
      const count = readSync(fd, bytes, 0, Math.min(MiB, raw.size - at), at);
      if (count === 0) return false;
      check.take(leaves.subarray(0, hashLeaves(bytes.subarray(0, count), salt, leaves)));
      at += count;
      await turn();
      signal?.throwIfAborted();
    }
    return true;
  } catch (error) {
    if (error instanceof ThawfsError && error.kind === 'integrity') return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
