import { randomFillSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { LazyImage } from '../../../src/image/lazy-image.js';
import { openTrustedHead } from '../../../src/image/trusted-head.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { anybody } from '../../helpers/lazy-mount.js';
import { until } from '../../helpers/mounted.js';
import { packBytes } from '../../helpers/packed-image.js';
import { servedBytes, withRangeServer, type RangeServer, type RangeServerOptions } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const CHUNKS = 100;
let image: Buffer;

beforeAll(async () => {
  image = await packBytes(randomFillSync(new Uint8Array(CHUNKS * 16384)), loadPrivateKey(generateKey('ed25519').privatePem));
});

function withImage(filling: boolean, body: (image: LazyImage) => Promise<void>): Promise<void> {
  return withTempDir((cache) => withRangeServer(image, {}, async ({ url }) => {
    const { bytes } = await openTrustedHead([url], { trust: anybody, cache });
    const store = new DiskStore(cache, 1e9);
    const lazy = await LazyImage.open({ head: bytes, locations: [url], cache: store, memorySize: 1 << 20, readTimeout: 1000, filling });
    try {
      await body(lazy);
    } finally {
      await lazy.close();
      store.close();
    }
  }));
}

/** The look at an origin's first bytes. */
const LOOK = 'bytes=0-71';

/** An image whose origin was opened by somebody else. */
function withKnown(options: RangeServerOptions, body: (image: LazyImage, server: RangeServer) => Promise<void>): Promise<void> {
  return withTempDir((cache) => withRangeServer(image, options, async (server) => {
    const { bytes, opened } = await openTrustedHead([server.url], { trust: anybody, cache, keepOpen: true });
    await opened!.source.close();
    const lazy = await LazyImage.open({ head: bytes, locations: [server.url], memorySize: 4 << 20, readTimeout: 1000, known: { at: server.url, state: opened!.source.state! } });
    try {
      await body(lazy, server);
    } finally {
      await lazy.close();
    }
  }));
}

const chunks = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
const here = (lazy: LazyImage): number => [...lazy.localChunks()].length;

/** A reader uses twenty neighbours, which somebody had sent for, and one more chunk elsewhere, which ends what was begun before it. */
async function readTwenty(lazy: LazyImage, sendFor: (wanted: readonly number[]) => void): Promise<void> {
  const wanted = chunks(10, 20);
  sendFor(wanted);
  await until(() => Promise.resolve(wanted.every((chunk) => [...lazy.localChunks()].includes(chunk))), 'they are here');
  for (const chunk of wanted) lazy.touch(chunk);
  await lazy.fetch([90]);
}

describe('LazyImage', () => {
  test('reads ahead of who goes through chunks in order', () => withImage(false, async (lazy) => {
    await readTwenty(lazy, (wanted) => { lazy.hasten(wanted); });
    await until(() => here(lazy) > 21, 'what comes next is here');
  }));

  test('of chunks that are expected nobody guesses what comes next', () => withImage(false, async (lazy) => {
    await readTwenty(lazy, (wanted) => { lazy.expect(wanted); });
    await delay(200); // what somebody had guessed would come
    expect(here(lazy)).toBe(21);
  }));

  test('but where all of it will be fetched guessing costs nothing', () => withImage(true, async (lazy) => {
    await readTwenty(lazy, (wanted) => { lazy.expect(wanted); });
    await until(() => here(lazy) > 21, 'what comes next is here');
  }));

  test('an origin that another process knows is used before it has told anything again', () => {
    const held: (() => void)[] = [];
    return withKnown({
      interfere: ({ headers: { range } }, response, server) => {
        if (range !== LOOK) return false;
        const { status, headers, body } = server.answer(range);
        held.push(() => { response.writeHead(status, headers).end(body); });
        return true;
      },
    }, async (lazy, server) => {
      await lazy.fetch([10, 50]);
      expect([10, 50].map((chunk) => lazy.find(chunk) === undefined)).toEqual([false, false]);
      expect(server.seen.map(({ range }) => range)).toContain(LOOK);
      for (const answer of held) answer();
    });
  });

  test('and is refused where there is another image now: by its first answer, or by a look that nobody waited for', async () => {
    await withKnown({}, async (lazy, server) => {
      server.etag = '"v2"';
      server.served = servedBytes(Buffer.alloc(image.length, 7));
      await expect(lazy.fetch([10])).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    });
    await withKnown({}, async (lazy, server) => {
      server.served = servedBytes(Buffer.alloc(image.length, 7));
      await expect(lazy.fetch([10])).rejects.toMatchObject({ code: 'CHUNK_DIGEST_MISMATCH' });
      await expect(lazy.fetch([10])).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
      expect(lazy.find(10)).toBeUndefined();
    });
  });
});
