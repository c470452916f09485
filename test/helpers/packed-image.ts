/** A whole, signed image file made by the packer, for tests that want the real thing but no source tree. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../src/bytes/hex.js';
import { parseUuid } from '../../src/bytes/uuid.js';
import { encodeHead, headSizeFor } from '../../src/chunk/head.js';
import { encodeManifest, type Manifest } from '../../src/format/manifest.js';
import { encodeSignatures } from '../../src/format/signatures.js';
import { createPool, packImage } from '../../src/image/pack.js';
import { bytesContent } from '../../src/model/content.js';
import { makeSignature } from '../../src/trust/dsse.js';
import type { SigningKey } from '../../src/trust/keys.js';
import { withTempDir } from './temp-dir.js';

const uuid = '00000000-0000-4000-8000-000000000000';

/**
 * @param fileSystem a multiple of 4096 bytes; any bytes
 * @returns the file
 */
export function packBytes(fileSystem: Uint8Array, key: SigningKey, { chunkSize = 16384, salt = new Uint8Array(0), level = 3 } = {}): Promise<Buffer> {
  return withTempDir(async (directory) => {
    const path = join(directory, 'image');
    const file = openSync(path, 'w');
    const pool = createPool({ chunkSize, level, salt, jobs: 1 });
    try {
      const fileSystemSize = fileSystem.length;
      const packed = await packImage({
        image: bytesContent(fileSystem), fileSystemSize, uuid: parseUuid(uuid, 'test'), salt, chunkSize, level, pool, file, headSize: headSizeFor(Math.ceil(fileSystemSize / chunkSize) + 2, 1000),
      });
      const manifest: Manifest = {
        formatVersion: 1, name: 'packed', sequence: 1, uuid,
        raw: { size: packed.rawSize, fileSystem: 'ext4', fileSystemSize },
        verity: { algorithm: 'sha256', blockSize: 4096, salt: toHex(salt), dataBlocks: packed.dataBlocks, hashOffset: packed.hashOffset, rootHash: toHex(packed.rootHash) },
        index: { chunkSize, chunkCount: packed.chunkCount, rootDigest: toHex(packed.rootDigest) },
        codec: { name: 'zstd', level, implementation: packed.codec }, provenance: {},
      };
      const bytes = encodeManifest(manifest);
      const { rootPage, headSize, indexOffset } = packed;
      writeSync(file, encodeHead({ manifest: bytes, rootPage, headSize, indexOffset, signatures: encodeSignatures([makeSignature(bytes, key)]) }), 0, headSize, 0);
      return readFileSync(path);
    } finally {
      await pool.close();
      closeSync(file);
    }
  });
}
