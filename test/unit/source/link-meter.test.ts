import { expect, test } from '@jest/globals';
import { LinkMeter } from '../../../src/source/link-meter.js';

test('a link of 20 ms and 12.5 MB/s is measured as that, although requests overlap and some answers wait', () => {
  let now = 0;
  const meter = new LinkMeter(() => now);
  for (const wait of [60, 41, 20, 33]) meter.answered(wait);
  for (; now < 2000; now += 5) meter.arrived(62_500);
  expect(Math.round(meter.roundTrip)).toBe(20);
  expect(meter.rate).toBeCloseTo(12_500, -3);
  expect(meter.capacity).toBeGreaterThan(200_000);
});

test('what our own bytes add to the answers is not taken for a longer link', () => {
  let now = 0;
  const meter = new LinkMeter(() => now);
  meter.answered(20);
  for (; now < 60_000; now += 10) meter.answered(400);
  expect(Math.round(meter.roundTrip)).toBe(22);
});

test('what nothing is known of is taken to be slow, and what cannot be is not believed', () => {
  let now = 0;
  const meter = new LinkMeter(() => now);
  expect(meter.capacity).toBe(128 * 1024);
  meter.answered(5000);
  for (; now < 60_000; now += 100) meter.arrived(1e9);
  expect(meter.capacity).toBe(16 * 1024 * 1024);
});
