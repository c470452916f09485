import { existsSync, readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { randomFillSync } from 'node:crypto';
import { decodeHead } from '../../../src/chunk/head.js';
import { HEAD_MAX_SIZE } from '../../../src/format/container.js';
import { keepFirstChunks } from '../../../src/image/first-chunks.js';
import { openTrustedHead, type TrustedHead } from '../../../src/image/trusted-head.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { anybody } from '../../helpers/lazy-mount.js';
import { chunksOf, objectPath } from '../../helpers/kept-chunks.js';
import { packBytes } from '../../helpers/packed-image.js';
import { servedBytes, withRangeServer, type RangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** Of more than 1,024 chunks, so that a page of the index lies behind the frames; the first ones do not compress. */
let image: Buffer;

beforeAll(async () => {
  const fileSystem = new Uint8Array(1030 * 16384);
  randomFillSync(fileSystem, 0, 20 * 16384);
  image = await packBytes(fileSystem, loadPrivateKey(generateKey('ed25519').privatePem));
});

interface Fixture { readonly head: TrustedHead; readonly store: DiskStore; readonly cache: string; readonly server: RangeServer }

function withHead(body: (fixture: Fixture) => Promise<void>): Promise<void> {
  return withTempDir((cache) => withRangeServer(image, {}, async (server) => {
    const head = await openTrustedHead([server.url], { trust: anybody, cache, keepOpen: true });
    const store = new DiskStore(cache, 1e9);
    try {
      await body({ head, store, cache, server });
    } finally {
      await head.opened?.source.close();
      store.close();
    }
  }));
}

describe('keepFirstChunks', () => {
  test('keeps the chunks that are whole in the first answer, for one request', () => withHead(async ({ head, store, cache, server }) => {
    await keepFirstChunks(head.bytes, head.opened!, store);
    expect(server.seen).toHaveLength(2);
    const chunks = chunksOf(image);
    const inOpening = chunks.filter(({ frameOffset, frameSize }) => frameOffset + frameSize <= HEAD_MAX_SIZE);
    expect(inOpening.length).toBeGreaterThan(0);
    expect(chunks.filter((chunk) => existsSync(objectPath(cache, chunk))).map(({ number }) => number)).toEqual(inOpening.map(({ number }) => number));
    await keepFirstChunks(head.bytes, head.opened!, store);
    expect(server.seen).toHaveLength(2); // the page is here
  }));

  test('a wrong frame is not kept', () => withHead(async ({ head, store, cache }) => {
    const [first, second] = chunksOf(image);
    const { source, opening } = head.opened!;
    const forged = Uint8Array.from(opening);
    forged[second!.frameOffset + 100]! ^= 1;
    await expect(keepFirstChunks(head.bytes, { source, opening: forged }, store)).rejects.toMatchObject({ code: 'CHUNK_DIGEST_MISMATCH' });
    expect([existsSync(objectPath(cache, first!)), existsSync(objectPath(cache, second!))]).toEqual([true, false]);
  }));

  test('of a wrong index page nothing is kept', () => withHead(async ({ head, store, cache, server }) => {
    const forged = Uint8Array.from(image);
    forged[decodeHead(head.bytes).indexOffset + 100]! ^= 1;
    server.served = servedBytes(forged);
    await expect(keepFirstChunks(head.bytes, head.opened!, store)).rejects.toMatchObject({ code: 'INDEX_DIGEST_MISMATCH' });
    expect(readdirSync(`${cache}/objects`)).toEqual([]);
  }));
});
