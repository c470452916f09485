/** Damage anywhere in an image file, and servers that lie about it: a typed error or the right bytes, nothing else. */
import { describe, expect, test } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import { openImage, openImageFrom } from '../../../src/image/open.js';
import { MemorySource } from '../../../src/source/memory.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { lies, lying, type LieName } from '../../helpers/lying-server.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { packBytes } from '../../helpers/packed-image.js';

const key = loadPrivateKey(generateKey('ed25519').privatePem);
const trust = { keys: [key], now: 0 };
/** Repetition, noise and zeros in turn, so that frames are of every kind. */
let state = 7;
const content = Uint8Array.from({ length: 40 * 4096 }, (_, i) => {
  state = Math.imul(state, 1664525) + 1013904223 | 0;
  return [i % 97, state >>> 24, state >>> 28, 0][(i >> 13) % 4]!;
});
const file = await packBytes(content, key, { salt: Buffer.from('c0ffee', 'hex') });
const raw = (await openImageFrom({ source: new MemorySource(file), opening: file.subarray(0, 65536) }, { trust })).randomAccess.read(0, 42 * 4096);

/** @returns the code of the error that opening and reading everything ends in; undefined when the bytes were the right ones */
async function codeOfReading(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const image = await openImageFrom({ source: new MemorySource(bytes), opening: bytes.subarray(0, 65536) }, { trust });
    const read = image.randomAccess.read(0, image.manifest.raw.size);
    if (Buffer.compare(read, raw) !== 0) throw new Error('wrong bytes');
    return undefined;
  } catch (error) {
    if (error instanceof ThawfsError) return error.code;
    throw error;
  }
}

describe('damaged files', () => {
  test('the whole one reads', async () => {
    expect(Buffer.compare(raw.subarray(0, content.length), content)).toBe(0);
    expect(await codeOfReading(file)).toBeUndefined();
  });

  test('cut at every offset', async () => {
    const small = await packBytes(content.subarray(0, 3 * 4096), key);
    for (let length = 0; length < small.length; length++) expect([length, await codeOfReading(small.subarray(0, length))]).toEqual([length, 'TRUNCATED']);
  });

  test('10,000 flipped bits', async () => {
    const memoryBefore = process.memoryUsage().rss; // other suites ran in this process
    const headSize = file.readUInt32LE(20);
    const signaturesEnd = file.readUInt32LE(40) + file.readUInt32LE(44);
    const indexOffset = Number(file.readBigUInt64LE(56));
    // What such a reader neither needs nor sees: the kernel's signature, the room for more, frame headers and seek table at the end.
    const indifferent = (at: number): boolean => (at >= 48 && at < 56) || (at >= signaturesEnd && at < headSize) || at >= indexOffset;
    const codes = new Map<string, number>();
    for (let i = 0; i < 10_000; i++) {
      state = Math.imul(state, 1664525) + 1013904223 | 0;
      const bit = Math.floor((state >>> 0) / 2 ** 32 * file.length * 8);
      file[bit >> 3]! ^= 1 << (bit & 7);
      const found = await codeOfReading(file);
      const kind = found ?? (indifferent(bit >> 3) ? 'indifferent' : 'meaningless');
      codes.set(kind, (codes.get(kind) ?? 0) + 1);
      file[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect([...codes.keys()]).toEqual(expect.arrayContaining(['CHUNK_DIGEST_MISMATCH', 'CHECKSUM_MISMATCH', 'BAD_FIELD', 'BAD_MAGIC']));
    expect(codes.get('CHUNK_DIGEST_MISMATCH')).toBeGreaterThan(4000);
    // A few bits of a zstd frame mean nothing (RFC 8878 section 3.1.1.1.1, unused bit; unused codes): the bytes are still the right ones.
    expect(codes.get('meaningless') ?? 0).toBeLessThan(50);
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(512 * 2 ** 20);
  });

  test('bytes swapped between frames, and frames replaced by others', async () => {
    const head = file.readUInt32LE(20);
    const size = file.readUInt32LE(file.readUInt32LE(32));
    const swapped = Buffer.from(file);
    file.copy(swapped, head, head + size, head + 2 * size);
    expect(await codeOfReading(swapped)).toBe('CHUNK_DIGEST_MISMATCH');
  });
});

/** Codes that reading may end in when a server lies from its second answer on. */
const wrongAnswers: Readonly<Partial<Record<LieName, string>>> = { 'wrong bytes': 'CHUNK_DIGEST_MISMATCH' };

/** With another ETag, but the same bytes, it is the same image. */
const harmless: ReadonlySet<LieName> = new Set(['changed etag']);

describe.each(Object.keys(lies) as LieName[])('a server with %s', (name) => {
  test.each([1, 2, 3])('from answer %d on', async (from) => {
    const options = { trust, idleTimeout: 200, transferTimeout: 400, retry: { attempts: 1 } };
    await withRangeServer(file, { interfere: lying(name, from) }, async ({ url }) => {
      const work = (async () => {
        const image = await openImage(url, options);
        try {
          return [await image.read(0, 16384), await image.read(16384, raw.length - 16384)];
        } finally {
          await image.close();
        }
      })();
      try {
        // Some lies are none when they are told from the start.
        expect(Buffer.compare(Buffer.concat(await work), raw)).toBe(0);
        if (!harmless.has(name)) expect(from).toBe(1);
      } catch (error) {
        expect(error).toBeInstanceOf(ThawfsError);
        expect(harmless.has(name)).toBe(false);
        if (from > 1 && wrongAnswers[name] !== undefined) expect((error as ThawfsError).code).toBe(wrongAnswers[name]);
      }
    });
  });
});
