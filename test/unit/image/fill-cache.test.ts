import { randomFillSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { fillCache } from '../../../src/image/fill-cache.js';
import { LocalImage } from '../../../src/image/local-image.js';
import { openTrustedHead } from '../../../src/image/trusted-head.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { anybody } from '../../helpers/lazy-mount.js';
import { packBytes } from '../../helpers/packed-image.js';
import { servedBytes, withRangeServer, type Interference } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** Three pages of the index and the root; the first chunks do not compress. */
let image: Buffer;
const chunkCount = 2 * 1024 + 10;

beforeAll(async () => {
  const fileSystem = new Uint8Array((chunkCount - 1) * 16384);
  randomFillSync(fileSystem, 0, 300 * 16384);
  image = await packBytes(fileSystem, loadPrivateKey(generateKey('ed25519').privatePem));
});

/** @returns numbers of the chunks that are in a cache */
async function inCache(cache: string, url: string): Promise<number[]> {
  const { bytes } = await openTrustedHead([url], { trust: anybody, cache, offline: true });
  const store = new DiskStore(cache);
  const local = await LocalImage.openLocal({ head: bytes, locations: [], cache: store, memorySize: 0 });
  const numbers = [...local.localChunks()];
  await local.close();
  store.close();
  return numbers;
}

describe('fillCache', () => {
  test('asks for the head once, and for no byte twice but those that came with it; tells all that was sent', () => withTempDir((cache) => withRangeServer(image, {}, async (server) => {
    const { chunks, fetched, requests, bytesFetched } = await fillCache(server.url, { trust: anybody, cache });
    expect(server.seen.filter(({ range }) => range!.startsWith('bytes=0-'))).toHaveLength(1);
    expect(requests).toBe(server.seen.length);
    expect(bytesFetched).toBe(server.bytesSent);
    expect(bytesFetched).toBeLessThan(image.length + 16_384);
    expect(fetched).toBe(chunks);
    expect(await inCache(cache, server.url)).toEqual(Array.from({ length: chunks }, (_, chunk) => chunk));
  })));

  test('what the origin lies about in its first answers is refused; a mirror that is honest helps', () => withTempDir((cache) => withRangeServer(image, {}, async (server) => {
    const lying = Buffer.from(image);
    lying.fill(0x55, 60_000, image.length); // head and first chunks as they are, then nothing is
    await withRangeServer(lying, {}, async (liar) => {
      await expect(fillCache(liar.url, { trust: anybody, cache, readTimeout: 100 })).rejects.toMatchObject({ code: 'INDEX_DIGEST_MISMATCH' });
      const { chunks } = await fillCache(liar.url, { trust: anybody, cache, mirrors: [server.url] });
      expect(await inCache(cache, liar.url)).toHaveLength(chunks);
    });
  })));

  test('a mirror helps where the origin has lost the image; without one that is said, though the head is remembered', () => withTempDir((cache) => withRangeServer(image, {}, async (server) => {
    let lost = false;
    const interfere: Interference = (_request, response) => {
      if (lost) response.writeHead(404).end();
      return lost;
    };
    await withRangeServer(image, { interfere }, async ({ url }) => {
      await openTrustedHead([url], { trust: anybody, cache });
      lost = true;
      await expect(fillCache(url, { trust: anybody, cache })).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
      const { chunks } = await fillCache(url, { trust: anybody, cache, mirrors: [server.url] });
      expect(await inCache(cache, url)).toHaveLength(chunks);
    });
  })));

  test('an origin that is replaced by another image after its head was read is refused', () => withTempDir((cache) => withRangeServer(image, {
    interfere: (_request, _response, server, count) => {
      if (count === 2) [server.served, server.etag] = [servedBytes(Buffer.alloc(image.length, 7)), '"v2"'];
      return false;
    },
  }, async (server) => {
    await expect(fillCache(server.url, { trust: anybody, cache, readTimeout: 100 })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  })));

  test('of an index that is not here no chunk is local, and each page is looked up once', () => withTempDir((cache) => withRangeServer(image, {}, async (server) => {
    const { bytes } = await openTrustedHead([server.url], { trust: anybody, cache });
    const store = new DiskStore(cache);
    const local = await LocalImage.openLocal({ head: bytes, locations: [], cache: store, memorySize: 0 });
    expect([...local.localChunks()]).toEqual([]);
    expect(store.statistics.misses).toBe(3);
    await local.close();
    store.close();
  })));
});
