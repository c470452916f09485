/** Patches between images of real trees: the result bit for bit, and everything that must be refused. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { encodeHead, decodeHead } from '../../../src/chunk/head.js';
import { ByteSink } from '../../../src/bytes/varint.js';
import { openCodec } from '../../../src/codec/registry.js';
import { batchHeader, OPERATION_KIND_COUNT, PATCH_LIMITS, PATCH_OPERATIONS, PATCH_STREAMS, patchHeader } from '../../../src/format/patch.js';
import { encodeManifest, decodeManifest } from '../../../src/format/manifest.js';
import { buildImage } from '../../../src/image/build.js';
import { generateKey, loadTrustedKeys } from '../../../src/trust/keys.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { unpackImage } from '../../../src/image/unpack.js';
import { openImage } from '../../../src/image/open.js';
import { applyPatch, patchInPlace, type ApplyPatchOptions } from '../../../src/update/apply-patch.js';
import { makePatch, type MakePatchReport } from '../../../src/update/make-patch.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';

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

async function unpack(image: string, raw: string): Promise<void> {
  await using opened = await openImage(at(image), { trust });
  await unpackImage(opened, at(raw));
}

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
  await unpack('new.img.zst', 'new.img');
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

  test('from a raw image, to a raw image', async () => {
    await unpack('old.img.zst', 'old.img');
    for (const [base, raw] of [['old.img', false], ['old.img', true], ['old.img.zst', true]] as const) {
      await apply(patch, { base, raw });
      expect(readFileSync(at('result')).equals(readFileSync(at(raw ? 'new.img' : 'new.img.zst')))).toBe(true);
    }
  });

  oracleTest(['mkfifo'], 'comes through a pipe that has a name', async () => {
    expect(spawnSync('mkfifo', [at('incoming')]).status).toBe(0);
    const arrived = applyPatch(at('old.img.zst'), at('incoming'), at('result'), { trust });
    await writeFile(at('incoming'), patch);
    await arrived;
    expect(readFileSync(at('result')).equals(readFileSync(at('new.img.zst')))).toBe(true);
  });

  test('in place, to a raw image that is mostly holes', async () => {
    mkdirSync(at('airy'));
    for (const [name, seed] of [['a', 80], ['b', 81]] as const) {
      writeFileSync(at('airy/file'), noise(300_000, seed));
      await buildImage({ source: at('airy'), output: at(`airy-${name}.img.zst`), size: 200 << 20, name: 'app', sequence: seed, keys: [{ pem: pair.privatePem }] });
      await unpack(`airy-${name}.img.zst`, `airy-${name}`);
    }
    await makePatch(at('airy-a.img.zst'), at('airy-b.img.zst'), at('airy.patch'), { trust });
    const filled = openSync(at('airy-a'), 'r+');
    writeSync(filled, Buffer.alloc(300_000, 'x'), 0, 300_000, 100 << 20); // where zeros belong
    closeSync(filled);
    await patchInPlace(at('airy-a'), at('airy.patch'), { trust });
    expect(readFileSync(at('airy-a')).equals(readFileSync(at('airy-b')))).toBe(true);
  });

  test('from an image with the same raw image in other chunks', async () => {
    await unpack('old.img.zst', 'old.img');
    await buildImage({ source: `ext4:${at('old.img')}`, output: at('of-raw.img.zst') }); // another image: the hash area is part of its file system
    await expect(apply(patch, { base: 'of-raw.img.zst' })).rejects.toEqual(code('WRONG_BASE'));
    await using old = await openImage(at('old.img.zst'), { trust });
    writeFileSync(at('old.ext4'), readFileSync(at('old.img')).subarray(0, old.manifest.raw.fileSystemSize));
    for (const choices of [{ chunkSize: 1 << 20 }, { chunkSize: 16384, level: 1 }]) {
      await buildImage({ source: `ext4:${at('old.ext4')}`, output: at('other-old.img.zst'), ...choices });
      await apply(patch, { base: 'other-old.img.zst' });
      expect(readFileSync(at('result')).equals(readFileSync(at('new.img.zst')))).toBe(true);
    }
  });

  oracleTest(['mke2fs'], 'between images of what mke2fs makes with smaller blocks than ours, several of one or two files in one of ours', async () => {
    mkdirSync(at('small/many'), { recursive: true });
    for (let i = 0; i < 800; i++) writeFileSync(at(`small/many/${'name'.repeat(20)}${i}`), ''); // blocks of a directory over some chunks
    for (const blockSize of ['1024', '2048']) {
      for (const [name, seed] of [['before', 60], ['after', 61]] as const) {
        for (let i = 0; i < 80; i++) writeFileSync(at(`small/${i}`), noise(1000 + 377 * i, i % 9 === 0 ? seed : i + 100));
        const made = spawnSync('mke2fs', ['-q', '-F', '-t', 'ext3', '-b', blockSize, '-d', at('small'), at(`${name}.ext3`), '8M']);
        expect([made.status, String(made.stderr)]).toEqual([0, '']);
        await buildImage({ source: `ext4:${at(`${name}.ext3`)}`, output: at(`${name}.img.zst`), chunkSize: 16384 });
      }
      for (const [base, target] of [['before', 'after'], ['after', 'before']] as const) {
        await makePatch(at(`${base}.img.zst`), at(`${target}.img.zst`), at('small.patch'), { trust: unsigned });
        await applyPatch(at(`${base}.img.zst`), at('small.patch'), at('result'), { trust: unsigned });
        expect(readFileSync(at('result')).equals(readFileSync(at(`${target}.img.zst`)))).toBe(true);
      }
    }
  });

  test('in place', async () => {
    await unpack('old.img.zst', 'device');
    await patchInPlace(at('device'), at('patch'), { trust });
    expect(readFileSync(at('device')).equals(readFileSync(at('new.img')))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('journal'))).toEqual([]);
  });

  test('is continued where a run ended, whatever it makes', async () => {
    await unpack('old.img.zst', 'device');
    const cut = patch.length - batchHeader.size; // all but the end
    const kinds = [
      ['result', 'new.img.zst', (options: object) => applyPatch(at('old.img.zst'), '-', at('result'), { trust, ...options })],
      ['result', 'new.img', (options: object) => applyPatch(at('old.img.zst'), '-', at('result'), { trust, raw: true, ...options })],
      ['device', 'new.img', (options: object) => patchInPlace(at('device'), '-', { trust, ...options })],
    ] as const;
    for (const [name, expected, run] of kinds) {
      const before = readFileSync(at('device'));
      await expect(run({ stdin: Readable.from(pieces(patch.subarray(0, cut))) })).rejects.toEqual(code('TRUNCATED'));
      expect(readFileSync(at('device')).equals(before)).toBe(true);
      const partial = readdirSync(folder).find((other) => /^\.(result|device)\./.test(other))!;
      truncateSync(at(partial), Math.floor(statSync(at(partial)).size * 0.6)); // killed at some time before
      const { resumedAt, manifest } = await run({ stdin: Readable.from(pieces(patch)) });
      expect(resumedAt).toBeGreaterThan(manifest.raw.size / 3);
      expect(readFileSync(at(name)).equals(readFileSync(at(expected)))).toBe(true);
    }
  });

  test('what another patch has begun is not gone on with', async () => {
    await expect(apply(patch.subarray(0, patch.length - batchHeader.size))).rejects.toEqual(code('TRUNCATED'));
    const partial = readdirSync(folder).find((other) => other.startsWith('.result.'))!;
    const bytes = readFileSync(at(partial));
    bytes[bytes.length >> 1]! ^= 1; // a torn page, or somebody
    writeFileSync(at(partial), bytes);
    await applyPatch(at('old.img.zst'), at('patch'), at('result'), { trust });
    expect(readFileSync(at('result')).equals(readFileSync(at('new.img.zst')))).toBe(true);
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
  const leftovers = (): string[] => readdirSync(folder).filter((name) => name.includes('result'));
  /** @param begun what was made of a patch that ended early stays for the next run, under another name */
  const refused = async (attempt: Promise<unknown>, expected: unknown, begun = false): Promise<void> => {
    rmSync(at('result'), { force: true });
    const before = readFileSync(at('old.img.zst'));
    await expect(attempt).rejects.toEqual(expected);
    if (begun) for (const name of leftovers().filter((one) => one.endsWith('.patch'))) rmSync(at(name));
    expect(leftovers()).toEqual([]);
    expect(readFileSync(at('old.img.zst')).equals(before)).toBe(true);
  };

  test('wrong base, no patch, cut off, continued', async () => {
    await refused(apply(patch, { base: 'new.img.zst' }), code('WRONG_BASE'));
    expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0);
    for (const base of ['tree', 'pipe']) await refused(apply(patch, { base }), code('BAD_ARGUMENT'));
    await refused(apply(patch, { base: 'tree/moved' }), code('WRONG_BASE'));
    await refused(apply(noise(5000, 1)), code('BAD_MAGIC'));
    await refused(apply(readFileSync(at('old.img.zst'))), code('BAD_MAGIC'));
    await refused(apply(Buffer.concat([patch, Buffer.of(0)])), code('BAD_FIELD'));
    for (const length of [0, 1, 191, 192, 250, patch.length >> 1, patch.length - batchHeader.size, patch.length - 1]) await refused(apply(patch.subarray(0, length)), code('TRUNCATED'), true);
  });

  test('the policy: untrusted key, downgrade, unsigned', async () => {
    await refused(apply(patch, { trust: { keys: loadTrustedKeys([generateKey('ed25519').publicPem], 'test'), now: 0 } }), code('KEY_UNTRUSTED'));
    await refused(apply(patch, { trust: { ...trust, minimumSequence: 3 } }), code('SEQUENCE_ROLLBACK'));
  });

  test('a damaged old image', async () => {
    for (const name of leftovers()) rmSync(at(name));
    const damaged = readFileSync(at('old.img.zst'));
    for (let i = 100_000; i < damaged.length - 50_000; i += 20_000) damaged[i]! ^= 4;
    writeFileSync(at('damaged'), damaged);
    await refused(apply(patch, { base: 'damaged' }), code('CHUNK_DIGEST_MISMATCH'));
  });
});

