/** fill URL and the cache commands, as a user calls them. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync, mkdirSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { makeFiles } from '../helpers/lazy-mount.js';
import { RangeServer, servedBytes } from '../helpers/range-server.js';

interface Filled { readonly rootHash: string; readonly chunks: number; readonly fetched: number; readonly bytesFetched: number; readonly pinned: boolean }
interface Listed { readonly objects: number; readonly images: readonly { readonly rootHash: string; readonly chunks: number; readonly localChunks: number; readonly pinned: boolean }[] }
interface Checked { readonly objects: number; readonly damaged: readonly string[]; readonly rawImages: number; readonly damagedRawImages: readonly string[]; readonly sealedOnly: readonly string[] }

describe('the cache', () => {
  let cli: Cli;
  let server: RangeServer;
  let image: Buffer;
  const cache = (): string[] => ['--cache', cli.path('cache')];
  const objects = (): string[] => readdirSync(cli.path('cache/objects'), { recursive: true, encoding: 'utf8' }).map((name) => cli.path(`cache/objects/${name}`)).filter((path) => statSync(path).isFile()).sort();
  const fill = (...flags: string[]): Promise<Filled> => cli.json<Filled>(['fill', server.url, ...cache(), '--allow-unsigned', ...flags]);

  beforeAll(async () => {
    cli = new Cli();
    makeFiles(cli.path('tree'));
    // A salt that only the remembered head knows.
    await cli.json(['build', 'tree', '-o', 'app.img.zst', '--name', 'app', '--salt', '00ff']);
    image = readFileSync(cli.path('app.img.zst'));
    server = new RangeServer(servedBytes(image));
    await server.listen();
  });
  afterAll(async () => {
    await server.close();
    cli.remove();
  });

  test('fill fetches a whole image, goes on from what is here, and fetches nothing twice', async () => {
    const first = await fill();
    expect(first.fetched).toBe(first.chunks);
    expect(first.bytesFetched).toBeLessThan(image.length * 1.05);
    const [one, ...others] = objects();
    rmSync(one!);
    expect(others.length).toBeGreaterThan(10);
    const second = await fill();
    expect(second.bytesFetched).toBeLessThan(200_000);
    expect((await cli.json<Listed>(['cache', 'ls', ...cache()])).images).toEqual([expect.objectContaining({ rootHash: first.rootHash, chunks: first.chunks, localChunks: first.chunks, pinned: false })]);
    for (const command of [['ls'], ['check'], ['gc', '--to', '0']]) {
      expect((await cli.json<FailureJson>(['cache', ...command, '--cache', cli.path('cahce')], 8)).error.code).toBe('PATH_MISSING');
    }
    expect(existsSync(cli.path('cahce'))).toBe(false);
    expect((await cli.json<FailureJson>(['fill', cli.path('app.img.zst'), ...cache()], 2)).error.code).toBe('BAD_ARGUMENT');
    expect((await cli.json<FailureJson>(['fill', server.url, '--cache', cli.path('small'), '--cache-size', '1M', '--allow-unsigned'], 7)).error.code).toBe('NO_SPACE');
  });

  test('what is pinned is never evicted; cache unpin lets it go', async () => {
    const { rootHash, chunks, pinned } = await fill('--pin');
    expect(pinned).toBe(true);
    const kept = await cli.json<{ used: number; freed: number }>(['cache', 'gc', '--to', '0', ...cache()]);
    expect(kept.used).toBeGreaterThan(0);
    expect((await cli.json<Listed>(['cache', 'ls', ...cache()])).images).toMatchObject([{ localChunks: chunks, pinned: true }]);
    expect((await cli.json<FailureJson>(['cache', 'unpin', 'beef', ...cache()], 2)).error.code).toBe('BAD_ARGUMENT');
    expect(await cli.json(['cache', 'unpin', rootHash.slice(0, 10), ...cache()])).toEqual({ unpinned: rootHash });
    expect(await cli.json(['cache', 'gc', '--to', '0', ...cache()])).toEqual({ used: 0, freed: kept.used, removedRawImages: [] });
    expect((await cli.json<Listed>(['cache', 'ls', ...cache()])).objects).toBe(0);
  });

  test('cache check finds what is damaged, and only that; --keep leaves it', async () => {
    await fill();
    const sound = await cli.json<Checked>(['cache', 'check', ...cache()]);
    expect(sound).toMatchObject({ objects: objects().length, damaged: [], rawImages: 0 });
    const damaged = objects().filter((_, i) => i % 7 === 0);
    for (const [i, path] of damaged.entries()) {
      const bytes = readFileSync(path);
      if (i % 2 === 0) bytes[i * 7919 % bytes.length]! ^= 1 << i % 8;
      writeFileSync(path, i % 2 === 0 ? bytes : bytes.subarray(0, bytes.length >> 1));
    }
    const ids = damaged.map((path) => path.slice(-65).replace('/', '')).sort();
    expect([...(await cli.json<Checked>(['cache', 'check', '--keep', ...cache()])).damaged].sort()).toEqual(ids);
    const text = await cli.run(['cache', 'check', ...cache()]);
    expect(text.stdout).toContain(`${ids.length} damaged and dropped`);
    expect(await cli.json<Checked>(['cache', 'check', ...cache()])).toMatchObject({ objects: sound.objects - ids.length, damaged: [] });
    expect((await fill()).bytesFetched).toBeGreaterThan(0);
  });

  test('cache check holds raw images against their root hashes', async () => {
    const { rootHash } = await fill();
    await cli.json(['unpack', 'app.img.zst', '-o', 'raw', '--allow-unsigned']);
    mkdirSync(cli.path('cache/raw'), { recursive: true });
    const raw = cli.path(`cache/raw/${rootHash}`);
    const put = (bytes: Buffer): void => {
      writeFileSync(raw, bytes);
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(raw, { bigint: true });
      writeFileSync(`${raw}.seal`, [dev, ino, size, mtimeNs, ctimeNs].join(' '));
    };
    const bytes = readFileSync(cli.path('raw'));
    put(bytes);
    expect(await cli.json<Checked>(['cache', 'check', ...cache()])).toMatchObject({ rawImages: 1, damagedRawImages: [], sealedOnly: [] });
    bytes[bytes.length >> 1]! ^= 1; // as a disk does it: without touching the times
    put(bytes);
    expect(await cli.json<Checked>(['cache', 'check', ...cache()])).toMatchObject({ rawImages: 1, damagedRawImages: [rootHash] });
    expect(await cli.json<Checked>(['cache', 'check', ...cache()])).toMatchObject({ rawImages: 0 });
  });
});
