/** GNU gzip is the judge: contents of every kind, of sizes around which its window, its blocks and its end are handled otherwise. */
import { spawnSync } from 'node:child_process';
import { expect } from '@jest/globals';
import { copies, far, gzipNine, text } from '../../helpers/gzip-file.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';

const mixed = (size: number, seed: number): Uint8Array => {
  const parts = [text(30_000, seed), noise(40_000, seed), Buffer.alloc(9_000), text(30_000, seed), noise(40_000, seed), text(100_000, seed + 1)];
  return Buffer.concat([...parts, ...parts, ...parts]).subarray(0, size);
};
const few = (size: number, seed: number): Uint8Array => noise(size, seed).map((byte) => byte & 3);
const sizes = [1, 2, 3, 4, 258, 262, 5000, 32_506, 32_768, 65_273, 65_275, 65_534, 65_535, 65_536, 65_537, 98_042, 131_072, 400_001];

const byGzip = (content: Uint8Array): Buffer => spawnSync('gzip', ['-9nc'], { input: content, maxBuffer: 1 << 24 }).stdout;

oracleTest(['gzip'], 'gzip gives up after as many places', () => {
  for (const count of [1023, 1024, 4095, 4096]) expect([count, gzipNine(far(count)).equals(byGzip(far(count)))]).toEqual([count, true]);
});

oracleTest(['gzip'], 'what gzip -9n writes', () => {
  for (const [kind, make] of Object.entries({ text, noise, mixed, few, copies, zeros: (size: number) => new Uint8Array(size) })) {
    for (const size of sizes) {
      const content = make(size, size);
      expect([kind, size, gzipNine(content).equals(byGzip(content))]).toEqual([kind, size, true]);
    }
  }
});
