/** A small image file as far as signing looks at it: a real head with a real manifest, and bytes behind it that nobody may change. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { encodeHead, type Head } from '../../src/chunk/head.js';
import { encodeManifest, hashTreeSize, type Manifest } from '../../src/format/manifest.js';

const dataBlocks = 8;
const fileSystemSize = dataBlocks * 4096;
const rawSize = fileSystemSize + 4096 + hashTreeSize(dataBlocks);

export function sampleManifest(changes: Partial<Manifest> = {}): Manifest {
  return {
    formatVersion: 1, name: 'sample', sequence: 7, uuid: '01234567-89ab-cdef-0123-456789abcdef',
    raw: { size: rawSize, fileSystem: 'ext4', fileSystemSize },
    verity: { algorithm: 'sha256', blockSize: 4096, salt: '', dataBlocks, hashOffset: fileSystemSize, rootHash: '5a'.repeat(32) },
    index: { chunkSize: 65536, chunkCount: 1, rootDigest: 'c3'.repeat(32) },
    codec: { name: 'zstd', level: 3, implementation: 'none' },
    provenance: { tool: 'test' },
    ...changes,
  };
}

/** @returns a head of 12 KiB for the manifest; the root page is not a real one */
export function sampleHead(manifest = sampleManifest()): Head {
  return { manifest: encodeManifest(manifest), rootPage: new Uint8Array(36).fill(9), headSize: 12288, indexOffset: 99_999 };
}

/** @returns what the file holds behind its head */
export function writeSampleImage(path: string, head = sampleHead()): Buffer {
  const data = randomBytes(100_000);
  writeFileSync(path, Buffer.concat([encodeHead(head), data]));
  return data;
}
