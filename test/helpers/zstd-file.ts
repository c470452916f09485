/** Parts of zstd files. */
import { openCodec } from '../../src/codec/registry.js';

/** @returns one frame, level 3 */
export function zstdCompress(raw: Uint8Array): Buffer {
  const codec = openCodec();
  const target = Buffer.alloc(codec.bound(raw.length));
  return target.subarray(0, codec.compress(raw, target, 3));
}

/** @returns a skippable frame with `size` bytes of content */
export function skippable(size: number): Buffer {
  const frame = Buffer.alloc(8 + size, 0x5a);
  frame.writeUInt32LE(0x184d2a5c, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}
