/** Files as `gzip -9n` writes them; that they are those is shown in test/oracle/codec. */
import { crc32 } from 'node:zlib';
import { GzipNine } from '../../src/codec/deflate/gzip-nine.js';

export function gzipNine(content: Uint8Array): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([Buffer.from('1f8b0800000000000203', 'hex'), new GzipNine().compress(content), trailer]);
}

/** Text that compresses as text does. @param seed of the words and their order */
export function text(size: number, seed: number): Buffer {
  let state = seed;
  const random = (most: number): number => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ state >>> 13) >>> 0) % most;
  };
  const words = Array.from({ length: 2000 }, () => Array.from({ length: 1 + random(9) }, () => String.fromCharCode(97 + random(26))).join(''));
  const parts: string[] = [];
  for (let length = 0; length < size; length += parts.at(-1)!.length) parts.push(words[Math.floor(random(1000) ** 2 / 500)]! + (random(12) === 0 ? '\n' : ' '));
  return Buffer.from(parts.join('').slice(0, size));
}
