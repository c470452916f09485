/** Images come out as they did when their digests were committed. If a change is meant: see update.ts. */
import { expect, test } from '@jest/globals';
import { goldenImages, readGolden } from './images.js';

const committed = readGolden();

test.each(goldenImages)('%s', async (name, compute) => {
  expect(await compute()).toEqual(committed[name]);
});

test('every committed image is still computed', () => {
  expect(Object.keys(committed)).toEqual(goldenImages.map(([name]) => name));
});
