/** The worker pool: results as the plain functions give them, and no call left waiting whatever happens. */
import type { Worker } from 'node:worker_threads';
import { mkdtempSync, openSync, closeSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { stage } from '../../../src/chunk/job.js';
import { WorkerPool, type PoolOptions } from '../../../src/chunk/pool.js';
import type { Slot } from '../../../src/chunk/slot.js';
import { openCodec } from '../../../src/codec/registry.js';
import { hashLeaves, sha256 } from '../../../src/hash/sha256.js';
import type { Piece } from '../../../src/model/content.js';
import { compressible } from '../../helpers/codecs.js';

const chunkSize = 65536;
const codec = openCodec();
const salt = Uint8Array.of(1, 2, 3);
let folder: string;
let pool: WorkerPool;

function start(options: Partial<PoolOptions> = {}): WorkerPool {
  pool = new WorkerPool({ shape: { chunkSize, frameBound: codec.bound(chunkSize) }, level: 3, salt, jobs: 2, ...options });
  return pool;
}
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'thawfs-test-')); });
afterEach(async () => {
  await pool.close();
  rmSync(folder, { recursive: true, force: true });
});

const inMemory = (source: Uint8Array, offset: number): Piece => ({ offset, length: source.length, source, sourceOffset: 0 });

function hostFile(name: string, bytes: Uint8Array, offset: number): Piece {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  const { size, mtimeMs } = statSync(path);
  return { offset, length: size, source: { kind: 'host-file', path: fromText(path), seen: { size, mtimeMs } }, sourceOffset: 0 };
}

/** Packs what the pieces hold. @returns the slot and the promise of the result */
function pack(size: number, pieces: Piece[]): { slot: Slot; done: Promise<void> } {
  const slot = pool.freeSlots.pop()!;
  slot.raw.fill(0xee);
  return { slot, done: pool.run(slot, stage({ offset: 0, size, pieces }, slot)) };
}

function expectPacked(slot: Slot, raw: Uint8Array): void {
  let at = 0;
  for (let chunk = 0; chunk * chunkSize < raw.length; chunk++) {
    const bytes = raw.subarray(chunk * chunkSize, (chunk + 1) * chunkSize);
    const back = new Uint8Array(bytes.length);
    codec.decompress(slot.frames.subarray(at, at + slot.frameSizes[chunk]!), back);
    at += slot.frameSizes[chunk]!;
    expect(Buffer.compare(back, bytes)).toBe(0);
    const leaves = new Uint8Array(bytes.length / 128);
    hashLeaves(bytes, salt, leaves);
    expect(Buffer.compare(slot.leaves.subarray(chunk * chunkSize / 128).subarray(0, leaves.length), leaves)).toBe(0);
    expect(Buffer.compare(slot.ids.subarray(chunk * 32, chunk * 32 + 32), sha256(leaves))).toBe(0);
  }
}

describe('packing', () => {
  test('files, memory, random access and holes in one batch', async () => {
    start();
    const raw = new Uint8Array(3 * chunkSize + 8192);
    const [a, b, c] = [compressible(70_000, 1), compressible(5000, 2), compressible(4096, 3)];
    raw.set(a, 100);
    raw.set(b, 80_000);
    raw.set(c, 2 * chunkSize);
    const access: Piece = { offset: 2 * chunkSize, length: c.length, source: { size: c.length + 50, read: (at, length) => c.subarray(at - 50, at - 50 + length) }, sourceOffset: 50 };
    const { slot, done } = pack(raw.length, [hostFile('a', a, 100), inMemory(b, 80_000), access]);
    await done;
    expectPacked(slot, raw);
  });

  test('more batches than threads', async () => {
    start();
    const raws = Array.from({ length: 6 }, (_, i) => compressible(chunkSize, i + 1));
    const batches = raws.map((raw) => pack(raw.length, [inMemory(raw, 0)]));
    await Promise.all(batches.map(({ done }) => done));
    batches.forEach(({ slot }, i) => { expectPacked(slot, raws[i]!); });
    expect(pool.freeSlots).toEqual([]);
  });

  test('a thread reads frames back', async () => {
    start();
    const raw = compressible(2 * chunkSize + 4096);
    const packed = pack(raw.length, [inMemory(raw, 0)]);
    await packed.done;
    const sizes = packed.slot.frameSizes.slice(0, 3);
    const path = join(folder, 'frames');
    writeFileSync(path, Buffer.concat([Buffer.alloc(10), packed.slot.frames.slice(0, sizes.reduce((sum, size) => sum + size))]));
    const fd = openSync(path, 'r');
    try {
      const slot = pool.freeSlots.pop()!;
      slot.frameSizes.set(sizes);
      await pool.run(slot, { kind: 'unpack', size: raw.length, fd, offset: 10, firstChunk: 0 });
      expect(Buffer.compare(slot.ids.slice(0, 96), packed.slot.ids.slice(0, 96))).toBe(0);
      expect(Buffer.compare(slot.leaves.slice(0, raw.length / 128), packed.slot.leaves.slice(0, raw.length / 128))).toBe(0);
      await expect(pool.run(slot, { kind: 'unpack', size: raw.length, fd, offset: 11, firstChunk: 7 })).rejects.toMatchObject({ code: 'TRUNCATED' });
    } finally {
      closeSync(fd);
    }
  });
});

describe('failing', () => {
  test('a file that changed: code and path, and the pool takes no more work', async () => {
    start();
    const piece = hostFile('a', compressible(5000), 0);
    utimesSync(join(folder, 'a'), 1, 1);
    await expect(pack(8192, [piece]).done).rejects.toMatchObject({ code: 'SOURCE_CHANGED', detail: { path: join(folder, 'a') }, suggestions: [expect.stringContaining('snapshot')] });
    await expect(pack(4096, []).done).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('one failure ends all that waits', async () => {
    start({ jobs: 1 });
    const bad = pack(4096, [{ offset: 0, length: 10, source: { kind: 'host-file', path: fromText(join(folder, 'none')) }, sourceOffset: 0 }]);
    const waiting = pack(4096, []);
    await expect(bad.done).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await expect(waiting.done).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('an abort rejects with its reason, at once', async () => {
    const abort = new AbortController();
    start({ signal: abort.signal });
    const { done } = pack(chunkSize, []);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(done).rejects.toBe(reason);
    await expect(pack(chunkSize, []).done).rejects.toBe(reason);
  });

  test('a signal that was aborted before', async () => {
    const reason = new Error('too late');
    start({ signal: AbortSignal.abort(reason) });
    await expect(pack(chunkSize, []).done).rejects.toBe(reason);
  });

  test('a thread that dies', async () => {
    start({ jobs: 1 });
    await pack(4096, []).done;
    const { done } = pack(16 * chunkSize, [inMemory(compressible(16 * chunkSize), 0)]);
    const [thread] = Reflect.get(pool, 'threads') as { worker: Worker }[];
    thread!.worker.emit('exit', 1); // really terminated inside libzstd, it would take the tests along
    await expect(done).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(pack(chunkSize, []).done).rejects.toMatchObject({ code: 'WORKER_FAILED' });
  });

  test('closing ends what is under way', async () => {
    start();
    const { done } = pack(chunkSize, []);
    await pool.close();
    await expect(done).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});
