/** An image of every kind of source: outside judges accept it, the kernel's mount and `extract` give the tree back. */
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { dumpImage } from '../../../src/image/dump.js';
import { extractImage } from '../../../src/image/extract.js';
import { ImageFiles } from '../../../src/image/files.js';
import { openImage } from '../../../src/image/open.js';
import { compareTrees, type CompareOptions } from '../../helpers/compare-tree.js';
import { makeCopyableTree, makeImage } from '../../helpers/ext4-image.js';
import { withMount } from '../../helpers/ext4-judges.js';
import { judges, verdicts, withBuilt, type BuiltImage } from '../../helpers/image-judges.js';
import { makeTree } from '../../helpers/make-tree.js';
import { LAYER, putBlob, putImage, putIndex } from '../../helpers/oci-layout.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const needs = [...judges, 'loop', 'tar', 'gzip'];
const trust = { keys: [], allowUnsigned: true, now: 0 };
const ignore = ['lost+found'];

function made(directory: string): string {
  const path = `${directory}/tree`;
  mkdirSync(path);
  makeTree(path);
  return path;
}

/** Takes out what GNU tar cannot hold: sockets, and links between names of what is no file. */
function madeForTar(directory: string): string {
  const path = made(directory);
  copyTime(`${path}/special`, () => { for (const name of ['socket', 'fifo-again']) rmSync(`${path}/special/${name}`); });
  return path;
}

/** Changes a directory and gives it its time back. */
function copyTime(directory: string, change: () => void): void {
  const { mtimeNs } = statSync(directory, { bigint: true });
  change();
  execFileSync('touch', ['-d', `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`, directory]);
}

function tarOf(tree: string, archive: string, flags: readonly string[] = []): string {
  execFileSync('tar', ['-C', tree, '-cf', archive, '--format=pax', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '--sparse', ...flags, '.']);
  return archive;
}

/** Holds image, mount and extraction against the directory that the image must equal. */
async function judge(image: BuiltImage, tree: string, options: CompareOptions = {}): Promise<void> {
  expect(verdicts(image)).toEqual([]);
  expect(image.report.warnings).toEqual([]);
  await withMount(image.raw, (mountPoint) => { expect(compareTrees(tree, mountPoint, { ignore, directoryLinks: true })).toEqual([]); });
  await using opened = await openImage(image.path, { trust });
  const target = `${image.path}.extracted`;
  expect(await extractImage(new ImageFiles(opened), '/', target)).toMatchObject({ skipped: [] });
  expect(compareTrees(tree, target, { ignore, directoryLinks: true, ...options })).toEqual([]);
}

describe('a directory', () => {
  oracleTest(needs, 'with everything in it', () => withTempDir(async (directory) => {
    const tree = made(directory);
    await withBuilt({ source: tree }, (image) => judge(image, tree));
  }));
});

