import { expect, test } from '@jest/globals';
import { RecentRate } from '../../../src/source/recent-rate.js';

function atTime(): { rate: RecentRate; at: (milliseconds: number) => RecentRate } {
  let now = 0;
  const rate = new RecentRate(() => now);
  return { rate, at: (milliseconds) => { now = milliseconds; return rate; } };
}

test('a steady stream is told as what it is, in its first second less', () => {
  const { at } = atTime();
  for (let time = 0; time <= 500; time += 5) at(time).add(50_000);
  expect(at(500).bytesPerSecond).toBe(101 * 50_000);
  for (let time = 505; time <= 20_000; time += 5) at(time).add(50_000);
  expect(Math.abs(at(20_000).bytesPerSecond / 10e6 - 1)).toBeLessThan(0.01);
});

test('what came a while ago is forgotten, without anything running', () => {
  const { at } = atTime();
  at(0).add(1e6);
  expect(at(0).bytesPerSecond).toBe(1e6);
  expect(at(2000).bytesPerSecond).toBe(5e5);
  expect(at(3001).bytesPerSecond).toBe(0);
  at(60_000).add(2e6);
  expect(at(60_000).bytesPerSecond).toBe(2e6);
});

test('a slower link shows within three seconds', () => {
  const { at } = atTime();
  for (let time = 0; time < 10_000; time += 10) at(time).add(100_000);
  for (let time = 10_000; time < 13_500; time += 10) at(time).add(1000);
  expect(at(13_490).bytesPerSecond).toBeLessThan(200_000);
});
