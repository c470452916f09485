/**
 * The hashes by which an indexed directory orders its names: legacy, half MD4 and TEA, each with signed or unsigned
 * characters (which of the two, the superblock says: it was once the C compiler's choice). Source: linux fs/ext4/hash.c.
 */
import type { ByteString } from '../bytes/byte-string.js';
import { HASH_END, hashVersions } from '../format/ext4/directory.js';

/** What a hash depends on besides the name. */
export interface HashFunction {
  /** One of hashVersions, the unsigned forms included. */
  readonly version: number;
  /** s_hash_seed as four little-endian words; all zero = the built-in start value. */
  readonly seed: Uint32Array;
}

const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
const state = new Int32Array(4);
const input = new Int32Array(8);

/** @returns the word order of s_hash_seed. */
export function hashSeed(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(i * 4, true));
}

/**
 * The major hash of a name: unsigned, bit 0 clear, below HASH_END.
 *
 * @returns undefined for a version that is not known here (siphash belongs to encrypted, casefolded directories)
 */
export function directoryHash(name: ByteString, { version, seed }: HashFunction): number | undefined {
  state.set(seed.some((word) => word !== 0) ? seed : START);
  let hash: number;
  switch (version) {
    case hashVersions.legacy: hash = legacy(name, true); break;
    case hashVersions.legacyUnsigned: hash = legacy(name, false); break;
    case hashVersions.halfMd4: hash = halfMd4(name, true); break;
    case hashVersions.halfMd4Unsigned: hash = halfMd4(name, false); break;
    case hashVersions.tea: hash = tea(name, true); break;
    case hashVersions.teaUnsigned: hash = tea(name, false); break;
    default: return undefined;
  }
  hash = (hash & ~1) >>> 0;
  return hash === HASH_END ? HASH_END - 2 : hash;
}

function character(name: ByteString, at: number, signed: boolean): number {
  const code = name.charCodeAt(at);
  return signed ? code << 24 >> 24 : code;
}

function legacy(name: ByteString, signed: boolean): number {
  let [current, previous] = [0x12a3fe2d, 0x37abe8f9];
  for (let i = 0; i < name.length; i++) {
    let next = previous + (current ^ Math.imul(character(name, i, signed), 7152373)) | 0;
    if (next < 0) next = next - 0x7fffffff | 0;
    [previous, current] = [current, next];
  }
  return current << 1;
}

function halfMd4(name: ByteString, signed: boolean): number {
  for (let at = 0; at < name.length; at += 32) {
    fill(name, at, 8, signed);
    mixHalfMd4();
  }
  return state[1]!;
}

function tea(name: ByteString, signed: boolean): number {
  for (let at = 0; at < name.length; at += 16) {
    fill(name, at, 4, signed);
    mixTea();
  }
  return state[0]!;
}

/** Packs up to `words` * 4 characters from `start` into `input`, big-endian, filled up with the count of characters left. */
function fill(name: ByteString, start: number, words: number, signed: boolean): void {
  const left = name.length - start;
  const pad = Math.imul(left & 0xff, 0x01010101) | Math.imul(left >>> 8, 0x01010100);
  const end = start + Math.min(left, words * 4);
  let word = 0;
  let value = pad;
  for (let at = start; at < end; at++) {
    value = character(name, at, signed) + (value << 8) | 0;
    if ((at - start) % 4 === 3) {
      input[word++] = value;
      value = pad;
    }
  }
  if (word < words) input[word++] = value;
  while (word < words) input[word++] = pad;
}

function rotate(value: number, by: number): number {
  return value << by | value >>> 32 - by;
}

// The three round functions of MD4: selection, majority, parity.
const choose = (a: number, x: number, y: number, z: number, add: number, by: number): number => rotate(a + (z ^ (x & (y ^ z))) + add | 0, by);
const majority = (a: number, x: number, y: number, z: number, add: number, by: number): number =>
  rotate(a + ((x & y) + ((x ^ y) & z) | 0) + add + 0x5a827999 | 0, by);
const parity = (a: number, x: number, y: number, z: number, add: number, by: number): number => rotate(a + (x ^ y ^ z) + add + 0x6ed9eba1 | 0, by);

function mixHalfMd4(): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  const [i0, i1, i2, i3, i4, i5, i6, i7] = input as unknown as [number, number, number, number, number, number, number, number];
  a = choose(a, b, c, d, i0, 3); d = choose(d, a, b, c, i1, 7); c = choose(c, d, a, b, i2, 11); b = choose(b, c, d, a, i3, 19);
  a = choose(a, b, c, d, i4, 3); d = choose(d, a, b, c, i5, 7); c = choose(c, d, a, b, i6, 11); b = choose(b, c, d, a, i7, 19);
  a = majority(a, b, c, d, i1, 3); d = majority(d, a, b, c, i3, 5); c = majority(c, d, a, b, i5, 9); b = majority(b, c, d, a, i7, 13);
  a = majority(a, b, c, d, i0, 3); d = majority(d, a, b, c, i2, 5); c = majority(c, d, a, b, i4, 9); b = majority(b, c, d, a, i6, 13);
  a = parity(a, b, c, d, i3, 3); d = parity(d, a, b, c, i7, 9); c = parity(c, d, a, b, i2, 11); b = parity(b, c, d, a, i6, 15);
  a = parity(a, b, c, d, i1, 3); d = parity(d, a, b, c, i5, 9); c = parity(c, d, a, b, i0, 11); b = parity(b, c, d, a, i4, 15);
  state[0] = state[0]! + a; state[1] = state[1]! + b; state[2] = state[2]! + c; state[3] = state[3]! + d;
}

function mixTea(): void {
  let [b0, b1] = state as unknown as [number, number];
  const [a, b, c, d] = input as unknown as [number, number, number, number];
  for (let round = 0, sum = 0; round < 16; round++) {
    sum = sum + 0x9e3779b9 | 0;
    b0 = b0 + (((b1 << 4) + a) ^ (b1 + sum) ^ ((b1 >>> 5) + b)) | 0;
    b1 = b1 + (((b0 << 4) + c) ^ (b0 + sum) ^ ((b0 >>> 5) + d)) | 0;
  }
  state[0] = state[0]! + b0; state[1] = state[1]! + b1;
}
