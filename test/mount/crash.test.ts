/** What readers notice when servers are killed, stopped, or gone for good. Real /dev/fuse, loop devices, ext4. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from '@jest/globals';
import { makeExt4File } from '../helpers/ext4-file.js';
import { leftovers, mountForTest, tearDown, until } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { startReading } from '../helpers/reading-process.js';
import { withTempDir } from '../helpers/temp-dir.js';

const needs = ['loop', 'fuse', 'mkfs.ext4', 'losetup'];

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  await withTempDir(async (folder) => {
    try {
      await body(folder);
    } finally {
      tearDown(folder);
    }
  });
}

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'kill -9 of the server 40 times under load: no reader sees an error or a wrong byte', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend });
    const readers = [1, 2].map((seed) => startReading(tree, mounted.directory, seed));
    for (let kill = 0; kill < 40; kill++) {
      await delay(20 + (kill * 37) % 180);
      process.kill((await mounted.status()).server, 'SIGKILL');
    }
    const reports = await Promise.all(readers.map((stop) => stop()));
    for (const { errors, wrong, reads } of reports) {
      expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
      expect(reads).toBeGreaterThan(10);
    }
    expect((await mounted.status()).replaced).toBe(40);
    await mounted.unmount();
    expect(leftovers(folder)).toEqual([]);
  }), 180_000);

  oracleTest(needs, 'a stopped server is replaced by the watchdog', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder, 20);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend, watchdog: 1000 });
    const { server } = await mounted.status();
    const stop = startReading(tree, mounted.directory, 3);
    await delay(300);
    process.kill(server, 'SIGSTOP');
    await delay(3000);
    const { errors, wrong } = await stop();
    expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
    expect((await mounted.status()).server).not.toBe(server);
    await mounted.unmount();
  }));

  oracleTest(needs, 'supervisor and servers killed: errors, never zeros; unmounting and mounting again work at once', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend });
    const stop = startReading(tree, mounted.directory, 4);
    await delay(500);
    const { supervisor, server, standbys } = await mounted.status();
    for (const pid of [supervisor, server, ...standbys]) process.kill(pid, 'SIGKILL');
    await delay(500);
    const { errors, wrong } = await stop();
    expect(wrong).toEqual([]);
    expect(errors.length).toBeGreaterThan(0);
    // Servers that were just being started die of the lost supervisor by themselves.
    await until(() => leftovers(folder).filter((line) => line.startsWith('process')).length === 0, 'all processes are gone');
    tearDown(folder);
    await until(() => leftovers(folder).length === 0, 'nothing is left');
    const again = await mountForTest(folder, { kind: 'raw', path }, { backend });
    expect(readFileSync(`${again.directory}/d5/f5`)).toEqual(readFileSync(`${tree}/d5/f5`));
    await again.unmount();
    expect(leftovers(folder)).toEqual([]);
    expect(readdirSync(`${folder}/run`)).toEqual([]);
  }));
});
