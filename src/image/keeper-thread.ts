/** The thread behind {@link FrameKeeper}: checks frames and writes the sound ones to the cache, a batch at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { openCodec } from '../codec/registry.js';
import { hasCode } from '../errors.js';
import { DiskStore, type DiskStoreStatistics } from '../store/disk-store.js';

export interface KeeperStart {
  readonly folder: string;
  readonly budget: number;
  readonly chunkSize: number;
  readonly salt: Uint8Array;
}

export interface KeeperBatch {
  readonly places: readonly ChunkPlace[];
  readonly frames: readonly Uint8Array[];
}

/** `end`: the thread ends by itself; stopping it inside libzstd would take the process with it. */
export type KeeperOrder = KeeperBatch | 'end';

export interface KeeperAnswer {
  /** Whether each frame is the chunk's. A sound one may still not have found room. */
  readonly sound: readonly boolean[];
  /** Of this thread's store, from its start. */
  readonly statistics: DiskStoreStatistics;
}

function serve({ folder, budget, chunkSize, salt }: KeeperStart, port: NonNullable<typeof parentPort>): void {
  const store = new DiskStore(folder, budget);
  const decoder = new ChunkDecoder(openCodec(), chunkSize, salt);
  const isSound = (place: ChunkPlace, frame: Uint8Array): boolean => {
    try {
      decoder.check(place, frame);
      return true;
    } catch (error) {
      if (hasCode(error, 'CHUNK_DIGEST_MISMATCH')) return false;
      throw error;
    }
  };
  port.on('message', (order: KeeperOrder) => {
    if (order === 'end') {
      port.close();
      return;
    }
    const { places, frames } = order;
    const sound = places.map((place, i) => isSound(place, frames[i]!));
    // Equal chunks of an image have one id.
    const objects = new Map(places.flatMap((place, i) => sound[i] === true ? [[toHex(place.id), frames[i]!] as const] : []));
    store.writeAll([...objects].map(([id, bytes]) => ({ id, bytes })));
    port.postMessage({ sound, statistics: store.statistics } satisfies KeeperAnswer);
  });
}

serve(workerData as KeeperStart, parentPort!);
