/** What extraction asks of a server: each chunk that is wanted once, in large requests. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
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

describe('a local image, decoded by threads', () => {
  const noiseSize = 2_000_000;

  /** Much more than is decoded ahead: noise, and chunks that are alike. */
  async function withBuilt(test: (from: string, output: string, to: string) => Promise<void>): Promise<void> {
    await withTempDir(async (directory) => {
      const from = `${directory}/from`;
      mkdirSync(from);
      for (let i = 0; i < 12; i++) writeFileSync(`${from}/noise-${i}`, noise(noiseSize + i, i));
      for (const letter of 'abc') writeFileSync(`${from}/${letter}`, letter.repeat(3_000_000));
      writeFileSync(`${from}/small`, 'small');
      await buildImage({ source: from, output: `${directory}/image` });
      await test(from, `${directory}/image`, `${directory}/to`);
    });
  }

  async function extract(output: string, to: string): Promise<number> {
    await using image = await openImage(output, { trust: { keys: [], allowUnsigned: true, now: 0 } });
    await extractImage(new ImageFiles(image), '/', to);
    return image.statistics.chunksDecoded;
  }

  test('is what it was made of, and this thread decodes metadata only', () => withBuilt(async (from, output, to) => {
    expect(await extract(output, to)).toBeLessThan(5);
    expect(compareTrees(from, to, { directoryLinks: true, owners: process.getuid?.() === 0 })).toEqual([]);
  }));

  test('a damaged chunk: CHUNK_DIGEST_MISMATCH, and no file that it is part of', () => withBuilt(async (from, output, to) => {
    const bytes = readFileSync(output);
    const damaged = readFileSync(`${from}/noise-7`).subarray(1_000_000, 1_000_064);
    const at = bytes.indexOf(damaged); // noise is stored as it is
    expect(at).toBeGreaterThan(0);
    bytes[at]! ^= 1;
    writeFileSync(output, bytes);
    await expect(extract(output, to)).rejects.toMatchObject({ code: 'CHUNK_DIGEST_MISMATCH' });
    const left = readdirSync(to);
    expect(left).not.toContain('noise-7');
    expect(left.filter((name) => name.endsWith('.partial'))).toEqual([]);
    for (const name of left) expect(Buffer.compare(readFileSync(`${to}/${name}`), readFileSync(`${from}/${name}`))).toBe(0);
  }));
});
