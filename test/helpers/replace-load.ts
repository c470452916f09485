/** Two versions of an image, and a mount whose image is exchanged again and again while processes read it. */
import { mkdirSync } from 'node:fs';
import { basename } from 'node:path';
import { buildImage } from '../../src/image/build.js';
import { mountImages } from '../../src/mount/mount-image.js';
import type { MountOptions } from '../../src/mount/mount-options.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, makeFiles } from './lazy-mount.js';
import { statusOf, until } from './mounted.js';
import { startVersionReader, type VersionReport } from './version-reader.js';

export interface Versions {
  /** Trees, and the images of them: the same names, other contents. */
  readonly trees: readonly string[];
  readonly images: readonly string[];
  /** An empty directory. */
  readonly directory: string;
  readonly options: MountOptions & { readonly runtimeFolder: string };
}

/** @param folder a temporary folder of the test's own */
export async function makeVersions(folder: string, backend: 'block' | 'tree'): Promise<Versions> {
  const [directory, runtimeFolder] = [`${folder}/merged`, `${folder}/run`];
  mkdirSync(directory);
  const trees = [1, 2].map((version) => `${folder}/tree${version}`);
  const images = trees.map((tree) => `${tree}.img.zst`);
  for (const [i, tree] of trees.entries()) {
    makeFiles(tree, 1000 * i);
    await buildImage({ source: tree, output: images[i]!, name: basename(folder), sequence: i + 1 });
  }
  return { trees, images, directory, options: { trust: anybody, cache: `${folder}/cache`, backend, fill: false, runtimeFolder } };
}

export interface LoadReport extends Omit<VersionReport, 'seen'> {
  /** Milliseconds that each exchange took. */
  readonly times: readonly number[];
  /** Most mounts that were alive at once: the new one, and old ones with open files. */
  readonly mostMounts: number;
}

/** Options of one exchange, and images on top of the version. */
export type Exchange = Partial<MountOptions> & { readonly above?: readonly string[] };

/**
 * Exchanges the image `count` times under two readers, unmounts.
 *
 * @param how what is mounted at an exchange, and how; default the other image
 * @throws when a server of an old version does not end after its last file is closed
 */
export async function replaceUnderLoad({ trees, images, directory, options }: Versions, count: number, how: (exchange: number) => Exchange = () => ({})): Promise<LoadReport> {
  const mount = async (i: number): Promise<void> => {
    const { above = [], ...rest } = how(i);
    await mountImages([...above, images[i % 2]!], directory, { ...options, ...rest, replace: i > 0 });
  };
  await mount(0);
  const readers = await Promise.all([1, 2].map((seed) => startVersionReader(directory, seed, trees)));
  const times: number[] = [];
  let mostMounts = 0;
  for (let i = 1; i <= count; i++) {
    const start = performance.now();
    await mount(i);
    times.push(performance.now() - start);
    mostMounts = Math.max(mostMounts, (await statusOf(directory, options.runtimeFolder)).length);
    await Promise.all(readers.map((reader) => reader.progress(2)));
  }
  const reports = await Promise.all(readers.map((reader) => reader.stop()));
  await until(async () => (await statusOf(directory, options.runtimeFolder)).length === 1 + (how(count).above?.length ?? 0), 'only the last version is served');
  await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
  return {
    times, mostMounts, reads: reports.reduce((sum, { reads }) => sum + reads, 0),
    errors: reports.flatMap(({ errors }) => errors), wrong: reports.flatMap(({ wrong }) => wrong),
  };
}
