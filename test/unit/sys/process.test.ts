import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
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
    const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    const until = async (holds: () => boolean): Promise<void> => {
      for (let i = 0; i < 3000 && !holds(); i++) await new Promise((resolve) => { setTimeout(resolve, 10); });
    };
    try {
      const [line] = await once(parent.stdout!, 'data') as [Buffer];
      const child = Number(line.toString());
      expect(isRunning(child)).toBe(true);
      // A shell might still ask; sleep(1) does not.
      await until(() => readFileSync(`/proc/${parent.pid!}/comm`, 'utf8') === 'sleep\n');
      (parent.stdio[3] as Writable).end();
      await until(() => !isRunning(child));
      expect(isRunning(child)).toBe(false);
      expect(() => process.kill(child, 0)).not.toThrow(); // it is still listed
    } finally {
      parent.kill();
    }
  });
});
