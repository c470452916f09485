/** Images that are mounted before they are here: what is fetched, kept, checked, and what happens when something is wrong with any of it. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { findRawCopy } from '../../src/image/raw-copy.js';
import type { CompletionStatus } from '../../src/mount/completion.js';
import { differences, forgetCached, withLazyFixture } from '../helpers/lazy-mount.js';
import { leftovers, until, untilNothingLeft } from '../helpers/mounted.js';
import { askedAgain, chunksOf, objectPath } from '../helpers/kept-chunks.js';
import { killUnderLoad } from '../helpers/kill-load.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

const needs = ['loop', 'fuse', 'losetup', 'diff'];
const run = promisify(execFile);

/** Paths of all objects in a chunk store. */
function objectsIn(cache: string): string[] {
  return readdirSync(`${cache}/objects`, { recursive: true, encoding: 'utf8' }).map((name) => `${cache}/objects/${name}`).filter((path) => statSync(path).isFile());
}

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'serves an image from a web server, and fetches what is read, once', () => withLazyFixture({}, async ({ tree, image, server, mount, folder }) => {
    const mounted = await mount({}, { backend });
    const opening = server.bytesSent;
    expect(opening).toBeLessThan(image.length / 2); // loose: whoever probes new block devices reads too
    await run('cat', [`${mounted.directory}/d2/f2`]);
    expect(server.bytesSent - opening).toBeLessThan(image.length / 2); // a file of 70 kB, some metadata, and what was read ahead
    expect(await differences(tree, mounted.directory)).toBe('');
    expect(server.bytesSent).toBeLessThan(image.length * 1.5); // loose: two threads may ask for one chunk at the same moment
    await mounted.unmount();
    await untilNothingLeft(folder);
    const { length } = server.seen;
    const offline = await mount({ offline: true }, { backend });
    expect(await differences(tree, offline.directory)).toBe('');
    await offline.unmount();
    expect(server.seen.length).toBe(length);
  }), 180_000);

  oracleTest(needs, 'kill -9 of the server 10 times while it fetches: nothing wrong, and what was fetched is not fetched again', () => {
    const [again, place] = [[] as number[], { chunks: [] as ReturnType<typeof chunksOf>, cache: '' }];
    return withLazyFixture({
      interfere: ({ headers: { range } }) => {
        again.push(...askedAgain(range, place.chunks, place.cache));
        return false;
      },
    }, async ({ tree, image, cache, mount }) => {
      Object.assign(place, { chunks: chunksOf(image), cache });
      const mounted = await mount({}, { backend });
      const { errors, wrong, replaced } = await killUnderLoad(mounted, tree, { kills: 10, longestPause: 200 });
      expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
      expect(replaced).toBeGreaterThanOrEqual(10);
      expect(again).toEqual([]);
      // A request for what is here would have been seen.
      const kept = place.chunks.find((chunk) => existsSync(objectPath(cache, chunk)))!;
      expect(askedAgain(`bytes=${kept.frameOffset}-${kept.frameOffset + kept.frameSize - 1}`, place.chunks, cache)).toContain(kept.number);
      await mounted.unmount();
    });
  }, 180_000);

  oracleTest(needs, 'many cold readers of one chunk make one request', () => {
    let waiting = false;
    return withLazyFixture({
      interfere: (request, response, server) => {
        if (!waiting) return false;
        const { status, headers, body } = server.answer(request.headers.range);
        setTimeout(() => { response.writeHead(status, headers).end(body); }, 1000);
        return true;
      },
    }, async ({ tree, mount, server }) => {
      const mounted = await mount({}, { backend });
      await run('stat', [`${mounted.directory}/d3/f3`]);
      waiting = true;
      const { length } = server.seen;
      const reading = Array.from({ length: 16 }, (_, i) => run('cmp', ['-n', '2048', '-i', String(i * 2048), `${tree}/d3/f3`, `${mounted.directory}/d3/f3`]));
      await Promise.all(reading);
      expect(server.seen.slice(length).map(({ range }) => range).filter((range, i, all) => all.indexOf(range) !== i)).toEqual([]);
      expect(server.seen.length - length).toBeLessThan(8); // 32 kB may lie in two chunks, there is metadata, and somebody may read ahead
      await mounted.unmount();
    });
  }, 180_000);

  oracleTest(needs, 'bits that flip in the cache are found, and fetched again', () => withLazyFixture({}, async ({ tree, mount, cache }) => {
    const first = await mount({}, { backend });
    expect(await differences(tree, first.directory)).toBe('');
    await first.unmount();
    for (const [i, path] of objectsIn(cache).entries()) {
      const bytes = readFileSync(path);
      if (i % 3 === 0) bytes[i * 7919 % bytes.length]! ^= 1 << i % 8;
      writeFileSync(path, i % 5 === 0 ? bytes.subarray(0, bytes.length >> 1) : bytes);
    }
    const second = await mount({}, { backend });
    expect(await differences(tree, second.directory)).toBe('');
    const { fetched } = await second.status();
    expect(fetched).toBeGreaterThan(0);
    await second.unmount();
  }), 180_000);

  oracleTest(needs, 'without its origin: what is here is served, the rest fails with EIO when the time is up', () => withLazyFixture({}, async ({ tree, mount, server }) => {
    const mounted = await mount({ readTimeout: 5000 }, { backend });
    expect(String(await run('cat', [`${mounted.directory}/d3/f3`], { encoding: 'latin1' }).then(({ stdout }) => stdout.length))).toBe('200000');
    await server.close();
    await forgetCached(`${mounted.directory}/d3/f3`);
    expect(await run('cmp', [`${tree}/d3/f3`, `${mounted.directory}/d3/f3`])).toMatchObject({ stdout: '' });
    await expect(run('cat', [`${mounted.directory}/d1/f51`])).rejects.toThrow(/Input\/output error/);
    await mounted.unmount();
    await server.listen();
  }), 180_000);

  let away = false;
  const leave = (_: unknown, response: { readonly socket: { destroy(): unknown } | null }): boolean => {
    if (away) response.socket?.destroy();
    return away;
  };
  oracleTest(needs, 'a fill goes on by itself when its origin is there again', () => withLazyFixture({ interfere: leave }, async ({ tree, mount }) => {
    const mounted = await mount({ fill: true, fillRate: 1_000_000 }, { backend });
    const completion = async (): Promise<CompletionStatus> => (await mounted.status())['completion'] as CompletionStatus;
    away = true;
    await until(async () => (await completion()).state === 'failed', 'it has failed');
    expect((await completion()).reason).toMatch(/tried again in \d+ s/);
    away = false;
    await until(async () => (await completion()).state === 'complete', 'it is complete');
    expect(await differences(tree, mounted.directory)).toBe('');
    await mounted.unmount();
  }), 180_000);

  oracleTest(needs, 'status tells how fast chunks come', () => withLazyFixture({}, async ({ mount }) => {
    const mounted = await mount({}, { backend });
    expect((await mounted.status())['rate']).toBeGreaterThanOrEqual(0);
    let next = 3; // every fourth file is a large one
    await until(async () => {
      await run('cat', [`${mounted.directory}/d${next % 5}/f${next}`], { encoding: 'latin1' });
      next += 4;
      return Number((await mounted.status())['rate']) > 0;
    }, 'what was just fetched shows');
    await mounted.unmount();
  }), 180_000);

  oracleTest(needs, 'an image that the cache has no room for is not called complete', () => withLazyFixture({}, async ({ tree, mount, cache }) => {
    const mounted = await mount({ fill: true, cacheSize: 800_000 }, { backend });
    const completion = async (): Promise<{ state: string; done: number; total: number; reason?: string }> => (await mounted.status())['completion'] as never;
    await until(async () => (await completion()).state === 'failed', 'it has tried');
    const { done, total, reason } = await completion();
    expect(done).toBeLessThan(total / 2);
    expect(reason).toContain(`${cache}: holds ${done} of ${total} chunks`);
    await expect(mounted.fill()).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(await differences(tree, mounted.directory)).toBe('');
    await mounted.unmount();
  }), 180_000);

  oracleTest(needs, 'a complete cache mounts and serves offline', () => withLazyFixture({}, async ({ tree, mount, server }) => {
    const first = await mount({ fill: true }, { backend });
    await until(async () => ((await first.status())['completion'] as { state: string }).state === 'complete', 'everything is here');
    await first.unmount();
    const { length } = server.seen;
    const second = await mount({ offline: true }, { backend });
    expect(await differences(tree, second.directory)).toBe('');
    expect(server.seen.length).toBe(length);
    await second.unmount();
  }), 180_000);

  oracleTest(needs, 'an origin that changes while it is mounted is not believed', () => withLazyFixture({}, async ({ tree, image, mount, server }) => {
    const mounted = await mount({ readTimeout: 5000 }, { backend });
    expect(await run('cmp', [`${tree}/d3/f3`, `${mounted.directory}/d3/f3`])).toMatchObject({ stdout: '' });
    const other = Buffer.from(image);
    for (let at = 65_536; at < other.length; at += 997) other[at]! ^= 0xff;
    server.served = { size: other.length, read: (offset, length) => other.subarray(offset, offset + length) };
    server.etag = '"v2"';
    await expect(run('cat', [`${mounted.directory}/d1/f51`])).rejects.toThrow(/Input\/output error/);
    await mounted.unmount();
  }), 180_000);

  oracleTest(needs, 'a mirror helps where the first origin lies', () => {
    let honest = true;
    return withLazyFixture({
      interfere: (request, response, server) => {
        if (honest) return false;
        const { status, headers, body } = server.answer(request.headers.range);
        response.writeHead(status, headers).end(Buffer.from(body).fill(0x55));
        return true;
      },
    }, async ({ tree, image, server, mount }) => {
      await withRangeServer(image, {}, async (mirror) => {
        const mounted = await mount({ locations: [server.url, mirror.url] }, { backend });
        honest = false;
        expect(await differences(tree, mounted.directory)).toBe('');
        expect(mirror.bytesSent).toBeGreaterThan(0);
        await mounted.unmount();
      });
    });
  }, 180_000);

  oracleTest(needs, 'a mirror helps in time where the first origin hangs', () => {
    let hangs = false;
    return withLazyFixture({ interfere: () => hangs }, async ({ tree, image, server, mount }) => {
      await withRangeServer(image, {}, async (mirror) => {
        const mounted = await mount({ locations: [server.url, mirror.url], readTimeout: 6000 }, { backend });
        hangs = true;
        expect(await differences(tree, mounted.directory)).toBe('');
        expect((await mounted.status())['originFailures']).toMatchObject({ TIMEOUT: expect.any(Number) as unknown });
        await mounted.unmount();
      });
    });
  }, 180_000);

  oracleTest(needs, 'a cache too small, and a full disk: slower, never wrong', () => withLazyFixture({}, async ({ folder, tree, cache, mount }) => {
    const mounted = await mount({ cacheSize: 1 << 20 }, { backend });
    expect(await differences(tree, mounted.directory)).toBe('');
    await mounted.unmount();
    const held = objectsIn(cache).reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(2 << 20); // the budget and what was on its way; all of it is 4 MB
    const small = `${folder}/small`;
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', small]);
    const onSmall = await mount({ cache: small }, { backend });
    expect(await differences(tree, onSmall.directory)).toBe('');
    expect(JSON.stringify((await onSmall.status())['cacheStatistics'])).toContain('ENOSPC');
    await onSmall.unmount();
  }), 180_000);
});

