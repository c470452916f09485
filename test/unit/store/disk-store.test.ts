import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { DiskStore } from '../../../src/store/disk-store.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const idOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const object = (seed: number, size = 4096): Buffer => Buffer.alloc(size, seed);

function put(store: DiskStore, bytes: Uint8Array): string {
  const id = idOf(bytes);
  expect(store.write(id, bytes)).toBe(true);
  return id;
}

function pathOf(store: DiskStore, id: string): string {
  return `${store.folder}/objects/${id.slice(0, 2)}/${id.slice(2)}`;
}

/** Disk space of all objects, by looking. */
function held(store: DiskStore): number {
  return [...store.objects()].reduce((sum, { space }) => sum + space, 0);
}

describe('DiskStore', () => {
  test('gives back what it was given, and knows what it has', () => withTempDir((folder) => {
    const store = new DiskStore(`${folder}/cache`);
    const id = put(store, object(1, 5000));
    expect(store.read(id)).toEqual(object(1, 5000));
    expect([store.has(id), store.has(idOf(object(2))), store.read(idOf(object(2)))]).toEqual([true, false, undefined]);
    expect(store.statistics).toMatchObject({ hits: 1, misses: 1, written: 1 });
    expect(store.used).toBe(8192);
    expect(statSync(store.folder).mode & 0o077).toBe(0);
  }));

  test('an object is stored once, by whichever store of the folder', () => withTempDir((folder) => {
    const [one, two] = [new DiskStore(folder), new DiskStore(folder)];
    put(one, object(1));
    const id = put(two, object(1));
    expect([one.used, two.used, two.statistics.written]).toEqual([4096, 4096, 0]);
    two.remove(id);
    expect([one.used, one.read(id)]).toEqual([0, undefined]);
    two.remove(id); // nobody minds
  }));

  test('several at once: those that are missing are written, under one account', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 40_960);
    put(store, object(1));
    const objects = [1, 2, 3].map((seed) => ({ id: idOf(object(seed)), bytes: object(seed) }));
    expect([store.writeAll(objects), store.statistics.written, store.used, held(store)]).toEqual([true, 3, 12_288, 12_288]);
    expect(store.writeAll([{ id: idOf(object(4, 50_000)), bytes: object(4, 50_000) }, { id: idOf(object(5)), bytes: object(5) }])).toBe(false);
    expect(store.used).toBe(held(store));
  }));

  test('stays within its budget, forgetting what was unused for longest', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 40_960);
    const ids = Array.from({ length: 10 }, (_, i) => put(store, object(i)));
    ids.forEach((id, i) => { utimesSync(pathOf(store, id), 1000 + i, 1000 + i); });
    put(store, object(99));
    expect(held(store)).toBeLessThanOrEqual(40_960);
    expect(ids.map((id) => store.has(id))).toEqual([false, false, ...Array<boolean>(8).fill(true)]);
    for (let i = 0; i < 200; i++) {
      put(store, object(i, 1 + i * 37));
      expect(held(store)).toBeLessThanOrEqual(40_960);
    }
    expect(store.used).toBe(held(store));
  }));

  test('what is pinned is not evicted; without anything to evict nothing is kept', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 16_384);
    const ids = Array.from({ length: 4 }, (_, i) => put(store, object(i)));
    store.pin('image', Buffer.from(ids.join(''), 'hex'));
    expect(store.write(idOf(object(50)), object(50))).toBe(false);
    expect(ids.every((id) => store.has(id))).toBe(true);
    store.unpin('image');
    put(store, object(50));
  }));

  test('raw images count', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 65_536);
    mkdirSync(`${folder}/raw`);
    writeFileSync(`${folder}/raw/${'a'.repeat(64)}`, Buffer.alloc(40_960, 1));
    for (let i = 0; i < 20; i++) store.write(idOf(object(i)), object(i));
    store.evict(65_536);
    expect(held(store)).toBeLessThanOrEqual(65_536 - 40_960);
  }));

  test('a raw image that nobody has mounted goes when it is unused for longest', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 65_536);
    mkdirSync(`${folder}/raw`);
    const [old, used] = ['a', 'b'].map((digit) => `${folder}/raw/${digit.repeat(64)}`) as [string, string];
    for (const path of [old, used]) {
      writeFileSync(path, Buffer.alloc(20_480, 1));
      writeFileSync(`${path}.seal`, 'sealed');
    }
    utimesSync(old, 1, 1); // its use is noted on the seal
    store.evict(0, true);
    expect([old, used].map((path) => existsSync(path))).toEqual([true, true]);
    utimesSync(`${old}.seal`, 1, 1);
    for (let i = 0; i < 5; i++) put(store, object(i));
    expect([old, `${old}.seal`, used, `${used}.seal`].map((path) => existsSync(path))).toEqual([false, false, true, true]);
    expect([held(store), store.statistics.evicted]).toEqual([20_480, 0]);
  }));

  test('a lost usage file, lost folders and temporary files of the dead mend themselves', () => withTempDir((folder) => {
    const store = new DiskStore(folder, 1 << 20);
    const id = put(store, object(1));
    writeFileSync(`${folder}/objects/.99999999.0`, 'torn');
    writeFileSync(`${folder}/usage`, '');
    const again = new DiskStore(folder, 1 << 20);
    expect([again.used, again.evict(1 << 20), again.used]).toEqual([4096, 4096, 4096]);
    expect(existsSync(`${folder}/objects/.99999999.0`)).toBe(false);
    expect(again.read(id)).toEqual(object(1));
    rmSync(`${folder}/objects`, { recursive: true });
    expect(again.read(id)).toBeUndefined();
  }));

  test('an object that cannot be ours is not read', () => withTempDir((folder) => {
    const store = new DiskStore(folder);
    const id = put(store, object(1));
    writeFileSync(pathOf(store, id), Buffer.alloc(3 << 20));
    expect(store.read(id)).toBeUndefined();
  }));

  test('when writing fails it says so, leaves nothing, and lets go for a while', () => withTempDir((folder) => {
    const store = new DiskStore(folder);
    rmSync(`${folder}/objects`, { recursive: true });
    writeFileSync(`${folder}/objects`, 'in the way');
    expect(store.write(idOf(object(1)), object(1))).toBe(false);
    expect(store.statistics.writeFailures).toBe(1);
    expect(store.statistics.lastFailure).toMatch(/ENOTDIR|EEXIST/);
    rmSync(`${folder}/objects`);
    mkdirSync(`${folder}/objects`);
    expect(store.write(idOf(object(1)), object(1))).toBe(false); // not tried
    expect(readdirSync(`${folder}/objects`)).toEqual([]);
  }));

  test('a folder that cannot be used is an error at once', () => withTempDir((folder) => {
    writeFileSync(`${folder}/file`, '');
    expect(() => new DiskStore(`${folder}/file/cache`)).toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
    chmodSync(folder, 0o755);
  }));

  oracleTest(['linux', 'root'], 'a folder on a read-only disk is no missing folder', () => withTempDir((folder) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder]);
    try {
      expect(() => new DiskStore(folder)).toThrow(expect.objectContaining({ code: 'NOT_PERMITTED' }));
    } finally {
      execFileSync('umount', [folder]);
    }
  }));

  test('two processes that write at once never lose count, also when one is killed', () => withTempDir(async (folder) => {
    const script = `
      import { DiskStore } from ${JSON.stringify(new URL('../../../src/store/disk-store.js', import.meta.url).href)};
      import { createHash } from 'node:crypto';
      const store = new DiskStore(${JSON.stringify(folder)}, 200 * 4096);
      for (let i = 0; ; i++) {
        const bytes = Buffer.from(process.pid + ':' + i);
        store.write(createHash('sha256').update(bytes).digest('hex'), bytes);
        if (i === 300) process.stdout.write('going');
      }`;
    const writers = [1, 2].map(() => spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] }));
    await Promise.all(writers.map((writer) => new Promise((resolve) => writer.stdout.once('data', resolve))));
    await Promise.all(writers.map((writer) => new Promise((resolve) => { writer.once('exit', resolve); writer.kill('SIGKILL'); })));
    const store = new DiskStore(folder, 200 * 4096);
    const [counted, real] = [store.used, held(store)];
    expect(real).toBeGreaterThan(100 * 4096);
    expect(real).toBeLessThanOrEqual(201 * 4096);
    // A kill between counting and writing, or in the middle of an eviction, counts too many, never too few; the next eviction counts anew.
    expect(counted - real).toBeGreaterThanOrEqual(0);
    store.evict(200 * 4096);
    expect(store.used).toBe(held(store));
  }));
});