describe('forged with right checksums', () => {
  type Operations = readonly (readonly [kind: keyof typeof PATCH_OPERATIONS, length: number, offset?: number])[];
  interface Streams { readonly gaps?: readonly number[]; readonly values?: readonly number[]; readonly literals?: Uint8Array; readonly operations?: Uint8Array }

  /** The header of the true patch, and one batch of whatever. */
  function forge(operations: Operations, streams: Streams = {}, more: Partial<Parameters<typeof batchHeader.encode>[0]> = {}): Uint8Array {
    const { headFrameSize } = patchHeader.decode(patch);
    const [table, gaps, values] = [new ByteSink(), new ByteSink(), new ByteSink()];
    for (const [kind, length, offset = 0] of operations) {
      table.addNumber(length * OPERATION_KIND_COUNT + PATCH_OPERATIONS[kind]);
      if (kind === 'old' || kind === 'same') table.addSigned(offset);
    }
    streams.gaps?.forEach((gap) => { gaps.addNumber(gap); });
    streams.values?.forEach((value) => { values.addSigned(value); });
    const bytes = { operations: streams.operations ?? table.view(), gaps: gaps.view(), values: values.view(), literals: streams.literals ?? new Uint8Array(0) };
    const frames = PATCH_STREAMS.map((name) => {
      const target = new Uint8Array(openCodec().bound(bytes[name].length));
      return bytes[name].length === 0 ? bytes[name] : target.slice(0, openCodec().compress(bytes[name], target, 3));
    });
    const header = Object.assign({ rawEnd: 1n << 40n }, ...PATCH_STREAMS.map((name, i) => ({ [`${name}Size`]: bytes[name].length, [`${name}FrameSize`]: frames[i]!.length })), more) as Partial<Parameters<typeof batchHeader.encode>[0]>;
    const checksum = frames.reduce((crc, frame) => crc32c(crc, frame), crc32c(0xffff_ffff, batchHeader.encode(header)));
    return Buffer.concat([patch.subarray(0, patchHeader.size + headFrameSize), batchHeader.encode({ ...header, checksum }), ...frames, end(1)]);
  }

  /** A gzip of 100 bytes with these numbers. */
  function gzip(...more: number[]): Uint8Array {
    const table = new ByteSink();
    for (const number of [100 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.gzip, ...more]) table.addNumber(number);
    return table.view().slice();
  }

  function end(number: number): Uint8Array {
    return batchHeader.encode({ number, checksum: crc32c(0xffff_ffff, batchHeader.encode({ number })) });
  }

  test.each<[string, string, Operations, Streams | undefined, Parameters<typeof forge>[2]]>([
    ['old data beyond the end', 'BAD_FIELD', [['old', 4096, 2 ** 50]], undefined, {}],
    ['old data before the start', 'BAD_FIELD', [['old', 4096, -1]], undefined, {}],
    ['a large operation', 'LIMIT_EXCEEDED', [['old', PATCH_LIMITS.operation + 1]], undefined, {}],
    ['chunks that the old image does not have', 'BAD_FIELD', [['same', 1, 2 ** 31]], undefined, {}],
    ['more literals than the batch has', 'BAD_FIELD', [['literal', 5000]], { literals: new Uint8Array(4096) }, {}],
    ['literals that nothing uses', 'BAD_FIELD', [['literal', 4096]], { literals: new Uint8Array(8192) }, {}],
    ['differences that nothing uses', 'BAD_FIELD', [['old', 4096]], { gaps: [1, 5000], values: [1, 1] }, {}],
    ['gaps without values', 'BAD_FIELD', [['old', 4096]], { gaps: [1] }, {}],
    ['values without gaps', 'BAD_FIELD', [['old', 4096]], { values: [1] }, {}],
    ['zeros without end', 'BAD_FIELD', [['zeros', 2 ** 40]], undefined, {}],
    ['a hash area where none is', 'BAD_FIELD', [['hashes', 4096]], undefined, {}],
    ['a frame that is none', 'BAD_MAGIC', [['frame', 4096]], { literals: new Uint8Array(4096) }, {}],
    ['a frame inside a chunk', 'BAD_FIELD', [['literal', 4096], ['frame', 4096]], { literals: new Uint8Array(8192) }, {}],
    ['an operation that is none', 'BAD_FIELD', [], { operations: Uint8Array.of(15, 0) }, {}],
    ['an operation of nothing', 'BAD_FIELD', [], { operations: Uint8Array.of(1) }, {}],
    ['a number without end', 'BAD_FIELD', [], { operations: new Uint8Array(20).fill(255) }, {}],
    ['a gzip of nothing', 'BAD_FIELD', [], { operations: gzip(0, 0) }, {}],
    ['a gzip without its content', 'BAD_FIELD', [], { operations: gzip(10, 0) }, {}],
    ['a gzip of zeros', 'BAD_FIELD', [], { operations: gzip(10, 0, 10 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.zeros) }, {}],
    ['more content than there is of it', 'BAD_FIELD', [], { operations: gzip(10, 0, 11 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.literal), literals: new Uint8Array(11) }, {}],
    ['old content where none was opened', 'BAD_FIELD', [], { operations: gzip(10, 0, 10 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.old, 0) }, {}],
    ['a large content', 'LIMIT_EXCEEDED', [], { operations: gzip(PATCH_LIMITS.content + 1, 0) }, {}],
    ['a stream in many parts', 'LIMIT_EXCEEDED', [], { operations: gzip(10, PATCH_LIMITS.ranges + 1) }, {}],
    ['a large stream', 'LIMIT_EXCEEDED', [], { operations: gzip(10, 2, PATCH_LIMITS.content, 0, 1, 0) }, {}],
    ['a stream that is none', 'ROOT_DIGEST_MISMATCH', [], { operations: gzip(10, 1, 50, 0, 10 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.literal), literals: new Uint8Array(10) }, {}],
    ['a gzip of another size', 'ROOT_DIGEST_MISMATCH', [], { operations: gzip(10, 0, 10 * OPERATION_KIND_COUNT + PATCH_OPERATIONS.literal), literals: new Uint8Array(10) }, {}],
    ['too large a batch', 'LIMIT_EXCEEDED', [['literal', 1]], { literals: Uint8Array.of(1) }, { literalsSize: PATCH_LIMITS.batch + 1 }],
    ['a batch out of its turn', 'BAD_FIELD', [['literal', 1]], { literals: Uint8Array.of(1) }, { number: 5 }],
    ['a batch behind a gap', 'BAD_FIELD', [['literal', 1]], { literals: Uint8Array.of(1) }, { rawStart: 4096n }],
    ['an image of other bytes', 'BAD_FIELD', [['literal', 4096]], { literals: new Uint8Array(4096) }, {}],
  ])('%s: %s', async (_, expected, operations, streams, more) => {
    await expect(apply(forge(operations, streams, more))).rejects.toEqual(code(expected));
    expect(readdirSync(folder).filter((name) => name.includes('result.'))).toEqual([]);
  });

  test('the whole image, but other bytes: the signed roots refuse it', async () => {
    const { raw: { size, fileSystemSize } } = decodeManifest(decodeHead(readFileSync(at('new.img.zst'))).manifest);
    const forged = forge([['zeros', fileSystemSize], ['hashes', size - fileSystemSize]], {}, { rawEnd: BigInt(size) });
    await expect(apply(forged)).rejects.toEqual(code('ROOT_DIGEST_MISMATCH'));
    expect(readdirSync(folder).filter((name) => name.includes('result.'))).toEqual([]);
  });
});

