import { describe, expect, test } from '@jest/globals';
import { RecentPlaces } from '../../../src/bytes/recent-places.js';

interface Memory { held: number }

function places(count: number): { readonly recent: RecentPlaces<Memory>; readonly load: (number: number) => Memory | undefined; readonly made: () => number } {
  let made = 0;
  const recent = new RecentPlaces<Memory>(count, () => ({ held: made++ }));
  return {
    recent, made: () => made,
    load: (number) => recent.load(number, (memory) => {
      memory.held = number;
      return true;
    }),
  };
}

describe('RecentPlaces', () => {
  test('the thing used longest ago gives its memory to the next', () => {
    const { recent, load, made } = places(2);
    const [first, second] = [load(1), load(2)];
    expect(recent.find(1)).toBe(first);
    expect(load(3)).toBe(second);
    expect(recent.find(2)).toBeUndefined();
    expect([recent.find(1)?.held, recent.find(3)?.held, made()]).toEqual([1, 3, 2]);
  });

  test('what could not be made is not kept, and its memory is used again', () => {
    const { recent, load, made } = places(1);
    load(1);
    expect(recent.load(2, () => false)).toBeUndefined();
    expect(() => recent.load(3, () => { throw new Error('broken'); })).toThrow('broken');
    expect([1, 2, 3].map((number) => recent.find(number))).toEqual([undefined, undefined, undefined]);
    expect([load(4)?.held, recent.find(4)?.held, made()]).toEqual([4, 4, 1]);
  });

  test('no places keep nothing', () => {
    const { recent, load, made } = places(0);
    expect([load(1)?.held, load(2)?.held, recent.find(2), made()]).toEqual([1, 2, undefined, 1]);
  });
});