describe('a tar', () => {
  const archives: Readonly<Record<string, (tree: string, to: string) => string>> = {
    '.tar': (tree, to) => tarOf(tree, `${to}.tar`),
    '.tar.gz': (tree, to) => tarOf(tree, `${to}.tar.gz`, ['--gzip']),
    '.tar.zst': (tree, to) => tarOf(tree, `${to}.tar.zst`, ['--zstd']),
  };
  for (const [name, archive] of Object.entries(archives)) {
    oracleTest(needs, name, () => withTempDir(async (directory) => {
      const tree = madeForTar(directory);
      await withBuilt({ source: archive(tree, `${directory}/a`) }, (image) => judge(image, tree));
    }));
  }

  oracleTest(needs, 'on standard input', () => withTempDir(async (directory) => {
    const tree = madeForTar(directory);
    const cat = spawn('cat', [tarOf(tree, `${directory}/a.tar`)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await withBuilt({ source: '-', stdin: cat.stdout }, (image) => judge(image, tree));
  }));
});

/** Two layers whose union is `tree`: the first has things too many, and the second hides them. */
function layersOf(tree: string, directory: string): [lower: string, upper: string] {
  const lower = `${directory}/lower`;
  const upper = `${directory}/upper`;
  execFileSync('cp', ['-a', tree, lower]);
  execFileSync('sh', ['-ec', 'rm setuid; mkdir setuid; echo x > setuid/inside; echo x > deep/gone; rm -r many; mkdir many; echo x > many/stale', 'sh'], { cwd: lower });
  mkdirSync(upper);
  execFileSync('sh', ['-ec', `cp -a ${tree}/setuid .; mkdir deep; touch deep/.wh.gone; cp -a ${tree}/many .; touch many/.wh..wh..opq
    for d in . deep many; do setfattr -h --restore=- < /dev/null; touch -r ${tree}/$d $d; chmod --reference=${tree}/$d $d; done`], { cwd: upper });
  return [tarOf(lower, `${directory}/lower.tar`), tarOf(upper, `${directory}/upper.tar`)];
}

describe('a container image', () => {
  oracleTest(needs, 'as an OCI layout of two layers, one compressed', () => withTempDir(async (directory) => {
    const tree = madeForTar(directory);
    const [lower, upper] = layersOf(tree, directory);
    const layout = `${directory}/layout`;
    mkdirSync(layout);
    execFileSync('gzip', [upper]);
    putIndex(layout, [putImage(layout, [putBlob(layout, readFileSync(lower), LAYER), putBlob(layout, readFileSync(`${upper}.gz`), `${LAYER}+gzip`)])]);
    await withBuilt({ source: `oci:${layout}` }, (image) => judge(image, tree));
  }));

  oracleTest(needs, 'as a docker archive', () => withTempDir(async (directory) => {
    const tree = madeForTar(directory);
    const [lower, upper] = layersOf(tree, directory);
    const archive = `${directory}/archive`;
    mkdirSync(archive);
    copyFileSync(lower, `${archive}/lower.tar`);
    copyFileSync(upper, `${archive}/upper.tar`);
    writeFileSync(`${archive}/manifest.json`, '[{"Layers":["lower.tar","upper.tar"]}]');
    execFileSync('tar', ['-C', archive, '-cf', `${directory}/image.tar`, '.']);
    await withBuilt({ source: `docker-archive:${directory}/image.tar` }, (image) => judge(image, tree));
  }));
});

describe('an ext4 image', () => {
  for (const [name, flags] of Object.entries({ 'as large ones are made': '-b 4096', 'with blocks of 1 KiB and no checksums': '-O ^metadata_csum,^64bit -b 1024' })) {
    oracleTest([...needs, 'mkfs.ext4'], `${name}, of no whole number of blocks: its bytes are kept`, () => withTempDir(async (directory) => {
      const tree = `${directory}/tree`;
      mkdirSync(tree);
      makeCopyableTree(tree);
      const original = `${directory}/original.img`;
      makeImage(original, flags, tree, 32_785 << 10);
      await withBuilt({ source: `ext4:${original}` }, async (image) => {
        const { size } = statSync(original);
        expect(readFileSync(image.raw).subarray(0, size).equals(readFileSync(original))).toBe(true);
        // mke2fs -d is no exact copier: its own image, mounted, is what ours must equal.
        await withMount(original, (mountPoint) => judge(image, mountPoint, { sparse: flags === '-b 4096' })); // elsewhere blocks are larger
      });
    }));
  }
});

describe('a dump', () => {
  oracleTest(needs, 'of an image: everything but the contents, which are holes', () => withTempDir(async (directory) => {
    const tree = made(directory);
    const dump = `${directory}/tree.dump`;
    await withBuilt({ source: tree }, async ({ path }) => {
      await using opened = await openImage(path, { trust });
      for await (const line of dumpImage(new ImageFiles(opened))) appendFileSync(dump, line);
    });
    await withBuilt({ source: `dump:${dump}` }, async (image) => {
      expect(verdicts(image)).toEqual([]);
      await withMount(image.raw, (mountPoint) => {
        const differences = compareTrees(tree, mountPoint, { ignore, directoryLinks: true });
        expect(differences.filter((line) => !line.includes('first differing byte'))).toEqual([]);
      });
    });
  }));
});
