/**
 * A program of a user of the library: `node library-user.js TASK FOLDER URL`. It closes what it opens, calls no exit, and must end by itself;
 * where it does not, it says after a minute what keeps it, and fails. FOLDER is empty; tree, old.img.zst and new.img.zst, which is at URL too, lie beside it.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  applyPatch, buildImage, cachedImages, diffTrees, dumpImage, extractImage, fillCache, fillMount, ImageFiles, inspectImage, listImage, makePatch, mountImages, mountStatus, openImage, pullImage,
  serveFolder, statImage, unmountImage, unpackImage, verifyImage, type Image,
} from '../../src/index.js';
import { anybody as trust } from './lazy-mount.js';

/** Where no server listens. */
const nobody = 'http://127.0.0.1:1/new.img.zst';

type Task = (url: string) => Promise<void>;

export const libraryUser = fileURLToPath(import.meta.url);

async function withImage(location: string, use: (image: Image, files: ImageFiles) => Promise<unknown>): Promise<void> {
  const image = await openImage(location, { trust });
  try {
    await use(image, new ImageFiles(image));
  } finally {
    await image.close();
  }
}

/** @throws unless `attempt` does */
async function fails(attempt: Promise<unknown>): Promise<void> {
  if (await attempt.then(() => true, () => false)) throw new Error('it did not fail');
}

const readAll: Task = async (location) => {
  await withImage(location, async (image, files) => {
    await image.read(0, 1_000_000);
    for await (const entry of listImage(files, '/', { recursive: true })) await statImage(files, entry.path);
    for await (const line of dumpImage(files, { digests: true })) if (line === '') throw new Error('an empty line');
    await extractImage(files, '/', 'extracted');
    await unpackImage(image, 'raw.img');
  });
  await verifyImage(location, { trust });
  await inspectImage(location, { trust });
};

const update: Task = async (location) => {
  await diffTrees('../old.img.zst', location, { trust });
  await makePatch('../old.img.zst', location, 'patch', { trust });
  await applyPatch('../old.img.zst', 'patch', 'patched.img.zst', { trust });
  await pullImage(location, 'pulled.img.zst', { trust, seeds: ['../old.img.zst'] });
};

export const tasks = {
  'reads a file': () => readAll('../new.img.zst'),
  'reads from a web server': readAll,
  'updates from a file': () => update('../new.img.zst'),
  'updates from a web server': update,
  'builds': async () => { await buildImage({ source: '../tree', output: 'built.img.zst', name: 'app' }); },
  'fills a cache': async (url) => {
    await fillCache(url, { trust, cache: 'cache' });
    cachedImages('cache');
  },
  'serves': async () => {
    const server = await serveFolder('..');
    const { port } = server.address() as { port: number };
    await fails(verifyImage(`http://127.0.0.1:${port}/none`, { trust }));
    await verifyImage(`http://127.0.0.1:${port}/new.img.zst`, { trust });
    await new Promise((resolve) => server.close(resolve));
  },
  'fails': async (url) => {
    await fails(buildImage({ source: 'none', output: 'failed.img.zst', name: 'app' }));
    await fails(openImage('none', { trust }));
    await fails(openImage(nobody, { trust }));
    await fails(verifyImage(url, { trust: { keys: [], now: 0 } }));
    await fails(pullImage(url, 'failed.img.zst', { trust, seeds: ['../tree'] }));
  },
  'gives up': async (url) => {
    const controller = new AbortController();
    const { signal } = controller;
    const attempts = [
      buildImage({ source: '../tree', output: 'aborted.img.zst', name: 'app', signal }), verifyImage(url, { trust, signal }), pullImage(url, 'aborted-too.img.zst', { trust, signal }), fillCache(url, { trust, cache: 'aborted', signal }),
    ];
    setTimeout(() => { controller.abort(new Error('enough')); }, 30);
    await Promise.allSettled(attempts);
  },
  'mounts and unmounts': async (url) => {
    const runtimeFolder = `${process.cwd()}/run`;
    mkdirSync('mounted');
    await mountImages([url], 'mounted', { trust, cache: 'mount-cache', runtimeFolder, fill: false });
    await mountStatus(runtimeFolder);
    await fillMount('mounted', { runtimeFolder });
    await unmountImage('mounted', { runtimeFolder });
    await fails(mountImages([nobody], 'mounted', { trust, cache: 'mount-cache', runtimeFolder }));
  },
  'mounts and leaves': async (url) => {
    mkdirSync('left');
    await mountImages([url], 'left', { trust, cache: 'mount-cache', runtimeFolder: `${process.cwd()}/run`, fill: false });
  },
} satisfies Record<string, Task>;

if (process.argv[1] === libraryUser) {
  const [task, folder, url] = process.argv.slice(2);
  process.chdir(folder!);
  await tasks[task as keyof typeof tasks](url!);
  setTimeout(() => {
    console.error('kept by', process.getActiveResourcesInfo());
    process.exit(1);
  }, 60_000).unref();
}
