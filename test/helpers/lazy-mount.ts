/** An image of a real tree on a fake web server, mounted lazily. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { buildImage } from '../../src/image/build.js';
import { openTrustedHead } from '../../src/image/trusted-head.js';
import type { ImagePlan, MountPlan } from '../../src/mount/plan.js';
import type { TrustPolicy } from '../../src/trust/policy.js';
import { noise } from './make-tree.js';
import { mountForTest, tearDown, type Mounted } from './mounted.js';
import { withRangeServer, type RangeServer, type RangeServerOptions } from './range-server.js';
import { withTempDir } from './temp-dir.js';

const run = promisify(execFile);

export const anybody: TrustPolicy = { keys: [], allowUnsigned: true, now: 0 };

export interface LazyFixture {
  readonly folder: string;
  /** The tree that the image was built from. */
  readonly tree: string;
  readonly image: Buffer;
  readonly server: RangeServer;
  readonly cache: string;
  readonly mount: (content?: Partial<ImagePlan>, plan?: Partial<MountPlan>) => Promise<Mounted>;
}

export interface LazyFixtureOptions extends RangeServerOptions {
  /** Makes what the image is built from; default {@link makeFiles}. */
  readonly makeTree?: (tree: string) => void;
}

/** About 4 MB in files of every size, that compress badly. @param seed another one gives other contents */
export function makeFiles(tree: string, seed = 0): void {
  for (let i = 0; i < 60; i++) {
    const parent = `${tree}/d${i % 5}`;
    mkdirSync(parent, { recursive: true });
    writeFileSync(`${parent}/f${i}`, noise([10, 4096, 70_000, 200_000][i % 4]!, seed + i));
  }
}

/** Builds, serves, and takes everything down in the end. The server lives in the test's process: read the mount in another one. */
export async function withLazyFixture(options: LazyFixtureOptions, body: (fixture: LazyFixture) => Promise<void>): Promise<void> {
  await withTempDir(async (folder) => {
    const [tree, cache, output] = [`${folder}/tree`, `${folder}/cache`, `${folder}/app.img.zst`];
    (options.makeTree ?? makeFiles)(tree);
    await buildImage({ source: tree, output, name: basename(folder) });
    const image = readFileSync(output);
    try {
      await withRangeServer(image, options, async (server) => {
        await body({
          folder, tree, image, server, cache,
          mount: async (content = {}, plan = {}) => {
            const locations = content.locations ?? [server.url];
            const head = await openTrustedHead(locations, { trust: anybody, cache, offline: content.offline ?? false });
            return mountForTest(folder, {
              kind: 'image', locations, head: Buffer.from(head.bytes).toString('base64'), cache, cacheSize: 1e9, offline: false, readTimeout: 60_000,
              fill: false, fillRate: 0, handover: false, ...content,
            }, plan);
          },
        });
      });
    } finally {
      tearDown(folder);
    }
  });
}

/** @returns what diff(1) says, '' when the trees' contents are equal; run in a process of its own */
export async function differences(expected: string, actual: string): Promise<string> {
  try {
    await run('diff', ['-r', '--no-dereference', '--exclude=lost+found', expected, actual], { maxBuffer: 1 << 24 });
    return '';
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return stdout + stderr || String(error);
  }
}

/** Lets go of what the kernel keeps of these files in memory, so that reads reach the server again. Loop devices of a mount keep nothing. */
export async function forgetCached(...places: readonly string[]): Promise<void> {
  await run('find', [...places, '-type', 'f', '-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';']);
}
