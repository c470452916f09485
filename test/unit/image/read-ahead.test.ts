import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ReadAhead } from '../../../src/image/read-ahead.js';

/** A reader over an image of `chunkCount` chunks: what it touches is fetched if it is not here, as a mount would. */
function simulate(chunkCount: number, generous = false): { touch: (chunk: number) => boolean; fetched: Set<number>; touched: Set<number>; requests: number[] } {
  const fetched = new Set<number>();
  const touched = new Set<number>();
  const requests: number[] = [];
  const ahead = new ReadAhead({
    chunkCount, generous, isLocal: (chunk) => fetched.has(chunk),
    prefetch: (chunks) => {
      expect(chunks.every((chunk, i) => chunk < chunkCount && (i === 0 || chunk > chunks[i - 1]!))).toBe(true);
      requests.push(chunks.length);
      for (const chunk of chunks) fetched.add(chunk);
    },
  });
  return {
    fetched, touched, requests,
    touch: (chunk) => {
      const waited = !fetched.has(chunk);
      fetched.add(chunk);
      touched.add(chunk);
      ahead.touch(chunk);
      return waited;
    },
  };
}

describe('ReadAhead', () => {
  test('who reads in order soon waits no more', () => {
    const { touch, requests } = simulate(1000);
    const waits = Array.from({ length: 1000 }, (_, chunk) => touch(chunk)).filter((waited) => waited).length;
    expect(waits).toBeLessThan(30);
    expect(Math.max(...requests)).toBeGreaterThan(16);
  });

  test('several who read in order are followed at a time', () => {
    const { touch } = simulate(4000);
    let waits = 0;
    for (let i = 0; i < 900; i++) for (const start of [0, 1000, 2000, 3000]) if (touch(start + i)) waits++;
    expect(waits).toBeLessThan(200);
  });

  test('who jumps about is left alone', () => {
    const { touch, fetched, touched } = simulate(100_000);
    for (let i = 0; i < 2000; i++) touch(i * 7919 % 100_000);
    expect(fetched.size - touched.size).toBeLessThanOrEqual(4);
  });

  test('where everything is fetched anyway, whoever reads in order is bet on at once', () => {
    const { touch, requests } = simulate(1000, true);
    const waits = Array.from({ length: 100 }, (_, i) => touch(500 + i)).filter((waited) => waited).length;
    expect(waits).toBe(2);
    expect(requests[0]).toBe(2);
  });

  test('whatever readers do, what is fetched in vain stays below a fifth of what is used, and a few', () => {
    const run = fc.record({ start: fc.nat(4000), length: fc.integer({ min: 1, max: 60 }) });
    fc.assert(fc.property(fc.array(run, { maxLength: 80 }), (runs) => {
      const { touch, fetched, touched } = simulate(4096);
      for (const { start, length } of runs) {
        for (let chunk = start; chunk < Math.min(4096, start + length); chunk++) touch(chunk);
        expect(fetched.size - touched.size).toBeLessThanOrEqual(runs.reduce((sum, each) => sum + each.length, 0) / 5 + 5);
      }
    }), { numRuns: 200 });
  });
});
