/** Any content, from memory and files and holes: what is packed is that content, the same for any number of threads. */
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fromText } from '../../../src/bytes/byte-string.js';
import { openCodec } from '../../../src/codec/registry.js';
import { hashTreeSize } from '../../../src/format/manifest.js';
import { createPool, packImage, type PackedImage } from '../../../src/image/pack.js';
import type { Content, Piece } from '../../../src/model/content.js';
import { compressible } from '../../helpers/codecs.js';
import { readSeekTable } from '../../helpers/seek-table.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const kinds = fc.constantFrom('memory', 'file', 'access');
const parts = fc.array(fc.record({ gap: fc.oneof(fc.nat(5000), fc.nat(900_000)), length: fc.oneof(fc.nat(9000), fc.nat(400_000)), kind: kinds }), { maxLength: 12 });
const settings = fc.record({ chunkSize: fc.constantFrom(16384, 65536, 1 << 20), salt: fc.uint8Array({ maxLength: 40 }), tailBlocks: fc.nat(40), level: fc.constantFrom(1, 3) });

async function pack(directory: string, image: Content, jobs: number, { chunkSize, salt, level }: { chunkSize: number; salt: Uint8Array; level: number }): Promise<{ file: Buffer; packed: PackedImage }> {
  const path = join(directory, `image-${jobs}`);
  const file = openSync(path, 'w');
  const pool = createPool({ chunkSize, level, salt, jobs });
  try {
    const packed = await packImage({ image, fileSystemSize: image.size, uuid: new Uint8Array(16).fill(7), salt, chunkSize, level, pool, file, headSize: 4096 });
    return { file: readFileSync(path), packed };
  } finally {
    await pool.close();
    closeSync(file);
  }
}

test('round trip', () => withTempDir(async (directory) => {
  const codec = openCodec();
  await fc.assert(fc.asyncProperty(parts, settings, async (pieces, options) => {
    let end = 0;
    const laid: Piece[] = pieces.map(({ gap, length, kind }, i) => {
      const offset = end + gap;
      end = offset + length;
      const bytes = compressible(length + 3, i + 1);
      const path = join(directory, `part-${i}`);
      if (kind === 'file') writeFileSync(path, bytes);
      const source = kind === 'memory' ? bytes
        : kind === 'access' ? { size: bytes.length, read: (at: number, count: number) => bytes.subarray(at, at + count) }
          : { kind: 'host-file' as const, path: fromText(path), seen: { size: bytes.length, mtimeMs: statSync(path).mtimeMs } };
      return { offset, length, source, sourceOffset: 3 };
    });
    const image: Content = { size: (Math.ceil(end / 4096) + 1 + options.tailBlocks) * 4096, pieces: laid };
    const raw = new Uint8Array(image.size);
    laid.forEach(({ offset, length }, i) => { raw.set(compressible(length + 3, i + 1).subarray(3), offset); });

    const [one, two] = [await pack(directory, image, 1, options), await pack(directory, image, 2, options)];
    expect(Buffer.compare(one.file, two.file)).toBe(0);
    expect(two.packed).toEqual(one.packed);
    const { packed, file } = one;
    expect(packed.rawSize).toBe(image.size + 4096 + hashTreeSize(image.size / 4096));
    expect(packed.fileSize).toBe(file.length);
    const frames = readSeekTable(file);
    expect(frames.length).toBe(packed.chunkCount + 2);
    expect(frames.at(-1)).toMatchObject({ offset: packed.indexOffset, rawOffset: packed.rawSize, rawSize: 0 });
    for (const { offset, size, rawOffset, rawSize } of frames.slice(1, -1)) {
      const chunk = new Uint8Array(rawSize);
      codec.decompress(file.subarray(offset, offset + size), chunk);
      const data = raw.subarray(rawOffset, rawOffset + rawSize);
      if (Buffer.compare(chunk.subarray(0, data.length), data) !== 0) throw new Error(`chunk at ${rawOffset} differs`);
    }
  }), { numRuns: 12 });
}), 300_000);
