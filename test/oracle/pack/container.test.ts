/** Whole containers before the judges: zstd alone gets everything back, and veritysetup accepts what comes out. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { toHex } from '../../../src/bytes/hex.js';
import { formatUuid } from '../../../src/bytes/uuid.js';
import { openCodec } from '../../../src/codec/registry.js';
import { createPool, packImage, type PackedImage } from '../../../src/image/pack.js';
import type { Content } from '../../../src/model/content.js';
import { compressible } from '../../helpers/codecs.js';
import { oracleTest } from '../../helpers/oracle.js';
import { readSeekTable } from '../../helpers/seek-table.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const uuid = Uint8Array.from({ length: 16 }, (_, i) => i * 17);
const data = compressible(300_000, 5);

/** Data at the start, in the middle across chunks, and at the very end; holes between. */
function sparse(size: number): Content {
  const places = [0, 4096 * Math.floor(size / 8192), size - 4096].filter((offset, i, all) => offset >= 0 && all.indexOf(offset) === i);
  return {
    size,
    pieces: places.map((offset, i) => ({ offset, length: Math.min(data.length, size - offset, (places[i + 1] ?? size) - offset), source: data, sourceOffset: 0 })),
  };
}

function render({ size, pieces }: Content): Buffer {
  const raw = Buffer.alloc(size);
  for (const { offset, length, source } of pieces) raw.set((source as Uint8Array).subarray(0, length), offset);
  return raw;
}

interface Settings { readonly chunkSize?: number; readonly salt?: Uint8Array; readonly level?: number }

async function pack(directory: string, image: Content, { chunkSize = 65536, salt = new Uint8Array(0), level = 3 }: Settings = {}): Promise<{ path: string; packed: PackedImage }> {
  const path = join(directory, 'image.zst');
  const file = openSync(path, 'w');
  const pool = createPool({ chunkSize, level, salt, jobs: 2 });
  try {
    const packed = await packImage({ image, fileSystemSize: image.size, uuid, salt, chunkSize, level, pool, file, headSize: 4096 });
    const head = Buffer.alloc(8);
    head.writeUInt32LE(0x184d2a54, 0);
    head.writeUInt32LE(4096 - 8, 4);
    writeSync(file, head, 0, 8, 0);
    return { path, packed };
  } finally {
    await pool.close();
    closeSync(file);
  }
}

const MiB = 1 << 20;
const cases: [string, number, Settings][] = [
  ['one block', 4096, {}], ['two blocks, salted', 8192, { salt: Buffer.from('00ff'.repeat(16), 'hex') }], ['chunk border = end of the data', 4 * MiB, { chunkSize: 1 << 20 }],
  ['16 KiB chunks', 3 * MiB + 4096, { chunkSize: 16384 }], ['129 blocks', 129 * 4096, {}], ['level 19', MiB, { level: 19 }], ['a large hole', 200 * MiB, { salt: Buffer.from('salt') }],
];

describe.each(cases)('%s', (_, size, options) => {
  oracleTest(['zstd'], 'zstd -t, -lv and -dc', () => withTempDir(async (directory) => {
    const { path, packed } = await pack(directory, sparse(size), options);
    execFileSync('zstd', ['-t', '-q', path]);
    const listing = execFileSync('zstd', ['-lv', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(listing).toMatch(new RegExp(`# Zstandard Frames: ${packed.chunkCount}\\b`));
    expect(listing).toMatch(/# Skippable Frames: 3\b/);
    expect(listing).toMatch(new RegExp(`Decompressed Size: .*\\(${packed.rawSize} B\\)`));
    const raw = execFileSync('zstd', ['-dcq', path], { maxBuffer: 300 * MiB });
    expect(raw.length).toBe(packed.rawSize);
    expect(Buffer.compare(raw.subarray(0, size), render(sparse(size)))).toBe(0);
  }));

  oracleTest(['zstd'], 'any frame of the seek table alone', () => withTempDir(async (directory) => {
    const { path } = await pack(directory, sparse(size), options);
    const file = readFileSync(path);
    const raw = execFileSync('zstd', ['-dcq', path], { maxBuffer: 300 * MiB });
    const frames = readSeekTable(file).filter(({ rawSize }) => rawSize > 0);
    for (const { offset, size: frameSize, rawOffset, rawSize } of [frames[0]!, frames[frames.length >> 1]!, frames.at(-1)!]) {
      const chunk = execFileSync('zstd', ['-dcq'], { input: file.subarray(offset, offset + frameSize) });
      expect(chunk.length).toBe(rawSize);
      expect(Buffer.compare(chunk, raw.subarray(rawOffset, rawOffset + rawSize))).toBe(0);
    }
  }));

  oracleTest(['zstd', 'veritysetup'], 'veritysetup accepts the raw image, and refuses a flipped byte', () => withTempDir(async (directory) => {
    const { path, packed } = await pack(directory, sparse(size), options);
    const raw = join(directory, 'raw');
    execFileSync('zstd', ['-dqf', path, '-o', raw]);
    const verify = (): number | null => spawnSync('veritysetup', ['verify', raw, raw, toHex(packed.rootHash), `--hash-offset=${packed.hashOffset}`]).status;
    expect(verify()).toBe(0);
    const fd = openSync(raw, 'r+');
    try {
      const flip = (at: number, bit: number): void => { writeSync(fd, Uint8Array.of(readFileSync(raw)[at]! ^ bit), 0, 1, at); };
      for (const at of size > 100 * MiB ? [size - 1] : [0, size - 1]) {
        flip(at, 4);
        expect(verify()).not.toBe(0);
        flip(at, 4);
      }
      expect(verify()).toBe(0);
    } finally {
      closeSync(fd);
    }
  }));

  oracleTest(['zstd', 'veritysetup'], 'the hash area is that of veritysetup format', () => withTempDir(async (directory) => {
    const { path, packed } = await pack(directory, sparse(size), options);
    const raw = execFileSync('zstd', ['-dcq', path], { maxBuffer: 300 * MiB });
    const [data, hash] = [join(directory, 'data'), join(directory, 'hash')];
    writeFileSync(data, raw.subarray(0, size));
    const salt = toHex(options.salt ?? new Uint8Array(0));
    const report = execFileSync('veritysetup', ['format', data, hash, `--uuid=${formatUuid(uuid)}`, `--salt=${salt === '' ? '-' : salt}`], { encoding: 'utf8' });
    expect(report).toContain(toHex(packed.rootHash));
    const area = readFileSync(hash);
    // veritysetup does not write the rest of the superblock's block when there is no tree behind it.
    expect(Buffer.compare(raw.subarray(size, size + area.length), area)).toBe(0);
    expect(raw.subarray(size + area.length).every((byte) => byte === 0)).toBe(true);
  }));
});

oracleTest(['zstd'], 'the first frame is that of the codec alone', () => withTempDir(async (directory) => {
  const { path } = await pack(directory, { size: 65536, pieces: [{ offset: 0, length: 65536, source: data, sourceOffset: 0 }] });
  const codec = openCodec();
  const frame = Buffer.alloc(codec.bound(65536));
  const frameSize = codec.compress(data.subarray(0, 65536), frame, 3);
  expect(Buffer.compare(readFileSync(path).subarray(4096, 4096 + frameSize), frame.subarray(0, frameSize))).toBe(0);
}));
