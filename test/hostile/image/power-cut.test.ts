/**
 * Power cuts while a cache is filled: the cache lies on a file system of its own, in a file, and that file is copied at random moments while the kernel
 * writes to it. What the copies hold was never synced by anybody, and a copy takes its time, so they are torn worse than by a real cut.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { LazyImage } from '../../../src/image/lazy-image.js';
import { openTrustedHead } from '../../../src/image/trusted-head.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { anybody, makeFiles } from '../../helpers/lazy-mount.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** By hand more: CUTS=100. */
const CUTS = Number(process.env['CUTS'] ?? 8);
const DISK_SIZE = 24 * 1024 ** 2;
/** Of the moments; another one gives others. */
const SEED = Number(process.env['SEED'] ?? 5);

const run = promisify(execFile);

/** Mounts a disk in a file while `body` runs. */
async function withDisk<T>(disk: string, directory: string, body: () => Promise<T>): Promise<T> {
  mkdirSync(directory, { recursive: true });
  // What would be written out every five seconds is written every second here: the test is over sooner.
  execFileSync('mount', ['-o', 'loop,commit=1', disk, directory]);
  try {
    return await body();
  } finally {
    await run('umount', [directory]);
  }
}

oracleTest(['loop', 'mkfs.ext4', 'e2fsck'], `${CUTS} power cuts while a cache is filled: never a wrong byte, and nothing is lost but what must be fetched again`, () => withTempDir(async (folder) => {
  const [tree, output, disk, mounted] = [`${folder}/tree`, `${folder}/app.img.zst`, `${folder}/disk`, `${folder}/mounted`];
  makeFiles(tree);
  await buildImage({ source: tree, output, name: 'app' });
  const image = readFileSync(output);
  writeFileSync(disk, '');
  truncateSync(disk, DISK_SIZE);
  execFileSync('mkfs.ext4', ['-q', '-F', disk], { stdio: 'ignore' });
  let state = SEED;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  await withRangeServer(image, {}, async (server) => {
    const head = (await openTrustedHead([output], { trust: anybody, cache: `${folder}/heads`, offline: false })).bytes;
    const openOver = (store: DiskStore): Promise<LazyImage> => LazyImage.open({ head, locations: [server.url], cache: store, memorySize: 0, readTimeout: 5000 });

    const whole = await LazyImage.open({ head, locations: [output], memorySize: 0, readTimeout: 0 });
    const right = Array.from({ length: whole.chunkCount }, (_, chunk) => new Uint8Array(whole.find(chunk)!));
    await whole.close();

    await withDisk(disk, mounted, async () => {
      const syncs: Promise<unknown>[] = [];
      for (let cut = 0; cut < CUTS; cut++) {
        rmSync(`${mounted}/cache`, { recursive: true, force: true });
        const store = new DiskStore(`${mounted}/cache`, 1e9);
        const lazy = await openOver(store);
        const last = random(lazy.chunkCount);
        for (let chunk = 0; chunk < last;) {
          const { next, landed } = await lazy.fetchAhead(chunk, 100_000);
          await landed;
          chunk = next;
          await delay(random(30));
          // Somebody else's sync, under way while the copy is made.
          if (random(6) === 0) syncs.push(run('sync', ['-f', mounted]));
        }
        await delay(random(1500));
        copyFileSync(disk, `${folder}/cut-${cut}`);
        await lazy.close();
        store.close();
      }
      await Promise.all(syncs);
    });

    /** Chunks that were found, sound, after a cut. */
    let survived = 0;
    for (let cut = 0; cut < CUTS; cut++) {
      // As when the machine starts again: the journal is replayed, what is broken is mended.
      expect(spawnSync('e2fsck', ['-fy', `${folder}/cut-${cut}`], { stdio: 'ignore' }).status).toBeLessThan(4);
      await withDisk(`${folder}/cut-${cut}`, `${folder}/after`, async () => {
        rmSync(`${folder}/after/cache/usage`, { force: true }); // another boot: the count does not hold
        const { bytesSent } = server;
        const store = new DiskStore(`${folder}/after/cache`, 1e9);
        const lazy = await openOver(store);
        const wrong: number[] = [];
        for (const [chunk, bytes] of right.entries()) {
          let found = lazy.find(chunk);
          if (found !== undefined) survived++;
          while (found === undefined) {
            await lazy.fetch([chunk]);
            found = lazy.find(chunk);
          }
          if (Buffer.compare(found, bytes) !== 0) wrong.push(chunk);
        }
        await lazy.close();
        expect({ wrong, all: server.bytesSent - bytesSent <= image.length * 1.1 }).toEqual({ wrong: [], all: true });
        expect(store.used).toBe([...store.objects()].reduce((sum, { space }) => sum + space, 0));
        store.close();
      });
      rmSync(`${folder}/cut-${cut}`);
    }
    expect(survived).toBeGreaterThan(0); // else nothing had reached a disk, and nothing was tried
  });
}), 600_000);
