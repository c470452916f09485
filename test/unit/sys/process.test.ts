import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { isRunning } from '../../../src/sys/process.js';

describe('a process is running', () => {
  test('this one, and the first one', () => {
    expect(isRunning(process.pid)).toBe(true);
    expect(isRunning(1)).toBe(true);
  });

  test('not one that has ended', () => {
    expect(isRunning(spawnSync('true').pid)).toBe(false);
  });

  test('not one that has ended and that nobody asked', async () => {
    const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [line] = await once(parent.stdout, 'data') as [Buffer];
      const child = Number(line.toString());
      for (let i = 0; i < 500 && isRunning(child); i++) await new Promise((resolve) => { setTimeout(resolve, 10); });
      expect(isRunning(child)).toBe(false);
      expect(() => process.kill(child, 0)).not.toThrow(); // it is still listed
    } finally {
      parent.kill();
    }
  });
});
