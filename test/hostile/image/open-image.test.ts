/** Damage anywhere in an image file, and servers that lie about it: a typed error or the right bytes, nothing else. */
import { describe, expect, test } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import { openImage, openImageFrom } from '../../../src/image/open.js';
import { MemorySource } from '../../../src/source/memory.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { lies, lying, type LieName } from '../../helpers/lying-server.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { buildTinyImage } from '../../helpers/tiny-image.js';

const key = loadPrivateKey(generateKey('ed25519').privatePem);
const trust = { keys: [key], now: 0 };
const { file, raw } = buildTinyImage(30, { key });

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
  test('the whole one reads', async () => { expect(await codeOfReading(file)).toBeUndefined(); });

  test('cut at every offset', async () => {
    const { file: whole } = buildTinyImage(5, { key });
    for (let length = 0; length < whole.length; length++) expect([length, await codeOfReading(whole.subarray(0, length))]).toEqual([length, 'TRUNCATED']);
  });

  test('10,000 flipped bits', async () => {
    const headSize = file.readUInt32LE(20);
    const signaturesEnd = file.readUInt32LE(40) + file.readUInt32LE(44);
    const indexOffset = Number(file.readBigUInt64LE(56));
    // What such a reader neither needs nor sees: the kernel's signature, the room for more, frame headers and seek table at the end.
    const indifferent = (at: number): boolean => (at >= 48 && at < 56) || (at >= signaturesEnd && at < headSize) || at >= indexOffset;
    const codes = new Map<string, number>();
    let state = 1;
    for (let i = 0; i < 10_000; i++) {
      state = Math.imul(state, 1664525) + 1013904223 >>> 0;
      const bit = Math.floor(state / 2 ** 32 * file.length * 8);
      file[bit >> 3]! ^= 1 << (bit & 7);
      const found = await codeOfReading(file);
      if (found === undefined) expect([bit >> 3, indifferent(bit >> 3)]).toEqual([bit >> 3, true]);
      else codes.set(found, (codes.get(found) ?? 0) + 1);
      file[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect([...codes.keys()]).toEqual(expect.arrayContaining(['CHUNK_DIGEST_MISMATCH', 'SIGNATURE_INVALID', 'INDEX_DIGEST_MISMATCH', 'BAD_FIELD']));
    expect(codes.get('CHUNK_DIGEST_MISMATCH')).toBeGreaterThan(5000);
    expect(process.memoryUsage().rss).toBeLessThan(512 * 2 ** 20);
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
        // Some lies are none where they are told: an ETag that was "v2" from the start.
        expect(Buffer.compare(Buffer.concat(await work), raw)).toBe(0);
        expect(from).toBe(1);
      } catch (error) {
        expect(error).toBeInstanceOf(ThawfsError);
        if (from > 1 && wrongAnswers[name] !== undefined) expect((error as ThawfsError).code).toBe(wrongAnswers[name]);
      }
    });
  });
});
