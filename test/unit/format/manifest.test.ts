import { describe, expect, test } from '@jest/globals';
import { encodeCanonicalJson, type JsonValue } from '../../../src/bytes/canonical-json.js';
import { decodeManifest, encodeManifest, hashTreeSize, type Manifest } from '../../../src/format/manifest.js';

const dataBlocks = 1000;
const fileSystemSize = dataBlocks * 4096;
const size = fileSystemSize + 4096 + hashTreeSize(dataBlocks);
const manifest: Manifest = {
  formatVersion: 1, name: 'app', label: '1.2', sequence: 7, expires: 1_900_000_000, uuid: '01234567-89ab-cdef-0123-456789abcdef',
  raw: { size, fileSystem: 'ext4', fileSystemSize },
  verity: { algorithm: 'sha256', blockSize: 4096, salt: '00ff', dataBlocks, hashOffset: fileSystemSize, rootHash: 'ab'.repeat(32) },
  index: { chunkSize: 65536, chunkCount: Math.ceil(size / 65536), rootDigest: 'cd'.repeat(32) },
  codec: { name: 'zstd', level: 3, implementation: 'libzstd 1.5.4' },
  provenance: { tool: 'thawfs', version: '0.1.0' },
};

function altered(change: (copy: Record<string, Record<string, JsonValue>>) => void): Uint8Array {
  const copy = JSON.parse(Buffer.from(encodeManifest(manifest)).toString()) as Record<string, Record<string, JsonValue>>;
  change(copy);
  return encodeCanonicalJson(copy);
}

describe('manifest', () => {
  test('there and back, with and without its optional fields', () => {
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
    const { label, expires, ...plain } = manifest;
    expect([label, expires]).toEqual(['1.2', 1_900_000_000]);
    expect(decodeManifest(encodeManifest(plain))).toEqual(plain);
  });

  const wrong: readonly [string, (copy: Record<string, Record<string, JsonValue>>) => void][] = [
    ['an unknown field', (m) => { m['extra'] = {}; }],
    ['an unknown inner field', (m) => { m['verity']!['extra'] = 1; }],
    ['a missing field', (m) => { delete m['raw']; }],
    ['a wrong type', (m) => { m['index']!['chunkCount'] = '64'; }],
    ['a list for a record', (m) => { m['codec'] = [] as unknown as Record<string, JsonValue>; }],
    ['an upper-case root hash', (m) => { m['verity']!['rootHash'] = 'AB'.repeat(32); }],
    ['another hash algorithm', (m) => { m['verity']!['algorithm'] = 'sha1'; }],
    ['a chunk size that is no power of two', (m) => { m['index']!['chunkSize'] = 65536 + 4096; }],
    ['too many chunks', (m) => { m['index']!['chunkCount'] = manifest.index.chunkCount + 1; }],
    ['a hash area elsewhere', (m) => { m['verity']!['hashOffset'] = fileSystemSize - 4096; }],
    ['a raw size that leaves no room for the tree', (m) => { m['raw']!['size'] = fileSystemSize + 4096; }],
    ['a negative sequence', (m) => { Object.assign(m, { sequence: -1 }); }],
    ['a control character in the name', (m) => { Object.assign(m, { name: 'a\nb' }); }],
  ];
  test.each(wrong)('%s is refused', (_, change) => {
    expect(() => decodeManifest(altered(change))).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('a later version, and a huge manifest, have their own codes', () => {
    expect(() => decodeManifest(altered((m) => { Object.assign(m, { formatVersion: 2 }); }))).toThrow(expect.objectContaining({ code: 'VERSION_UNSUPPORTED' }));
    expect(() => decodeManifest(new Uint8Array(20_000))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  test('hash tree sizes: 128 digests a block, none over a single block', () => {
    expect([1, 2, 127, 128, 129, 16384, 16385].map((blocks) => hashTreeSize(blocks) / 4096)).toEqual([0, 1, 1, 1, 3, 129, 132]);
  });
});
