/** The structure check reads metadata about as it lies: a reader with a small cache does not fetch it again and again. And it stops often. */
import { expect, test } from '@jest/globals';
import type { RandomAccess } from '../../../src/bytes/random-access.js';
import { checkInSteps, checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import { directory } from '../../helpers/nodes.js';
import { readContent } from '../../helpers/tree-model.js';

const CHUNK = 65_536;

/** Counts the chunks that a cache of the 16 used last would not have. */
function counting(image: Buffer): RandomAccess & { fetched: number } {
  const cached: number[] = [];
  return {
    size: image.length, fetched: 0,
    read(offset, length) {
      for (let chunk = Math.floor(offset / CHUNK); chunk * CHUNK < offset + length; chunk++) {
        const at = cached.indexOf(chunk);
        if (at >= 0) cached.splice(at, 1);
        else this.fetched++;
        cached.push(chunk);
        if (cached.length > 16) cached.shift();
      }
      return image.subarray(offset, offset + length);
    },
  };
}

test('3,000 directories in an indexed one', () => {
  const wide = Array.from({ length: 3000 }, (_, i) => [`a-directory-${i}`, directory()] as const);
  const image = readContent(layOutExt4(directory({ wide: directory(wide) })).image);
  const access = counting(image);
  expect(checkStructure(new Ext4Reader(access)).directories).toBeGreaterThanOrEqual(3002);
  expect(access.fetched).toBeLessThan(1.5 * image.length / CHUNK);
});

test('a step has some hundred inodes or names, also in one large directory', () => {
  const names = Array.from({ length: 3000 }, (_, i) => [`a-directory-${i}`, directory()] as const);
  const image = readContent(layOutExt4(directory(names)).image);
  let read = 0;
  let most = 0;
  const access: RandomAccess = { size: image.length, read: (offset, length) => { read += length; return image.subarray(offset, offset + length); } };
  for (const step of checkInSteps(new Ext4Reader(access))) {
    expect(step).toBeUndefined();
    most = Math.max(most, read);
    read = 0;
  }
  expect(most).toBeLessThan(image.length / 4);
});
