/** Alignments: they tile the new data, lie inside the old, find what is there at every level, and do not depend on what was aligned before. */
import { describe, expect, test } from '@jest/globals';
import { Aligner, type Alignment } from '../../../src/update/delta.js';
import { effortOf } from '../../../src/update/effort.js';
import { noise } from '../../helpers/make-tree.js';

const levels = [1, 3, 4, 9, 10, 19];
const old = noise(300_000, 1);
/** Parts in another order, with something new between them, and every fortieth byte of one of them changed. */
const parts = [old.subarray(200_000, 290_000), noise(5000, 2), old.subarray(10_000, 90_000), noise(7000, 3), Buffer.from(old.subarray(100_000, 180_000).map((byte, i) => i % 40 === 0 ? byte ^ 0x55 : byte))];
const now = Buffer.concat(parts);

function checked(alignments: readonly Alignment[], from: Uint8Array, to: Uint8Array): { readonly literal: number; readonly differing: number } {
  let [at, literal, differing] = [0, 0, 0];
  for (const { start, length, old: place } of alignments) {
    expect([start, length > 0]).toEqual([at, true]);
    at += length;
    if (place < 0) literal += length;
    else {
      expect(place + length).toBeLessThanOrEqual(from.length);
      for (let i = 0; i < length; i++) if (from[place + i] !== to[start + i]) differing++;
    }
  }
  expect(at).toBe(to.length);
  return { literal, differing };
}

describe.each(levels)('level %i', (level) => {
  const aligner = (): Aligner => new Aligner(effortOf(level));

  test('finds what was moved, and goes on over what was changed', () => {
    const { literal, differing } = checked(aligner().align(old, now), old, now);
    expect(literal).toBeGreaterThan(11_900);
    expect(literal).toBeLessThan(12_400); // what is new has 12,000
    expect(differing).toBeLessThan(2400); // 2,000 were changed
  });

  test('one aligner for file after file: as a fresh one for each', () => {
    const files = [[old, now], [now, old], [noise(400, 9), noise(400, 9)], [old, now], [Buffer.alloc(0), now], [now, Buffer.alloc(0)], [Buffer.alloc(9), Buffer.alloc(50_000)]] as const;
    const shared = aligner();
    for (const [from, to] of files) {
      const found = shared.align(from, to);
      checked(found, from, to);
      expect(found).toEqual(aligner().align(from, to));
    }
  });
});

test('a short match far away is left out, but where distance does not count', () => {
  const short = Buffer.concat([noise(1000, 5), old.subarray(250_001, 250_017), noise(1000, 6)]);
  const places = (far?: number): number[] => new Aligner(effortOf(19)).align(old, short, 0, far).map(({ old: place }) => place).filter((place) => place >= 0);
  expect([places(), places(Infinity)]).toEqual([[], [250_001]]);
});
