import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { openImage, openImageFrom, type OpenOptions } from '../../../src/image/open.js';
import type { Image } from '../../../src/image/image.js';
import { MemorySource } from '../../../src/source/memory.js';
import type { RangeSource } from '../../../src/source/range-source.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { lying } from '../../helpers/lying-server.js';
import { withRangeServer, type RangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { buildTinyImage, buildZeroImage } from '../../helpers/tiny-image.js';

const code = (name: string): unknown => expect.objectContaining({ code: name });
const trust: TrustPolicy = { keys: [], allowUnsigned: true, now: 0 };
const anyone: OpenOptions = { trust, retry: { attempts: 1 } };
/** 1,070 chunks of 16 KiB: two pages of the index. */
const large = buildTinyImage(4235);
const small = buildTinyImage(20, { salt: 'c0ffee' });
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function inMemory(file: Uint8Array, cacheBytes?: number): Promise<Image> {
  return openImageFrom({ source: new MemorySource(file), opening: file.subarray(0, 65536) }, { trust, ...(cacheBytes === undefined ? {} : { cacheBytes }) });
}

/** The same bytes as a source that must be waited for. */
function remotely(file: Uint8Array, cacheBytes?: number): Promise<Image> {
  const local = new MemorySource(file);
  const source: RangeSource = { location: 'remote', size: local.size, identity: undefined, read: (offset, length) => local.read(offset, length), close: () => local.close() };
  return openImageFrom({ source, opening: file.subarray(0, 65536) }, { trust, ...(cacheBytes === undefined ? {} : { cacheBytes }) });
}

/** Waits until no requests come any more. */
async function settled(server: RangeServer): Promise<void> {
  for (let seen = -1; seen !== server.seen.length;) {
    seen = server.seen.length;
    await delay(100);
  }
}

async function withImage<T>(server: RangeServer, body: (image: Image) => Promise<T>, options: Partial<OpenOptions> = {}): Promise<T> {
  const image = await openImage(server.url, { ...anyone, ...options });
  try {
    return await body(image);
  } finally {
    await image.close();
  }
}

describe('opening', () => {
  test('costs one closed range of 64 KiB', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, (image) => {
      expect(server.seen).toEqual([expect.objectContaining({ method: 'GET', range: 'bytes=0-65535' })]);
      expect(image).toMatchObject({ manifest: large.manifest, fileSize: large.file.length, location: server.url, identity: '"v1"' });
      expect(image.statistics).toEqual({ requests: 1, bytesFetched: 65536, chunksDecoded: 0, chunksRefetched: 0 });
      return Promise.resolve();
    }));
  });

  test('an unsigned image needs to be allowed', async () => {
    await expect(openImageFrom({ source: new MemorySource(small.file), opening: small.file }, { trust: { keys: [], now: 0 } })).rejects.toEqual(code('SIGNATURE_MISSING'));
  });

  test('the root page must be the one of the manifest', async () => {
    const file = Buffer.from(small.file);
    const head = decodeHead(file);
    const rootPage = Uint8Array.from(head.rootPage);
    rootPage[40]! ^= 1;
    encodeHead({ ...head, rootPage }).forEach((byte, at) => { file[at] = byte; });
    await expect(inMemory(file)).rejects.toEqual(code('INDEX_DIGEST_MISMATCH'));
  });

  test('what is no image', async () => {
    await expect(inMemory(Buffer.alloc(5000))).rejects.toEqual(code('BAD_MAGIC'));
    await expect(inMemory(new Uint8Array(0))).rejects.toEqual(code('TRUNCATED'));
  });

  test('an image that cannot be opened leaves no descriptor', async () => {
    await withTempDir(async (directory) => {
      const path = join(directory, 'bad');
      writeFileSync(path, Buffer.alloc(100));
      const before = readdirSync('/proc/self/fd').length;
      for (let i = 0; i < 20; i++) await expect(openImage(path, anyone)).rejects.toEqual(code('BAD_MAGIC'));
      expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 5);
    });
  });
});