describe('in place, refused', () => {
  test('a damaged journal: nothing more is written; a whole one finishes what was interrupted', async () => {
    await unpack('old.img.zst', 'device');
    // The first half is the making of the new image, beside the device.
    const stop = (done: number, total: number): void => { if (done > 2 / 3 * total) throw new Error('power cut'); };
    await expect(patchInPlace(at('device'), at('patch'), { trust, onProgress: stop })).rejects.toThrow('power cut');
    const half = readFileSync(at('device'));
    const journal = readFileSync(at('.device.journal'));
    const damaged = Buffer.from(journal);
    damaged[damaged.length >> 1]! ^= 1;
    writeFileSync(at('.device.journal'), damaged);
    await expect(patchInPlace(at('device'), at('patch'), { trust })).rejects.toEqual(code('CHECKSUM_MISMATCH'));
    expect(readFileSync(at('device')).equals(half)).toBe(true);
    writeFileSync(at('.device.journal'), journal);
    await patchInPlace(at('device'), at('patch'), { trust });
    expect(readFileSync(at('device')).equals(readFileSync(at('new.img')))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('journal'))).toEqual([]);
  });

  test('another image, the wrong journal, a policy: the device is what it was', async () => {
    await unpack('new.img.zst', 'other');
    const before = readFileSync(at('other'));
    await expect(patchInPlace(at('other'), at('patch'), { trust })).rejects.toEqual(code('WRONG_BASE'));
    await expect(patchInPlace(at('other'), at('patch'), { trust: { ...trust, minimumSequence: 3 } })).rejects.toEqual(code('SEQUENCE_ROLLBACK'));
    for (const device of ['old.img.zst', 'tree', '/dev/null']) await expect(patchInPlace(resolve(folder, device), at('patch'), { trust })).rejects.toEqual(code('BAD_ARGUMENT'));
    expect(readFileSync(at('other')).equals(before)).toBe(true);
  });

  test('what is no journal is not written over, nor removed', async () => {
    await unpack('old.img.zst', 'device-2');
    const before = readFileSync(at('device-2'));
    writeFileSync(at('precious'), 'not a journal');
    for (const journal of [at('precious'), at('patch')]) await expect(patchInPlace(at('device-2'), at('patch'), { trust, journal })).rejects.toEqual(code('BAD_ARGUMENT'));
    expect(readFileSync(at('precious'), 'utf8')).toBe('not a journal');
    expect(readFileSync(at('device-2')).equals(before)).toBe(true);
    writeFileSync(at('empty'), '');
    await patchInPlace(at('device-2'), at('patch'), { trust, journal: at('empty') });
  });
});
