import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { toHex } from '../../../src/bytes/hex.js';
import type { ChunkPlace } from '../../../src/chunk/index-reader.js';
import { openCodec } from '../../../src/codec/registry.js';
import { hashLeaves, sha256 } from '../../../src/hash/sha256.js';
import { FrameKeeper } from '../../../src/image/frame-keeper.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const SIZE = 65_536;
const salt = new Uint8Array(0);

function frameOf(chunk: Uint8Array, number: number): { place: ChunkPlace; frame: Uint8Array } {
  const codec = openCodec();
  const target = new Uint8Array(codec.bound(SIZE));
  const frame = target.slice(0, codec.compress(chunk, target, 3));
  const leaves = new Uint8Array(SIZE / 4096 * 32);
  return { frame, place: { number, size: SIZE, frameOffset: 0, frameSize: frame.length, id: sha256(leaves.subarray(0, hashLeaves(chunk, salt, leaves))) } };
}

/** @param what is done with a `keeper`, and a `place` and `frame` for it, in a process that does nothing else */
function runInProcess(folder: string, what: string): { readonly stdout: string; readonly status: number | null } {
  const at = (module: string): string => new URL(`../../../src/${module}.js`, import.meta.url).href;
  const { place, frame } = frameOf(new Uint8Array(randomBytes(SIZE)), 0);
  const hex = (bytes: Uint8Array): string => `Uint8Array.from(Buffer.from('${toHex(bytes)}', 'hex'))`;
  writeFileSync(`${folder}/keep.mjs`, `
    const [{ FrameKeeper }, { DiskStore }] = [await import('${at('image/frame-keeper')}'), await import('${at('store/disk-store')}')];
    const keeper = new FrameKeeper(new DiskStore('${folder}/cache', 1 << 24), ${SIZE}, new Uint8Array(0));
    const [place, frame] = [{ ...${JSON.stringify({ ...place, id: undefined })}, id: ${hex(place.id)} }, ${hex(frame)}];
    ${what}`);
  return spawnSync(process.execPath, [`${folder}/keep.mjs`], { encoding: 'utf8', timeout: 60_000 });
}

describe('FrameKeeper', () => {
  test('keeps sound frames and names the others; equal chunks are stored once, and it counts in its store', () => withTempDir(async (folder) => {
    const store = new DiskStore(folder, 1 << 24);
    const keeper = new FrameKeeper(store, SIZE, salt);
    const chunks = Array.from({ length: 20 }, (_, i) => frameOf(new Uint8Array(randomBytes(SIZE)), i));
    const verdicts = Promise.all([...chunks, { ...chunks[0]!, place: { ...chunks[0]!.place, number: 99 } }].map(({ place, frame }, i) => {
      const bytes = new Uint8Array(frame);
      if (i % 5 === 3) bytes[frame.length >> 1]! ^= 1;
      return keeper.keep(place, bytes);
    }));
    expect(await verdicts).toEqual(Array.from({ length: 21 }, (_, i) => i % 5 !== 3));
    for (const [i, { place, frame }] of chunks.entries()) {
      const kept = store.read(toHex(place.id));
      expect(i % 5 === 3 ? kept === undefined : Buffer.from(frame).equals(kept!)).toBe(true);
    }
    expect([store.statistics.written, store.used]).toEqual([16, [...store.objects()].reduce((sum, { space }) => sum + space, 0)]);
    await keeper.close();
    expect(await keeper.keep(chunks[0]!.place, chunks[0]!.frame)).toBe(false); // the caller has to see to it himself
  }));

  test('what finds no room is sound all the same, and the store says why', () => withTempDir(async (folder) => {
    const store = new DiskStore(folder, 4096);
    const keeper = new FrameKeeper(store, SIZE, salt);
    const { place, frame } = frameOf(new Uint8Array(randomBytes(SIZE)), 0);
    expect(await keeper.keep(place, frame)).toBe(true);
    expect(store.has(toHex(place.id))).toBe(false);
    await keeper.close();
  }));

  test('is closed in a process that waits for nothing else, with frames under way', () => withTempDir((folder) => {
    expect(runInProcess(folder, `
      await keeper.keep(place, frame);
      for (let i = 0; i < 100; i++) keeper.keep(place, frame);
      await keeper.close();
      console.log('closed');`)).toMatchObject({ stdout: 'closed\n', status: 0 });
  }), 90_000);

  test('that nobody has closed keeps no process alive', () => withTempDir((folder) => {
    expect(runInProcess(folder, 'console.log(await keeper.keep(place, frame));')).toMatchObject({ stdout: 'true\n', status: 0 });
  }), 90_000);
});
