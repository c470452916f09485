/** A cache on a disk that cannot be trusted: flipped bits, torn files, what a power cut leaves. Everything is found, and mended from the origin. */
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ChunkMissing } from '../../../src/bytes/random-access.js';
import { openCodec } from '../../../src/codec/registry.js';
import { buildImage } from '../../../src/image/build.js';
import { fillImage } from '../../../src/image/fill.js';
import { LazyImage } from '../../../src/image/lazy-image.js';
import { openTrustedHead } from '../../../src/image/trusted-head.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { anybody, makeFiles } from '../../helpers/lazy-mount.js';
import { chunksOf, objectPath } from '../../helpers/kept-chunks.js';
import { withRangeServer, type RangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** By hand more: FLIPS=10000. */
const FLIPS = Number(process.env['FLIPS'] ?? 500);
const POWER_CUTS = 20;

interface Fixture {
  readonly image: Buffer;
  readonly server: RangeServer;
  /** A cache with all chunks. */
  readonly cache: string;
  readonly folder: string;
  /** The image over a cache; nothing is kept in memory unless there is a size for it. */
  readonly open: (cache: string, budget?: number, memorySize?: number) => Promise<{ readonly lazy: LazyImage; readonly store: DiskStore }>;
  /** All chunks, right. */
  readonly chunks: readonly Uint8Array[];
}

function withFullCache(body: (fixture: Fixture) => Promise<void>): Promise<void> {
  return withTempDir(async (folder) => {
    const [tree, output, cache] = [`${folder}/tree`, `${folder}/app.img.zst`, `${folder}/cache`];
    makeFiles(tree);
    await buildImage({ source: tree, output, name: 'app' });
    const image = readFileSync(output);
    await withRangeServer(image, {}, async (server) => {
      const head = (await openTrustedHead([output], { trust: anybody, cache: `${folder}/heads`, offline: false })).bytes;
      const open: Fixture['open'] = async (at, budget = 1e9, memorySize = 0) => {
        const store = new DiskStore(at, budget);
        return { store, lazy: await LazyImage.open({ head, locations: [server.url], cache: store, memorySize, readTimeout: 5000 }) };
      };
      const { lazy } = await open(cache);
      const numbers = Array.from({ length: lazy.chunkCount }, (_, chunk) => chunk);
      await fillImage(lazy);
      const chunks = numbers.map((chunk) => lazy.find(chunk)!);
      await lazy.close();
      await body({ image, server, cache, folder, open, chunks });
    });
  });
}

/** As a reader: at once when it is here, else after fetching. */
async function read(lazy: LazyImage, chunk: number): Promise<Uint8Array> {
  for (;;) {
    const found = lazy.find(chunk);
    if (found !== undefined) return found;
    await lazy.fetch([chunk]);
  }
}

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** What a power cut does to files that nobody synced. The first does nothing. */
const accidents: readonly ((path: string, random: (below: number) => number) => void)[] = [
  () => undefined,
  (path) => { truncateSync(path, 0); },
  (path, random) => { truncateSync(path, random(statSync(path).size)); },
  (path, random) => { writeFileSync(path, readFileSync(path).fill(0, random(statSync(path).size))); },
  (path) => { rmSync(path); },
];

describe('a damaged cache', () => {
  test(`${FLIPS} bits flip, one after another: never a wrong byte, each is mended`, () => withFullCache(async ({ image, cache, open, chunks }) => {
    const places = chunksOf(image);
    const { lazy } = await open(cache);
    const random = randomFrom(7);
    let [found, wrong] = [0, 0];
    for (let flip = 0; flip < FLIPS; flip++) {
      const chunk = random(chunks.length);
      const path = objectPath(cache, places[chunk]!);
      const bytes = readFileSync(path);
      bytes[random(bytes.length)]! ^= 1 << random(8);
      writeFileSync(path, bytes);
      const before = lazy.statistics.corruptLocal;
      if (Buffer.compare(await read(lazy, chunk), chunks[chunk]!) !== 0) wrong++;
      if (lazy.statistics.corruptLocal > before) found++;
      if (Buffer.compare(readFileSync(path), image.subarray(places[chunk]!.frameOffset, places[chunk]!.frameOffset + places[chunk]!.frameSize)) !== 0) rmSync(path);
    }
    // A few bits of a frame mean nothing, and change nothing.
    expect({ wrong, most: found > FLIPS * 0.98 }).toEqual({ wrong: 0, most: true });
    await lazy.close();
  }), 600_000);

  test('one block of a chunk is wrong in a sound frame: its neighbours are handed out, it is not', () => withFullCache(async ({ image, cache, open, chunks }) => {
    const places = chunksOf(image);
    const { lazy } = await open(cache, 1e9, 2 ** 20);
    const codec = openCodec();
    const random = randomFrom(13);
    const blocks = Math.floor(lazy.manifest.verity.hashOffset / 4096);
    for (let round = 0; round < 50; round++) {
      const [wanted, neighbour] = [random(blocks), random(16)];
      const chunk = Math.floor(wanted / 16);
      const bytes = Buffer.from(chunks[chunk]!);
      bytes[wanted % 16 * 4096 + random(4096)]! ^= 1 << random(8);
      const target = new Uint8Array(codec.bound(bytes.length));
      writeFileSync(objectPath(cache, places[chunk]!), target.subarray(0, codec.compress(bytes, target, 3)));
      for (let other = 0; other < 16; other++) if (other !== chunk) await read(lazy, (chunk + 1 + other) % chunks.length); // pushes it out of memory
      const before = lazy.statistics.corruptLocal;
      for (const block of [chunk * 16 + neighbour, wanted]) {
        if (block >= blocks) continue;
        const got = new Uint8Array(4096);
        for (;;) {
          try {
            lazy.readInto(got, block * 4096);
            break;
          } catch (error) {
            if (!(error instanceof ChunkMissing)) throw error;
            await lazy.fetch(error.chunks);
          }
        }
        expect(Buffer.compare(got, chunks[chunk]!.subarray(block % 16 * 4096, (block % 16 + 1) * 4096))).toBe(0);
      }
      expect(lazy.statistics.corruptLocal).toBe(before + 1);
    }
  }), 600_000);

  test(`${POWER_CUTS} power cuts: nothing is lost but what must be fetched again`, () => withFullCache(async ({ image, server, cache, folder, open, chunks }) => {
    const places = chunksOf(image);
    const random = randomFrom(11);
    for (let cut = 0; cut < POWER_CUTS; cut++) {
      const snapshot = `${folder}/snapshot-${cut}`;
      cpSync(cache, snapshot, { recursive: true });
      const objects = readdirSync(`${snapshot}/objects`, { recursive: true, encoding: 'utf8' }).map((name) => `${snapshot}/objects/${name}`).filter((path) => statSync(path).isFile());
      let intact = 0;
      for (const path of objects) {
        const accident = random(10) < 5 ? 0 : random(accidents.length);
        if (accident === 0) intact++;
        accidents[accident]!(path, random);
      }
      writeFileSync(`${snapshot}/objects/.4711.3`, image.subarray(0, random(5000))); // a write that was under way
      writeFileSync(`${snapshot}/usage`, [Buffer.alloc(0), Buffer.alloc(3, 1), Buffer.alloc(8), Buffer.alloc(8, 0xff)][cut % 4]!);
      if (cut % 3 === 0) writeFileSync(`${snapshot}/pins/torn`, Buffer.alloc(17, 3));
      if (cut % 5 === 0) mkdirSync(`${snapshot}/raw`, { recursive: true });
      const { bytesSent } = server;
      const budget = Math.ceil(image.length * 0.6);
      const { lazy, store } = await open(snapshot, cut % 2 === 0 ? budget : 1e9);
      for (const [chunk, right] of chunks.entries()) expect(Buffer.compare(await read(lazy, chunk), right)).toBe(0);
      const held = [...store.objects()].reduce((sum, { space }) => sum + space, 0);
      if (cut % 2 === 0) expect(held).toBeLessThanOrEqual(budget + 65_536);
      // The small ones are fetched along with their neighbours: less than all of it, as long as there is room.
      else expect(server.bytesSent - bytesSent).toBeLessThan(image.length * (1 - intact / places.length / 2));
      await lazy.close();
      rmSync(snapshot, { recursive: true });
    }
  }), 600_000);
});
