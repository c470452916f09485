/** An image whose maker means harm: every record is well formed and bound by the right digests, only what they say is not true. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeCanonicalJson, encodeCanonicalJson, type JsonValue } from '../../../src/bytes/canonical-json.js';
import { toHex } from '../../../src/bytes/hex.js';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { ThawfsError } from '../../../src/errors.js';
import { sha256 } from '../../../src/hash/sha256.js';
import { openImageFrom } from '../../../src/image/open.js';
import { MemorySource } from '../../../src/source/memory.js';
import { buildTinyImage } from '../../helpers/tiny-image.js';

type Json = Record<string, JsonValue>;
const { file } = buildTinyImage(60);
const head = decodeHead(file);
const manifest = decodeCanonicalJson(head.manifest, 'manifest') as Json;
const fieldPaths = Object.entries(manifest).flatMap(([name, value]) => [[name], ...typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value).map((inner) => [name, inner]) : []]);

const extreme = fc.oneof(
  fc.constantFrom<JsonValue>(0, 1, -1, 4095, 4096, 16384, 65536, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52, Number.MAX_SAFE_INTEGER, '', '0', 'f'.repeat(64), 'ff'.repeat(256), null, true, [], {}),
  fc.nat(), fc.string({ maxLength: 20 }),
);
const change = fc.record({ path: fc.constantFrom(...fieldPaths), value: extreme });
const pageChange = fc.record({ at: fc.nat(head.rootPage.length - 1), byte: fc.nat(255) });

/** @returns the file with these changes, digest of the root page and checksum of the head made right again */
function forged(changes: readonly { path: readonly string[]; value: JsonValue }[], pageChanges: readonly { at: number; byte: number }[]): Buffer {
  const rootPage = Uint8Array.from(head.rootPage);
  for (const { at, byte } of pageChanges) rootPage[at] = byte;
  const json = structuredClone(manifest);
  (json['index'] as Json)['rootDigest'] = toHex(sha256(rootPage));
  for (const { path: [outer, inner], value } of changes) {
    const parent = json[outer!];
    if (inner === undefined) json[outer!] = value;
    else if (typeof parent === 'object' && parent !== null) (parent as Json)[inner] = value;
  }
  const bytes = encodeHead({ ...head, manifest: encodeCanonicalJson(json), rootPage });
  return Buffer.concat([bytes, file.subarray(bytes.length)]);
}

test('opening and reading ends in a typed error, or in bytes as many as were asked for', async () => {
  const codes = new Set<string>();
  const memoryBefore = process.memoryUsage().rss; // other suites ran in this process
  await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 3 }), fc.array(pageChange, { maxLength: 2 }), async (changes, pageChanges) => {
    const bytes = forged(changes, pageChanges);
    try {
      const image = await openImageFrom({ source: new MemorySource(bytes), opening: bytes.subarray(0, 65536) }, { trust: { keys: [], allowUnsigned: true, now: 0 } });
      const { size } = image.manifest.raw;
      for (const offset of [0, Math.max(0, size - 8192)]) expect((await image.read(offset, Math.min(8192, size - offset))).length).toBe(Math.min(8192, size - offset));
    } catch (error) {
      if (!(error instanceof ThawfsError)) throw error;
      codes.add(error.code);
    }
  }), { numRuns: 1500 });
  expect([...codes]).toEqual(expect.arrayContaining(['BAD_FIELD', 'CHUNK_DIGEST_MISMATCH']));
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(512 * 2 ** 20);
}, 180_000);
