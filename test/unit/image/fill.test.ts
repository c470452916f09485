import { expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { fillImage } from '../../../src/image/fill.js';
import type { LazyImage } from '../../../src/image/lazy-image.js';
import { Promised } from '../../../src/store/promised.js';

/** An image of which nothing is here; `fetchAhead` is the test's. */
function absent(fetchAhead: LazyImage['fetchAhead']): LazyImage {
  return { chunkCount: 100, chunkSize: 65_536, localChunks: () => [].values(), scheduler: { stepSize: 65_536, room: () => Promise.resolve() }, fetchAhead } as unknown as LazyImage;
}

test('while an index page is on its way no more is sent for than one step', async () => {
  const page = new Promised<void>();
  const [first, asked] = [new Promised<void>(), [] as number[]];
  const filling = fillImage(absent(async (from) => {
    asked.push(from);
    first.resolve();
    await page.promise;
    return { size: 65_536, count: 5, next: from + 5, landed: Promise.resolve() };
  }));
  await first.promise;
  for (let i = 0; i < 20; i++) await turn();
  expect(asked).toEqual([0]);
  page.resolve();
  await filling;
  expect(asked).toEqual(Array.from({ length: 20 }, (_, i) => 5 * i));
});

test('what fails ends it: the index, or a chunk; what is under way is waited for', async () => {
  await expect(fillImage(absent(() => Promise.reject(new Error('index'))))).rejects.toThrow('index');
  let landed = false;
  const late = turn().then(() => { landed = true; });
  let step = 0;
  await expect(fillImage(absent((from) => Promise.resolve({ size: 1, count: 1, next: from + 1, landed: step++ === 0 ? late : Promise.reject(new Error('chunk')) })))).rejects.toThrow('chunk');
  expect(landed).toBe(true);
});
