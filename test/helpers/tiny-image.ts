/** Image files straight from the format's description: a second writer, apart from the packer. */
import { encodeHead, headSizeFor } from '../../src/chunk/head.js';
import { openCodec } from '../../src/codec/registry.js';
import { encodeManifest, hashTreeSize, type Manifest } from '../../src/format/manifest.js';
import { toHex } from '../../src/bytes/hex.js';
import { encodeSignatures } from '../../src/format/signatures.js';
import { hashLeaves, sha256 } from '../../src/hash/sha256.js';
import { makeSignature } from '../../src/trust/dsse.js';
import type { SigningKey } from '../../src/trust/keys.js';
import { buildIndex } from './index-pages.js';

export interface TinyImage {
  readonly file: Buffer;
  readonly raw: Uint8Array;
  readonly manifest: Manifest;
}

export interface TinyOptions { readonly chunkSize?: number; readonly salt?: string; readonly key?: SigningKey }

/** @param blocks of the file system; the raw image is larger by verity superblock and hash tree, here just more content */
export function buildTinyImage(blocks: number, { chunkSize = 16384, salt = '', key }: TinyOptions = {}): TinyImage {
  const fileSystemSize = blocks * 4096;
  const raw = new Uint8Array(fileSystemSize + 4096 + hashTreeSize(blocks));
  // Half of every block is its number, the other half a pattern that compresses badly.
  const words = new Uint32Array(raw.buffer);
  let state = 12345;
  for (let i = 0; i < words.length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    words[i] = i % 1024 < 512 ? i >> 10 : state;
  }
  const codec = openCodec();
  const frames: Buffer[] = [];
  const chunks = [];
  for (let at = 0; at < raw.length; at += chunkSize) {
    const chunk = raw.subarray(at, at + chunkSize);
    const frame = Buffer.alloc(codec.bound(chunk.length));
    const frameSize = codec.compress(chunk, frame, 3);
    frames.push(frame.subarray(0, frameSize));
    const leaves = new Uint8Array(chunk.length / 4096 * 32);
    hashLeaves(chunk, Buffer.from(salt, 'hex'), leaves);
    chunks.push({ frameSize, id: sha256(leaves) });
  }
  const index = buildIndex(chunks);
  const manifest: Manifest = {
    formatVersion: 1, name: 'tiny', sequence: 1, uuid: '00000000-0000-4000-8000-000000000000',
    raw: { size: raw.length, fileSystem: 'ext4', fileSystemSize },
    verity: { algorithm: 'sha256', blockSize: 4096, salt, dataBlocks: blocks, hashOffset: fileSystemSize, rootHash: '0'.repeat(64) },
    index: { chunkSize, chunkCount: chunks.length, rootDigest: toHex(sha256(index.rootPage)) },
    codec: { name: 'zstd', level: 3, implementation: codec.implementation }, provenance: {},
  };
  const manifestBytes = encodeManifest(manifest);
  const headSize = headSizeFor(chunks.length, manifestBytes.length);
  const indexOffset = headSize + index.positions.at(-1)!;
  const head = encodeHead({
    manifest: manifestBytes, rootPage: index.rootPage, headSize, indexOffset,
    ...(key === undefined ? {} : { signatures: encodeSignatures([makeSignature(manifestBytes, key)]) }),
  });
  const sizes = [[headSize, 0], ...chunks.map(({ frameSize }, i) => [frameSize, Math.min(chunkSize, raw.length - i * chunkSize)]), [8 + index.pages.length, 0]];
  const file = Buffer.concat([
    head, ...frames,
    words32(0x184d2a55, index.pages.length), index.pages,
    words32(0x184d2a5e, sizes.length * 8 + 9), words32(...sizes.flat()), words32(sizes.length), Buffer.alloc(1), words32(0x8f92eab1),
  ]);
  return { file, raw, manifest };
}

function words32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
  return bytes;
}
