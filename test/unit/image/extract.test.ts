/** What extraction asks of a server: each chunk that is wanted once, in large requests. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { extractImage } from '../../../src/image/extract.js';
import { ImageFiles } from '../../../src/image/files.js';
import { openImage } from '../../../src/image/open.js';
import { KiB } from '../../../src/units.js';
import { compareTrees } from '../../helpers/compare-tree.js';
import { noise } from '../../helpers/make-tree.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

test('names in another order than contents: every chunk is fetched and decoded once', () => withTempDir(async (directory) => {
  const from = `${directory}/from`;
  for (let i = 0; i < 20; i++) {
    mkdirSync(`${from}/d${i}`, { recursive: true });
    // By path they alternate, on disk all of one extension come first.
    for (const [seed, extension] of ['a', 'b', 'c'].entries()) writeFileSync(`${from}/d${i}/f.${extension}`, noise(100_000 + i, 3 * i + seed));
  }
  const output = `${directory}/image`;
  await buildImage({ source: from, output, chunkSize: 16 * KiB });
  await withRangeServer(readFileSync(output), {}, async ({ url, seen }) => {
    await using image = await openImage(url, { trust: { keys: [], allowUnsigned: true, now: 0 }, cacheBytes: 2 ** 20 * 40 });
    await extractImage(new ImageFiles(image), '/', `${directory}/to`);
    expect(compareTrees(from, `${directory}/to`, { directoryLinks: true, owners: process.getuid?.() === 0 })).toEqual([]);
    expect(image.statistics.chunksDecoded).toBeLessThanOrEqual(image.manifest.index.chunkCount);
    expect(image.statistics.bytesFetched).toBeLessThan(statSync(output).size + 128 * KiB);
    expect(seen.length).toBeLessThan(20);
  });
}));
