/** What readers notice when servers are killed, stopped, or gone for good. Real /dev/fuse, loop devices, ext4. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from '@jest/globals';
import { isRunning } from '../../src/sys/process.js';
import { makeExt4File } from '../helpers/ext4-file.js';
import { leftovers, mountForTest, tearDown, until, untilNothingLeft, type Mounted } from '../helpers/mounted.js';
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

/** Waits until another server serves. It answers all that a reader asks, also what the first had not. */
async function expectReplaced(mounted: Mounted, server: number, reader: Awaited<ReturnType<typeof startReading>>): Promise<void> {
  await until(async () => (await mounted.status()).server !== server, 'another server serves');
  await reader.progress(10);
  const { errors, wrong } = await reader.stop();
  expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
}

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'kill -9 of the server 20 times under load: no reader sees an error or a wrong byte', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend });
    const readers = await Promise.all([1, 2].map((seed) => startReading(tree, mounted.directory, seed)));
    for (let kill = 0; kill < 20; kill++) {
      await readers[kill % 2]!.progress(1 + kill * 37 % 20);
      process.kill((await mounted.status()).server, 'SIGKILL');
    }
    await Promise.all(readers.map((reader) => reader.progress(1)));
    for (const { errors, wrong } of await Promise.all(readers.map((reader) => reader.stop()))) expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
    expect((await mounted.status()).replaced).toBeGreaterThanOrEqual(20);
    await mounted.unmount();
    await untilNothingLeft(folder);
  }), 180_000);

  oracleTest(needs, 'a stopped server is replaced by the watchdog', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder, 20);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend, watchdog: 3000 });
    const { server } = await mounted.status();
    const reader = await startReading(tree, mounted.directory, 3);
    process.kill(server, 'SIGSTOP');
    await expectReplaced(mounted, server, reader);
    await mounted.unmount();
  }), 180_000);

  oracleTest(needs, 'supervisor and server killed: errors, never zeros; unmounting and mounting again work at once', () => withFolder(async (folder) => {
    const { tree, path } = makeExt4File(folder);
    const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend });
    const reader = await startReading(tree, mounted.directory, 4);
    const { supervisor, server } = await mounted.status();
    for (const pid of [supervisor, server]) process.kill(pid, 'SIGKILL');
    // Standbys, ready or just being started, end by themselves.
    await until(() => leftovers(folder).every((line) => !line.startsWith('process')), 'all processes are gone');
    await reader.progress(50);
    const { errors, wrong } = await reader.stop();
    expect(wrong).toEqual([]);
    expect(errors.length).toBeGreaterThan(0);
    tearDown(folder);
    await untilNothingLeft(folder);
    const again = await mountForTest(folder, { kind: 'raw', path }, { backend });
    expect(readFileSync(`${again.directory}/d5/f5`)).toEqual(readFileSync(`${tree}/d5/f5`));
    await again.unmount();
    await untilNothingLeft(folder);
    expect(readdirSync(`${folder}/run`)).toEqual([]);
  }), 180_000);
});

oracleTest(needs, 'a server of an idle mount is left in peace, and replaced when it does not take a request', () => Promise.all((['block', 'tree'] as const).map((backend) => withFolder(async (folder) => {
  const { tree, path } = makeExt4File(folder, 20);
  const patience = 3000;
  const mounted = await mountForTest(folder, { kind: 'raw', path }, { backend, watchdog: patience });
  const { server } = await mounted.status();
  // An idle server is asked once in six times the patience, and idle is who had nothing to do for twice that: stopped, it is still there when others would have been killed.
  await delay(3.25 * patience);
  process.kill(server, 'SIGSTOP');
  await delay(1.5 * patience);
  expect(isRunning(server)).toBe(true);
  const reader = await startReading(tree, mounted.directory, 5);
  await expectReplaced(mounted, server, reader);
  await mounted.unmount();
}))).then(() => undefined), 180_000);
