/** What is large: a directory of 200,000 names, 66,000 sub-directories, a sparse file of 6 GiB. And what is as small as can be. */
import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync, readSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { expect } from '@jest/globals';
import { debugfs, withMount } from '../../helpers/ext4-judges.js';
import { judges, verdicts, withBuilt } from '../../helpers/image-judges.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const GiB = 1 << 30;
const needs = [...judges, 'debugfs', 'loop'];
const attributes = '0 0 1700000000.000000000';

/** Files that are empty; each has as many names as ext4 can count. */
function* namesIn(directory: string, count: number): Generator<string> {
  let first = '';
  for (let i = 0; i < count; i++) {
    const path = `${directory}/name-number-${String(i).padStart(6, '0')}`;
    if (i % 65_000 === 0) first = path;
    yield path === first ? `${path} file 0644 ${attributes} 0 - - -` : `${path} hardlink - - - - - - ${first} -`;
  }
}

oracleTest(needs, '200,000 names in one directory and 66,000 directories in another', () => withTempDir(async (directory) => {
  const line = (path: string): string => `${path} directory 0755 ${attributes} - - - -`;
  const subdirectories = Array.from({ length: 66_000 }, (_, i) => line(`/wide/d${String(i).padStart(5, '0')}`));
  writeFileSync(`${directory}/dump`, [line('/'), line('/names'), ...namesIn('/names', 200_000), line('/wide'), ...subdirectories, ''].join('\n'));
  await withBuilt({ source: `dump:${directory}/dump` }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    expect(debugfs(image.raw, 'htree_dump /names').slice(0, 500)).toContain('Indirect levels: 1');
    await withMount(image.raw, (mountPoint) => {
      expect(readdirSync(`${mountPoint}/names`)).toHaveLength(200_000);
      for (let i = 0; i < 200_000; i += 7) lstatSync(`${mountPoint}/names/name-number-${String(i).padStart(6, '0')}`);
      expect(() => lstatSync(`${mountPoint}/names/name-number-200000`)).toThrow('ENOENT');
      expect(lstatSync(`${mountPoint}/names/name-number-130000`).nlink).toBe(65_000);
      expect(lstatSync(`${mountPoint}/names/name-number-199999`).nlink).toBe(5000);
      expect(readdirSync(`${mountPoint}/wide`)).toHaveLength(66_000);
      expect(lstatSync(`${mountPoint}/wide`).nlink).toBe(1);
      for (let i = 0; i < 66_000; i += 11) expect(lstatSync(`${mountPoint}/wide/d${String(i).padStart(5, '0')}`).isDirectory()).toBe(true);
    });
  });
}));

oracleTest(needs, 'a sparse file of 6 GiB from a directory', () => withTempDir(async (directory) => {
  mkdirSync(`${directory}/tree`);
  const places = [0, 2 * GiB - 2048, 4 * GiB - 1, 5 * GiB + 12_345, 6 * GiB - 4096];
  const fd = openSync(`${directory}/tree/sparse`, 'w');
  ftruncateSync(fd, 6 * GiB);
  for (const place of places) writeSync(fd, noise(4096, place % 1000 + 1), 0, 4096, place);
  closeSync(fd);
  await withBuilt({ source: `${directory}/tree` }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    expect(image.report.fileSize).toBeLessThan(100_000);
    await withMount(image.raw, (mountPoint) => {
      const [source, mounted] = [`${directory}/tree/sparse`, `${mountPoint}/sparse`].map((path) => ({ stats: lstatSync(path), fd: openSync(path, 'r') }));
      expect(mounted!.stats.size).toBe(6 * GiB);
      expect(mounted!.stats.blocks).toBeLessThanOrEqual(source!.stats.blocks);
      for (const place of places) {
        const [theirs, ours] = [source!, mounted!].map(({ fd: file }) => { const bytes = Buffer.alloc(65_536); readSync(file, bytes, 0, bytes.length, Math.max(0, place - 30_000)); return bytes; });
        expect([place, ours!.equals(theirs!)]).toEqual([place, true]);
      }
      closeSync(source!.fd);
      closeSync(mounted!.fd);
    });
  });
}));

oracleTest(needs, 'an empty directory', () => withTempDir(async (directory) => {
  mkdirSync(`${directory}/tree`);
  await withBuilt({ source: `${directory}/tree` }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    await withMount(image.raw, (mountPoint) => { expect(readdirSync(mountPoint).filter((name) => name !== 'lost+found')).toEqual([]); });
  });
}));
