/** Images that are read directory by directory, as dump and `verify --deep` do: what a tree in memory would give, without the tree. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { readTree } from '../../../src/ext4/reader/tree.js';
import { buildImage } from '../../../src/image/build.js';
import { dumpImage } from '../../../src/image/dump.js';
import { ImageFiles } from '../../../src/image/files.js';
import { openImage } from '../../../src/image/open.js';
import { walkImage, type ImageVisit } from '../../../src/image/walk.js';
import { walk } from '../../../src/model/tree.js';
import { formatDump } from '../../../src/tree/dump.js';
import { KiB } from '../../../src/units.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const trust = { keys: [], allowUnsigned: true, now: 0 };

test('the same names, nodes and lines in the same order; directories come without their children', () => withTempDir(async (directory) => {
  await buildImage({ source: 'dump:test/golden/tree.dump', output: `${directory}/image`, check: false });
  await using image = await openImage(`${directory}/image`, { trust });
  const files = new ImageFiles(image);
  const root = await files.run(readTree);
  const visits: ImageVisit[] = [];
  for await (const visit of walkImage(files)) visits.push(visit);
  const expected = [...walk(root)];
  expect(visits.map(({ path, name, node }) => [path, name, node.kind])).toEqual(expected.map(({ path, name, node }) => [path, name, node.kind]));
  const firstOf = (nodes: readonly { readonly node: unknown }[]): number[] => nodes.map(({ node }) => nodes.findIndex((other) => other.node === node));
  expect(firstOf(visits)).toEqual(firstOf(expected));
  expect(new Set(firstOf(visits)).size).toBeLessThan(visits.length); // some share a node
  expect(visits.every(({ node }) => node.kind !== 'directory' || node.children.size === 0)).toBe(true);
  let text = '';
  for await (const line of dumpImage(files)) text += line;
  expect(text).toBe(formatDump(root));
}));

test('the first lines of a large image come before the rest is fetched', () => withTempDir(async (directory) => {
  const lines = ['/ directory 0755 0 0 0.000000000 - - - -'];
  for (let d = 10; d < 60; d++) {
    lines.push(`/${d} directory 0755 0 0 0.000000000 - - - -`);
    // Attributes that do not compress, inside the inodes.
    for (let f = 10; f < 90; f++) lines.push(`/${d}/${f} file 0644 0 0 0.000000000 0 - - - user.x=${createHash('sha256').update(`${d}/${f}`).digest('hex')}`);
  }
  writeFileSync(`${directory}/dump`, `${lines.join('\n')}\n`);
  await buildImage({ source: `dump:${directory}/dump`, output: `${directory}/image`, chunkSize: 16 * KiB, check: false });
  await withRangeServer(readFileSync(`${directory}/image`), {}, async ({ url }) => {
    await using image = await openImage(url, { trust });
    const { bytesFetched: opening } = image.statistics;
    const dump = dumpImage(new ImageFiles(image));
    const read: string[] = [];
    while (read.length < 100) read.push((await dump.next()).value!.slice(0, -1));
    const { bytesFetched: early } = image.statistics;
    for await (const line of dump) read.push(line.slice(0, -1));
    expect(read).toEqual(lines);
    expect(early - opening).toBeLessThan((image.statistics.bytesFetched - opening) / 4);
  });
}));
