/** Image files straight from the format's description: a second writer, apart from the packer, quick for sizes that would take that one minutes. */
import { toHex } from '../../src/bytes/hex.js';
import { encodeHead, headSizeFor } from '../../src/chunk/head.js';
import { openCodec } from '../../src/codec/registry.js';
import { encodeManifest, hashTreeSize, type Manifest } from '../../src/format/manifest.js';
import { encodeSignatures } from '../../src/format/signatures.js';
import { hashLeaves, sha256 } from '../../src/hash/sha256.js';
import { makeSignature } from '../../src/trust/dsse.js';
import type { SigningKey } from '../../src/trust/keys.js';
import { buildIndex } from './index-pages.js';

export interface BuiltImage {
  readonly file: Buffer;
  readonly manifest: Manifest;
}

export interface TinyOptions { readonly chunkSize?: number; readonly salt?: string; readonly key?: SigningKey }

/**
 * An image whose content is nothing in particular; half of every block compresses badly.
 *
 * @param blocks of the file system; the raw image is larger by verity superblock and hash tree, which here are just more content
 */
export function buildTinyImage(blocks: number, options: TinyOptions = {}): BuiltImage & { readonly raw: Uint8Array } {
  const { chunkSize = 16384, salt = '' } = options;
  const raw = new Uint8Array(rawSizeOf(blocks));
  const words = new Uint32Array(raw.buffer);
  let state = 12345;
  for (let i = 0; i < words.length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    words[i] = i % 1024 < 512 ? i >> 10 : state;
  }
  const chunks = Array.from({ length: Math.ceil(raw.length / chunkSize) }, (_, i) => packChunk(raw.subarray(i * chunkSize, (i + 1) * chunkSize), salt));
  return { raw, ...assemble(blocks, chunks, { ...options, chunkSize, salt }) };
}

/** An image of zeros, of any size: one chunk is packed, and is there many times. */
export function buildZeroImage(blocks: number, chunkSize = 65536): BuiltImage {
  const size = rawSizeOf(blocks);
  const full = packChunk(new Uint8Array(chunkSize), '');
  const chunks = new Array<PackedChunk>(Math.ceil(size / chunkSize)).fill(full);
  if (size % chunkSize !== 0) chunks[chunks.length - 1] = packChunk(new Uint8Array(size % chunkSize), '');
  return assemble(blocks, chunks, { chunkSize, salt: '' });
}

interface PackedChunk {
  readonly frame: Uint8Array;
  readonly frameSize: number;
  readonly id: Uint8Array;
  readonly rawSize: number;
}

function packChunk(chunk: Uint8Array, salt: string): PackedChunk {
  const codec = openCodec();
  const frame = Buffer.alloc(codec.bound(chunk.length));
  const frameSize = codec.compress(chunk, frame, 3);
  const leaves = new Uint8Array(chunk.length / 4096 * 32);
  hashLeaves(chunk, Buffer.from(salt, 'hex'), leaves);
  return { frame: frame.subarray(0, frameSize), frameSize, id: sha256(leaves), rawSize: chunk.length };
}

function rawSizeOf(blocks: number): number {
  return blocks * 4096 + 4096 + hashTreeSize(blocks);
}

function assemble(blocks: number, chunks: readonly PackedChunk[], { chunkSize, salt, key }: Required<Omit<TinyOptions, 'key'>> & Pick<TinyOptions, 'key'>): BuiltImage {
  const index = buildIndex(chunks);
  const fileSystemSize = blocks * 4096;
  const manifest: Manifest = {
    formatVersion: 1, name: 'tiny', sequence: 1, uuid: '00000000-0000-4000-8000-000000000000',
    raw: { size: rawSizeOf(blocks), fileSystem: 'ext4', fileSystemSize },
    verity: { algorithm: 'sha256', blockSize: 4096, salt, dataBlocks: blocks, hashOffset: fileSystemSize, rootHash: '0'.repeat(64) },
    index: { chunkSize, chunkCount: chunks.length, rootDigest: toHex(sha256(index.rootPage)) },
    codec: { name: 'zstd', level: 3, implementation: openCodec().implementation }, provenance: {},
  };
  const manifestBytes = encodeManifest(manifest);
  const headSize = headSizeFor(chunks.length, manifestBytes.length);
  const head = encodeHead({
    manifest: manifestBytes, rootPage: index.rootPage, headSize, indexOffset: headSize + index.positions.at(-1)!,
    ...(key === undefined ? {} : { signatures: encodeSignatures([makeSignature(manifestBytes, key)]) }),
  });
  const frames = [[headSize, 0], ...chunks.map(({ frameSize, rawSize }) => [frameSize, rawSize]), [8 + index.pages.length, 0]];
  const file = Buffer.concat([
    head, ...chunks.map(({ frame }) => frame),
    words32([0x184d2a55, index.pages.length]), index.pages,
    words32([0x184d2a5e, frames.length * 8 + 9]), words32(frames.flat()), words32([frames.length]), Buffer.alloc(1), words32([0x8f92eab1]),
  ]);
  return { file, manifest };
}

function words32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
  return bytes;
}