describe.each([['here', inMemory], ['elsewhere', remotely]])('reading an image that is %s', (_, open) => {
  test.each([['salted', small], ['two index pages', large]])('all of it, %s', async (_name, { file, raw }) => {
    const image = await open(file);
    expect(sameBytes(await image.read(0, raw.length), raw)).toBe(true);
    const parts = [];
    let end = 0;
    for await (const { offset, bytes } of image.chunks()) {
      expect(offset).toBe(end);
      end += bytes.length;
      parts.push(bytes);
    }
    expect(sameBytes(Buffer.concat(parts), raw)).toBe(true);
  });

  test('ranges across, inside and at the edges of chunks', async () => {
    const { file, raw } = small;
    const image = await open(file, 20_000);
    for (const [offset, length] of [[0, 0], [0, 1], [16383, 2], [16384, 16384], [5, 40_000], [raw.length - 1, 1], [raw.length, 0]] as const) {
      const expected = raw.subarray(offset, offset + length);
      expect(sameBytes(await image.read(offset, length), expected)).toBe(true);
      expect(sameBytes(await image.run((view) => view.read(offset, length)), expected)).toBe(true);
      const parts = [];
      for await (const { bytes } of image.chunks(offset, offset + length)) parts.push(bytes);
      expect(sameBytes(Buffer.concat(parts), expected)).toBe(true);
    }
    for (const [offset, length] of [[raw.length, 1], [0, raw.length + 1], [-1, 2]] as const) {
      await expect(image.read(offset, length)).rejects.toEqual(code('TRUNCATED'));
      await expect(image.run((view) => view.read(offset, length))).rejects.toEqual(code('TRUNCATED'));
      expect(() => image.chunks(offset, offset + length)).toThrow(code('TRUNCATED'));
    }
  });

  test('a reader needs many chunks in turn and the cache holds none: it still ends', async () => {
    const { file, raw } = small;
    const image = await open(file, 0);
    let runs = 0;
    const sum = await image.run((view) => {
      runs++;
      let total = 0;
      for (let at = raw.length - 4096; at >= 0; at -= 4096) total += view.read(at, 1)[0]!;
      return total;
    });
    let expected = 0;
    for (let at = 0; at < raw.length; at += 4096) expected += raw[at]!;
    expect(sum).toBe(expected);
    expect(runs).toBe(open === inMemory ? 1 : 7);
  });

  test('a reader that wants more than 256 MiB at once is refused', async () => {
    const { file } = buildZeroImage(2 ** 17);
    const image = await open(file);
    await expect(image.run((view) => view.read(0, 2 ** 28 + 1))).rejects.toEqual(code('LIMIT_EXCEEDED'));
    const walk = image.run((view) => { for (let at = 0; at < 2 ** 29; at += 65536) view.read(at, 1); });
    // Of a local image nothing is held between turns: there is only one.
    await (open === inMemory ? expect(walk).resolves.toBeUndefined() : expect(walk).rejects.toEqual(code('LIMIT_EXCEEDED')));
  });

  test('what a reader throws comes out as it is', async () => {
    const image = await open(small.file);
    const reason = new Error('mine');
    await expect(image.run((view) => { view.read(0, 1); throw reason; })).rejects.toBe(reason);
  });

  test('a bad chunk fails, its neighbours do not', async () => {
    const { file, raw } = small;
    const bad = Buffer.from(file);
    const secondFrame = bad.readUInt32LE(20) + bad.readUInt32LE(bad.readUInt32LE(32));
    bad[secondFrame + 100]! ^= 4;
    const image = await open(bad);
    const error = { code: 'CHUNK_DIGEST_MISMATCH', detail: { chunk: 1, offset: 16384, length: 16384 } };
    await expect(image.read(0, 20_000)).rejects.toMatchObject(error);
    await expect(image.run((view) => view.read(16384, 1))).rejects.toMatchObject(error);
    expect(sameBytes(await image.read(0, 16384), raw.subarray(0, 16384))).toBe(true);
    expect(sameBytes(await image.read(32768, 16384), raw.subarray(32768, 49152))).toBe(true);
  });
});