describe('hand-over', () => {
  oracleTest(needs, 'a complete image goes on without a server, open files included; the next mount needs none', () => withLazyFixture({}, async ({ folder, tree, cache, mount }) => {
    const mounted = await mount({ handover: true });
    // A reader that had a file open before, and goes on reading after.
    const reader = spawn('bash', ['-c', `exec 7<${mounted.directory}/d3/f3; head -c 1000 <&7 >/dev/null; echo open >&2; read; cat <&7`], { stdio: 'pipe' });
    let open = false;
    reader.stderr.once('data', () => { open = true; });
    const output: Buffer[] = [];
    reader.stdout.on('data', (data: Buffer) => { output.push(data); });
    await until(() => open, 'the reader has the file open');
    const { supervisor } = await mounted.status();
    await mounted.fill();
    await until(() => !existsSync(`/proc/${supervisor}`), 'the supervisor has left');
    await until(() => leftovers(folder).every((line) => !line.startsWith('process')), 'no process is left');
    await forgetCached(mounted.directory);
    reader.stdin.end('\n');
    await new Promise((resolve) => { reader.once('close', resolve); });
    expect(Buffer.concat(output).length).toBeGreaterThan(190_000);
    expect(readFileSync(`${tree}/d3/f3`).subarray(-190_000).equals(Buffer.concat(output).subarray(-190_000))).toBe(true);
    expect(await differences(tree, mounted.directory)).toBe('');
    await run('umount', [mounted.directory]);
    const [rootHash] = readdirSync(`${cache}/raw`).filter((name) => !name.endsWith('.seal'));
    expect(findRawCopy(cache, rootHash!)).toBeDefined();
    // Whoever touches the copy breaks its seal, and it is used no more.
    writeFileSync(`${cache}/raw/${rootHash!}`, 'x', { flag: 'r+' });
    expect(findRawCopy(cache, rootHash!)).toBeUndefined();
    expect(readdirSync(`${cache}/raw`)).toEqual([]);
  }), 180_000);

  oracleTest(needs, 'without room for the raw image it goes on being served', () => withLazyFixture({}, async ({ tree, image, mount }) => {
    const mounted = await mount({ handover: true, cacheSize: Math.ceil(image.length * 1.5) });
    await mounted.fill();
    expect(JSON.stringify((await mounted.status())['completion'])).toMatch(/"complete".*no room/);
    expect(await differences(tree, mounted.directory)).toBe('');
    await mounted.unmount();
  }), 180_000);
});

