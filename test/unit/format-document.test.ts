/** Holds docs/format.md against the code: tables, constants, fields, limits, and the example byte by byte. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Struct } from '../../src/bytes/struct.js';
import { toHex } from '../../src/bytes/hex.js';
import { decodeHead, ROOT_PAGE_MAX_SIZE } from '../../src/chunk/head.js';
import { openCodec } from '../../src/codec/registry.js';
import { CHUNK_LIST_MAX_SIZE } from '../../src/format/chunk-list.js';
import * as container from '../../src/format/container.js';
import { decodeManifest, encodeManifest, MANIFEST_MAX_SIZE, type Manifest } from '../../src/format/manifest.js';
import * as signatures from '../../src/format/signatures.js';
import { veritySuperblock } from '../../src/format/verity.js';
import { hashLeaves, sha256 } from '../../src/hash/sha256.js';
import { MemorySource } from '../../src/source/memory.js';
import { checkContainer } from '../../src/image/check-container.js';
import { openImageFrom } from '../../src/image/open.js';
import { BLOCK_SIZE, KiB, MiB } from '../../src/units.js';
import { byteMap } from '../helpers/byte-map.js';
import { markdownTables } from '../helpers/markdown-tables.js';
import { readSeekTable } from '../helpers/seek-table.js';

const document = readFileSync('docs/format.md', 'utf8');

const tables = (...header: string[]): string[][][] => markdownTables(document, ...header);

describe('records', () => {
  const records: Struct<unknown>[] = [
    container.headHeader, container.chunkEntry, container.pageEntry, container.seekTableEntry, container.seekTableFooter, veritySuperblock,
  ] as Struct<never>[];

  test('every table has the fields of its record', () => {
    const written = tables('offset', 'size', 'field', 'meaning').map((rows) => rows.map((cells) => cells.slice(0, 3)));
    expect(written).toEqual(records.map(({ rows }) => rows.map(([offset, name, { size }]) => [String(offset), String(size), name])));
  });

  test('the map of the head', () => {
    expect(document).toContain(byteMap(container.headHeader as Struct<unknown>).map((line) => `    ${line}\n`).join(''));
  });
});

test('constants', () => {
  const known: Readonly<Record<string, unknown>> = { ...container, ...signatures, MANIFEST_MAX_SIZE, CHUNK_LIST_MAX_SIZE, BLOCK_SIZE };
  const rows = tables('name', 'value', 'meaning')[0]!;
  expect(rows.length).toBe(17);
  for (const [name, value] of rows) {
    const actual = known[name!];
    expect([name, actual instanceof Uint8Array ? Buffer.from(actual).toString('hex') : actual]).toEqual([name, value!.includes(' ') ? value!.replaceAll(' ', '') : Number(value)]);
  }
});

/** Every field there is. */
const full: Manifest = {
  formatVersion: 1, name: 'n', label: 'l', sequence: 1, expires: 2, uuid: '01234567-89ab-cdef-0123-456789abcdef',
  raw: { size: 8192, fileSystem: 'ext4', fileSystemSize: 4096 },
  verity: { algorithm: 'sha256', blockSize: 4096, salt: '', dataBlocks: 1, hashOffset: 4096, rootHash: '0'.repeat(64) },
  index: { chunkSize: 16384, chunkCount: 1, rootDigest: '0'.repeat(64) },
  codec: { name: 'zstd', level: 3, implementation: 'x' }, base: '0'.repeat(64), profile: { digest: '0'.repeat(64), chunks: '0' }, provenance: { tool: 'x' },
};

test('fields of the manifest', () => {
  expect(decodeManifest(encodeManifest(full))).toEqual(full);
  const fields = Object.entries(full).flatMap(([field, value]) => (typeof value === 'object' && field !== 'provenance' ? Object.keys(value as object).map((inner) => `${field}.${inner}`) : [field]));
  expect(tables('field', 'type', 'value')[0]!.map(([field]) => field).sort()).toEqual(fields.sort());
});

test('limits', () => {
  const codec = openCodec();
  const numbers = [
    container.CHUNK_COUNT_MAX, ROOT_PAGE_MAX_SIZE, ROOT_PAGE_MAX_SIZE + MANIFEST_MAX_SIZE + container.headHeader.size,
    container.HEAD_MAX_SIZE - ROOT_PAGE_MAX_SIZE - MANIFEST_MAX_SIZE - container.headHeader.size, codec.bound(64 * KiB), codec.bound(MiB),
  ];
  for (const number of numbers) expect(document).toContain(number.toLocaleString('en'));
  for (const size of [16 * KiB, 64 * KiB, 128 * KiB, MiB]) expect(codec.bound(size)).toBe(size + size / 256 + Math.max(0, 131_072 - size) / 2048);
  expect(container.CHUNK_COUNT_MAX * 64 * KiB / 2 ** 40).toBe(7);
});

describe('the example', () => {
  const file = Buffer.from(dumped());
  const head = decodeHead(file);
  const manifest = decodeManifest(head.manifest);

  test('is what the text says', () => {
    expect(head).toMatchObject({ headSize: 0x1000, indexOffset: 0x10b8 });
    expect(container.headHeader.decode(file)).toMatchObject({ manifestOffset: 0x48, manifestSize: 0x216, rootPageOffset: 0x260, rootPageSize: 0x24, signaturesSize: 0, pkcs7Size: 0 });
    expect(toHex(sha256(head.rootPage))).toBe(manifest.index.rootDigest);
    expect(readSeekTable(file).map(({ offset, rawSize }) => [offset, rawSize])).toEqual([[0, 0], [0x1000, 0x4000], [0x10b8, 0]]);
  });

  test('holds the two blocks', () => {
    const { frameSize, chunkId } = container.chunkEntry.decode(head.rootPage);
    const raw = Buffer.alloc(0x4000);
    openCodec().decompress(file.subarray(0x1000, 0x1000 + frameSize), raw);
    const expected = Buffer.alloc(0x2000);
    expected.write('The first block of an image.\n', 0);
    expected.write('The second block.\n', 0x1000);
    expect(Buffer.compare(raw.subarray(0, 0x2000), expected)).toBe(0);
    const leaves = new Uint8Array(4 * 32);
    hashLeaves(raw, new Uint8Array(0), leaves);
    expect(toHex(sha256(leaves))).toBe(toHex(chunkId));
    expect(Buffer.compare(raw.subarray(0x3000, 0x3040), leaves.subarray(0, 64))).toBe(0);
    expect(toHex(leaves.subarray(96))).toBe(manifest.verity.rootHash);
  });

  test('passes the whole check', async () => {
    await using image = await openImageFrom({ source: new MemorySource(file), opening: file }, { trust: { keys: [], allowUnsigned: true, now: 0 } });
    await checkContainer(image, undefined, {});
  });
});

/** @returns the bytes of the hexdump, with `*` for repeated rows as hexdump -C writes it */
function dumped(): number[] {
  const bytes: number[] = [];
  let repeat = false;
  for (const line of document.split('\n')) {
    if (line === '    *') repeat = true;
    const match = /^ {4}([0-9a-f]{8})(?: {2}([0-9a-f ]{50})\|.*\|)?$/.exec(line);
    if (match === null) continue;
    const offset = parseInt(match[1]!, 16);
    if (repeat) while (bytes.length < offset) bytes.push(...bytes.slice(-16));
    repeat = false;
    expect(bytes.length).toBe(offset);
    bytes.push(...(match[2] ?? '').split(' ').filter((digits) => digits !== '').map((digits) => parseInt(digits, 16)));
  }
  return bytes;
}