describe('over HTTP', () => {
  test.each([['1 GiB', 2 ** 18], ['20 GiB', 20 * 2 ** 18]])('opening an image of %s costs one request, reading its last byte two more', async (_, blocks) => {
    const { file, manifest } = buildZeroImage(blocks);
    await withRangeServer(file, {}, (server) => withImage(server, async (image) => {
      expect(server.seen).toHaveLength(1);
      expect(server.bytesSent).toBe(65536);
      expect(await image.read(manifest.raw.size - 1, 1)).toEqual(Buffer.alloc(1));
      expect(server.seen).toHaveLength(3);
      expect(server.bytesSent).toBeLessThan(128 * 1024);
    }));
  });

  test('a read far into the image: a page, then a frame; next to it nothing more', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, async (image) => {
      const at = 1050 * 16384;
      expect(sameBytes(await image.read(at, 100), large.raw.subarray(at, at + 100))).toBe(true);
      expect(server.seen).toHaveLength(3);
      await image.read(at + 200, 100);
      expect(server.seen).toHaveLength(3);
      expect(image.statistics).toMatchObject({ requests: 3, bytesFetched: server.bytesSent, chunksDecoded: 1 });
    }));
  });

  test('neighbouring misses are one request, for readers as for reads', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, async (image) => {
      await image.read(0, 1);
      expect(server.seen).toHaveLength(3);
      await image.run((view) => view.read(16384, 10 * 16384));
      expect(server.seen).toHaveLength(4);
      await image.prefetch([{ offset: 30 * 16384, length: 16384 }, { offset: 31 * 16384 + 5, length: 20_000 }, { offset: 30 * 16384, length: 1 }]);
      expect(server.seen).toHaveLength(5);
      expect(image.randomAccess.read(30 * 16384, 3 * 16384)).toHaveLength(3 * 16384);
      expect(() => image.randomAccess.read(33 * 16384, 1)).toThrow(expect.objectContaining({ name: 'ChunkMissing', chunks: [33] }));
    }));
  });

  test('reading everything takes few requests and each byte once', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, async (image) => {
      let length = 0;
      for await (const { bytes } of image.chunks()) length += bytes.length;
      expect(length).toBe(large.raw.length);
      expect(server.seen.length).toBeLessThan(10);
      expect(server.bytesSent).toBeLessThan(large.file.length + 65536);
      expect(server.seen.every(({ method, range }) => method === 'GET' && /^bytes=\d+-\d+$/.test(range ?? ''))).toBe(true);
    }));
  });

  test('two readers of the same chunk cost one request', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, async (image) => {
      await Promise.all(Array.from({ length: 10 }, (_, i) => image.read(i * 100, 100)));
      expect(server.seen).toHaveLength(3);
    }));
  });

  test('what was damaged on the way is fetched again: pages and chunks', async () => {
    await withRangeServer(large.file, { interfere: lying('wrong bytes', 2, 2) }, (server) => withImage(server, async (image) => {
      expect(sameBytes(await image.read(0, 100), large.raw.subarray(0, 100))).toBe(true);
      expect(server.seen).toHaveLength(4);
    }));
    await withRangeServer(large.file, { interfere: lying('wrong bytes', 3, 3) }, (server) => withImage(server, async (image) => {
      expect(sameBytes(await image.read(0, 100), large.raw.subarray(0, 100))).toBe(true);
      expect(image.statistics.chunksRefetched).toBe(1);
    }));
  });

  test('a consumer who leaves stops the reading ahead', async () => {
    const long = buildTinyImage(16_384); // several steps of the stream
    await withRangeServer(long.file, {}, (server) => withImage(server, async (image) => {
      for await (const { offset } of image.chunks()) if (offset >= 16384) break;
      await settled(server); // what was asked for still comes
      expect(server.bytesSent).toBeLessThan(0.6 * long.file.length);
      expect(sameBytes(await image.read(0, 100), long.raw.subarray(0, 100))).toBe(true);
    }));
  });

  test('a consumer who aborts gets the reason', async () => {
    await withRangeServer(large.file, {}, (server) => withImage(server, async (image) => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const consume = async (): Promise<void> => {
        for await (const { offset } of image.chunks(0, large.raw.length, { signal: controller.signal })) if (offset >= 16384) controller.abort(reason);
      };
      await expect(consume()).rejects.toBe(reason);
      await expect(image.read(0, 1, { signal: controller.signal })).rejects.toBe(reason);
    }));
  });

  test('is disposed of', async () => {
    await withRangeServer(large.file, {}, async (server) => {
      const image = await openImage(server.url, anyone);
      await image[Symbol.asyncDispose]();
      await expect(image.read(0, 1)).rejects.toEqual(code('SOURCE_UNREACHABLE'));
    });
  });
});
