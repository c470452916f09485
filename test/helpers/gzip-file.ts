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
  const random = randomFrom(seed);
  const words = Array.from({ length: 2000 }, () => Array.from({ length: 1 + random(9) }, () => String.fromCharCode(97 + random(26))).join(''));
  const parts: string[] = [];
  for (let length = 0; length < size; length += parts.at(-1)!.length) parts.push(words[Math.floor(random(1000) ** 2 / 500)]! + (random(12) === 0 ? '\n' : ' '));
  return Buffer.from(parts.join('').slice(0, size));
}

/** A phrase, `count` places that begin like it, the phrase again: gzip sees it only when no more than 4095 come between. */
export function far(count: number): Buffer {
  const fillers = Array.from({ length: count }, (_, i) => `abc${String.fromCharCode(65 + (i >> 6), 48 + (i & 63))}`);
  return Buffer.from(['abcdefghijkl', ...fillers, 'abcdefghijkl'].join(''), 'latin1');
}

/** Few different bytes, and copies from distances about those at which gzip decides otherwise. */
export function copies(size: number, seed: number): Buffer {
  const random = randomFrom(seed);
  const distances = [1, 2, 3, 258, 259, 4095, 4096, 4097, 32_505, 32_506, 32_507, 32_768];
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const distance = random(10) < 3 ? 0 : Math.min(at, distances[random(distances.length)]!);
    for (const end = Math.min(size, at + 1 + random(4 ** (1 + random(5)))); at < end; at++) bytes[at] = distance === 0 ? random(4) : bytes[at - distance]!;
  }
  return bytes;
}

function randomFrom(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ state >>> 13) >>> 0) % most;
  };
}
