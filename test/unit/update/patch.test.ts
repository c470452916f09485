/** Patches between images of real trees: the result bit for bit, and everything that must be refused. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { encodeHead, decodeHead } from '../../../src/chunk/head.js';
import { openPrefixCodec } from '../../../src/codec/prefix.js';
import { batchHeader, PATCH_LIMITS, PATCH_OPERATIONS, patchHeader, patchOperation } from '../../../src/format/patch.js';
import { encodeManifest, decodeManifest } from '../../../src/format/manifest.js';
import { buildImage } from '../../../src/image/build.js';
import { generateKey, loadTrustedKeys } from '../../../src/trust/keys.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { applyPatch, type ApplyPatchOptions } from '../../../src/update/apply-patch.js';
import { makePatch, type MakePatchReport } from '../../../src/update/make-patch.js';
import { noise } from '../../helpers/make-tree.js';

const pair = generateKey('ed25519');
const trust: TrustPolicy = { keys: loadTrustedKeys([pair.publicPem], 'test'), now: 0 };
const unsigned: TrustPolicy = { keys: [], allowUnsigned: true, now: 0 };
let folder: string;
let patch: Buffer;
let report: MakePatchReport;
const at = (name: string): string => join(folder, name);
const code = (value: string): unknown => expect.objectContaining({ code: value });

interface BuildChoices { readonly sequence?: number; readonly level?: number; readonly chunkSize?: number; readonly salt?: Uint8Array }
const build = (tree: string, image: string, { sequence = 1, ...choices }: BuildChoices = {}): Promise<unknown> =>
  buildImage({ source: at(tree), output: at(image), chunkSize: 16384, name: 'app', sequence, keys: [{ pem: pair.privatePem }], ...choices });

const apply = (bytes: Uint8Array, { base = 'old.img.zst', ...options }: Partial<ApplyPatchOptions> & { base?: string } = {}): Promise<unknown> =>
  applyPatch(at(base), '-', at('result'), { trust, stdin: Readable.from(pieces(bytes)), ...options });

/** As a network brings it: in pieces of any size. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0, size = 1; from < bytes.length; from += size, size = size * 7 % 5003 + 1) yield bytes.subarray(from, from + size);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-patch-'));
  mkdirSync(at('tree/sub'), { recursive: true });
  for (let i = 0; i < 30; i++) writeFileSync(at(`tree/sub/${i}`), noise(40_000 + i, i + 1));
  writeFileSync(at('tree/large'), noise(3_000_000, 50));
  writeFileSync(at('tree/lib.so.1.2'), noise(500_000, 51));
  await build('tree', 'old.img.zst');
  const large = noise(3_000_000, 50);
  writeFileSync(at('tree/large'), Buffer.concat([large.subarray(0, 1_000_000), Buffer.from('a few bytes more'), large.subarray(1_000_000)]));
  rmSync(at('tree/lib.so.1.2'));
  writeFileSync(at('tree/lib.so.1.3'), Buffer.concat([noise(500_000, 51), noise(1000, 52)]));
  renameSync(at('tree/sub/7'), at('tree/moved'));
  writeFileSync(at('tree/fresh'), noise(20_000, 99));
  await build('tree', 'new.img.zst', { sequence: 2 });
  report = await makePatch(at('old.img.zst'), at('new.img.zst'), at('patch'), { trust });
  patch = readFileSync(at('patch'));
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

describe('a patch', () => {
  test('makes the new image, bit for bit, from pieces of any size', async () => {
    await apply(patch);
    expect(readFileSync(at('result')).equals(readFileSync(at('new.img.zst')))).toBe(true);
  });

  test('is about as large as what is new', () => {
    expect(report.size).toBe(patch.length);
    expect(patch.length).toBeGreaterThan(21_000);
    expect(patch.length).toBeLessThan(21_000 + 30_000); // and the head, the metadata, the operations
    expect(report.chunks.stored).toBe(0);
  });

  test('is the same when it is made again', async () => {
    await makePatch(at('old.img.zst'), at('new.img.zst'), at('again'), { trust });
    expect(readFileSync(at('again')).equals(patch)).toBe(true);
  });

  test.each<[string, BuildChoices]>([
    ['another chunk size', { chunkSize: 1 << 20 }], ['another level', { level: 1 }], ['a salt', { salt: Uint8Array.of(7) }],
  ])('to an image with %s', async (_, choices) => {
    await build('tree', 'other.img.zst', { sequence: 2, ...choices });
    await makePatch(at('old.img.zst'), at('other.img.zst'), at('other.patch'), { trust });
    await applyPatch(at('old.img.zst'), at('other.patch'), at('result'), { trust });
    expect(readFileSync(at('result')).equals(readFileSync(at('other.img.zst')))).toBe(true);
    expect(readFileSync(at('other.patch')).length).toBeLessThan(patch.length + 30_000);
  });

  test('to the same image is its head, back to the old one works too', async () => {
    expect((await makePatch(at('new.img.zst'), at('new.img.zst'), at('none'), { trust })).size).toBeLessThan(15_000);
    await makePatch(at('new.img.zst'), at('old.img.zst'), at('back'), { trust });
    await applyPatch(at('new.img.zst'), at('back'), at('result'), { trust });
    expect(readFileSync(at('result')).equals(readFileSync(at('old.img.zst')))).toBe(true);
  });

  test('to an image that another compressor made: its frames are stored', async () => {
    const image = readFileSync(at('new.img.zst'));
    const head = decodeHead(image);
    const foreign = encodeManifest({ ...decodeManifest(head.manifest), codec: { name: 'zstd', level: 3, implementation: 'libzstd 0.0.1' } });
    const { rootPage, headSize, indexOffset } = head;
    writeFileSync(at('foreign'), Buffer.concat([encodeHead({ rootPage, headSize, indexOffset, manifest: foreign }), image.subarray(head.headSize)]));
    const { chunks } = await makePatch(at('old.img.zst'), at('foreign'), at('foreign.patch'), { trust: unsigned });
    expect(chunks.made).toBe(0);
    await applyPatch(at('old.img.zst'), at('foreign.patch'), at('result'), { trust: unsigned });
    expect(readFileSync(at('result')).equals(readFileSync(at('foreign')))).toBe(true);
  });
});

describe('refused, and nothing is left behind', () => {
  const refused = async (attempt: Promise<unknown>, expected: unknown): Promise<void> => {
    rmSync(at('result'), { force: true });
    const before = readFileSync(at('old.img.zst'));
    await expect(attempt).rejects.toEqual(expected);
    expect(readdirSync(folder).filter((name) => name.includes('result'))).toEqual([]);
    expect(readFileSync(at('old.img.zst')).equals(before)).toBe(true);
  };

  test('wrong base, no patch, cut off, continued', async () => {
    await refused(apply(patch, { base: 'new.img.zst' }), code('WRONG_BASE'));
    await refused(apply(noise(5000, 1)), code('BAD_MAGIC'));
    await refused(apply(readFileSync(at('old.img.zst'))), code('BAD_MAGIC'));
    await refused(apply(Buffer.concat([patch, Buffer.of(0)])), code('BAD_FIELD'));
    for (const length of [0, 1, 159, 160, 200, patch.length >> 1, patch.length - 24, patch.length - 1]) await refused(apply(patch.subarray(0, length)), code('TRUNCATED'));
  });

  test('the policy: untrusted key, downgrade, unsigned', async () => {
    await refused(apply(patch, { trust: { keys: loadTrustedKeys([generateKey('ed25519').publicPem], 'test'), now: 0 } }), code('KEY_UNTRUSTED'));
    await refused(apply(patch, { trust: { ...trust, minimumSequence: 3 } }), code('SEQUENCE_ROLLBACK'));
  });

  test('1,000 flipped bits', async () => {
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 1000; i++) {
      const flipped = Buffer.from(patch);
      const bit = Math.floor(((i * 0.618033988749895) % 1) * patch.length * 8);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const outcome = await apply(flipped).then(() => 'ACCEPTED', (error: unknown) => (error as { code?: string }).code ?? String(error));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].filter((outcome) => !['CHECKSUM_MISMATCH', 'BAD_MAGIC', 'VERSION_UNSUPPORTED', 'LIMIT_EXCEEDED', 'TRUNCATED', 'BAD_FIELD'].includes(outcome))).toEqual([]);
  }, 120_000);

  test('a damaged old image', async () => {
    const damaged = readFileSync(at('old.img.zst'));
    for (let i = 100_000; i < damaged.length - 50_000; i += 20_000) damaged[i]! ^= 4;
    writeFileSync(at('damaged'), damaged);
    await refused(apply(patch, { base: 'damaged' }), code('CHUNK_DIGEST_MISMATCH'));
  });
});

describe('forged with right checksums', () => {
  type Operations = readonly (readonly [kind: keyof typeof PATCH_OPERATIONS, length: number, offset: number])[];

  /** The header of the true patch, and one batch of whatever. */
  function forge(operations: Operations, data: Uint8Array = new Uint8Array(0), more: Partial<Parameters<typeof batchHeader.encode>[0]> = {}): Uint8Array {
    const codec = openPrefixCodec();
    const { headFrameSize } = patchHeader.decode(patch);
    const table = Buffer.concat(operations.map(([kind, length, offset]) => patchOperation.encode({ kind: PATCH_OPERATIONS[kind], length, offset: BigInt(offset) })));
    const frames = [codec.compress(table, new Uint8Array(0), 3), data.length === 0 ? data : codec.compress(data, new Uint8Array(0), 3)];
    const header = { operationCount: operations.length, operationsFrameSize: frames[0]!.length, dataSize: data.length, dataFrameSize: frames[1]!.length, ...more };
    const checksum = frames.reduce((crc, frame) => crc32c(crc, frame), crc32c(0xffff_ffff, batchHeader.encode(header)));
    return Buffer.concat([patch.subarray(0, patchHeader.size + headFrameSize), batchHeader.encode({ ...header, checksum }), ...frames, patch.subarray(patch.length - batchHeader.size)]);
  }

  test.each<[string, string, Operations, Uint8Array | undefined, Parameters<typeof forge>[2]]>([
    ['copy beyond the end', 'BAD_FIELD', [['copy', 4096, 2 ** 50]], undefined, {}],
    ['copy of more than there is', 'BAD_FIELD', [['copy', 2 ** 32 - 1, 0]], undefined, {}],
    ['chunks that the old image does not have', 'BAD_FIELD', [['same', 2 ** 31, 0]], undefined, {}],
    ['more data than the batch has', 'BAD_FIELD', [['data', 5000, 0]], new Uint8Array(4096), {}],
    ['data that nothing uses', 'BAD_FIELD', [['data', 4096, 0]], new Uint8Array(8192), {}],
    ['a hash area where none is', 'BAD_FIELD', [['hashes', 4096, 0]], undefined, {}],
    ['a frame that is none', 'BAD_MAGIC', [['frame', 4096, 0]], new Uint8Array(4096), {}],
    ['a frame inside a chunk', 'BAD_FIELD', [['data', 4096, 0], ['frame', 4096, 0]], new Uint8Array(8192), {}],
    ['too large a prefix', 'LIMIT_EXCEEDED', [['reference', PATCH_LIMITS.references + 1, 0], ['data', 1, 0]], Uint8Array.of(1), {}],
    ['a prefix beyond the end', 'BAD_FIELD', [['reference', 4096, 2 ** 40], ['data', 1, 0]], Uint8Array.of(1), {}],
    ['too much data', 'LIMIT_EXCEEDED', [['data', 1, 0]], Uint8Array.of(1), { dataSize: PATCH_LIMITS.data + 1 }],
    ['a batch out of its turn', 'BAD_FIELD', [['data', 1, 0]], Uint8Array.of(1), { number: 5 }],
    ['an image of other bytes', 'BAD_FIELD', [['data', 4096, 0]], new Uint8Array(4096), {}],
  ])('%s: %s', async (_, expected, operations, data, more) => {
    await expect(apply(forge(operations, data, more))).rejects.toEqual(code(expected));
  });

  test('the whole image, but other bytes: the signed roots refuse it', async () => {
    const { raw: { size, fileSystemSize } } = decodeManifest(decodeHead(readFileSync(at('new.img.zst'))).manifest);
    const operations: Operations = [['data', fileSystemSize, 0], ['hashes', size - fileSystemSize, 0]];
    const forged = Buffer.from(forge(operations, new Uint8Array(fileSystemSize)));
    const end = batchHeader.encode({ number: 1 });
    forged.set(batchHeader.encode({ number: 1, checksum: crc32c(0xffff_ffff, end) }), forged.length - batchHeader.size);
    await expect(apply(forged)).rejects.toEqual(code('ROOT_DIGEST_MISMATCH'));
  });
});
