import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BlockLog } from '../../../../src/image/profile/block-log.js';

test('every block once, in the order of its first reading', () => {
  const log = new BlockLog();
  expect(log.add(5000, 100)).toEqual([{ offset: 4096, length: 4096 }]);
  expect(log.add(0, 12_288)).toEqual([{ offset: 0, length: 4096 }, { offset: 8192, length: 4096 }]);
  expect(log.add(0, 12_288)).toEqual([]);
  expect([...log.ranges()]).toEqual([{ offset: 4096, length: 4096 }, { offset: 0, length: 4096 }, { offset: 8192, length: 4096 }]);
  expect([log.has(2), log.has(3), log.hasAny(2, 9), log.hasAny(3, 9)]).toEqual([true, false, true, false]);
});

test('agrees with a plain set, far apart too', () => {
  fc.assert(fc.property(fc.array(fc.record({ block: fc.nat(1e9), count: fc.integer({ min: 1, max: 40 }) }), { maxLength: 30 }), (reads) => {
    const log = new BlockLog();
    const blocks = new Set<number>();
    for (const { block, count } of reads) {
      log.add(block * 4096, count * 4096);
      for (let i = 0; i < count; i++) blocks.add(block + i);
    }
    expect([...log.ranges()].flatMap(({ offset, length }) => Array.from({ length: length / 4096 }, (_, i) => offset / 4096 + i))).toEqual([...blocks]);
  }));
});
