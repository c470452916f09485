/** Which old file a new one was made from when its name does not say it, as names with digests in them do not: packs of git, bundles for browsers. */
import type { Image } from '../image/image.js';
import type { FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { MiB } from '../units.js';
import { Extents } from './extents.js';

/** Smaller files are as cheap without. */
const SIZE_MIN = 1024;
/** Samples of one file, about, and of all old files together. */
const SAMPLES_OF_FILE = 256;
const SAMPLES = 1 << 21;
/** At least every so manieth place is sampled, as a power of two. */
const SPACING_BITS_MIN = 5;
/** Equal samples that are no accident. */
const EQUAL_MIN = 3;
/** What so many old files have says nothing. */
const COMMON = 8;
const WINDOW_SIZE = 8 * MiB;
/** A sample and the number of its file in one number. */
const FILES_MAX = 2 ** 21;

/** A hash of the last 32 bytes, as each byte is shifted out after so many. */
const gear = Int32Array.from({ length: 256 }, (_, byte) => mixed(byte + 1));

interface Samples {
  /** A place was taken when the upper so many bits of its hash are zeros: of two files, what has the more of them is in both. */
  readonly bits: number;
  readonly hashes: ReadonlySet<number>;
}

/**
 * Deterministic. Cost: all of these files are read once, some ns a byte; memory 60 MiB at most.
 *
 * @param candidates old files that new ones may have been made from
 * @returns of each of the new files the old one that it has most bytes in common with, if any
 */
export async function findSimilar(old: Image, now: Image, candidates: readonly FileNode[], files: readonly FileNode[], options: ReadOptions): Promise<Map<FileNode, FileNode>> {
  const found = new Map<FileNode, FileNode>();
  const [before, after] = [candidates.filter(isLarge).slice(0, FILES_MAX), files.filter(isLarge)];
  if (before.length === 0 || after.length === 0) return found;
  const total = before.reduce((sum, { content: { size } }) => sum + size, 0);
  const bits: number[] = [];
  const entries: number[] = [];
  for (const [number, file] of before.entries()) {
    const samples = await sample(old, file, total, options);
    bits.push(samples.bits);
    for (const hash of samples.hashes) entries.push(hash * FILES_MAX + number);
  }
  const table = Float64Array.from(entries).sort();
  for (const file of after) {
    const { bits: own, hashes } = await sample(now, file, total, options);
    const equal = new Map<number, number>();
    for (const hash of hashes) for (const number of filesWith(table, hash)) equal.set(number, (equal.get(number) ?? 0) + 1);
    let [best, most] = [-1, 0];
    for (const [number, count] of equal) {
      const bytes = count * 2 ** Math.max(own, bits[number]!);
      if (count >= EQUAL_MIN && (bytes > most || (bytes === most && number < best))) [best, most] = [number, bytes];
    }
    if (best >= 0) found.set(file, before[best]!);
  }
  return found;
}

function isLarge({ content: { size } }: FileNode): boolean {
  return size >= SIZE_MIN;
}

async function sample(image: Image, file: FileNode, total: number, options: ReadOptions): Promise<Samples> {
  const extents = Extents.ofFile(file);
  const bits = Math.max(SPACING_BITS_MIN, Math.ceil(Math.log2(extents.size / SAMPLES_OF_FILE)), Math.ceil(Math.log2(total / SAMPLES)));
  const hashes = new Set<number>();
  let hash = 0;
  for (let at = 0; at < extents.size; at += WINDOW_SIZE) {
    options.signal?.throwIfAborted();
    const bytes = await extents.read(image, at, Math.min(WINDOW_SIZE, extents.size - at), options);
    for (let i = 0; i < bytes.length; i++) {
      hash = (hash << 1) + gear[bytes[i]!]! | 0;
      if (hash >>> (32 - bits) === 0) hashes.add(hash);
    }
  }
  return { bits, hashes };
}

/** @returns numbers of the files that have a sample; none when too many have it */
function filesWith(table: Float64Array, hash: number): number[] {
  let [low, high] = [0, table.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (table[middle]! < hash * FILES_MAX) low = middle + 1;
    else high = middle;
  }
  const numbers: number[] = [];
  for (; low < table.length && table[low]! < (hash + 1) * FILES_MAX; low++) numbers.push(table[low]! - hash * FILES_MAX);
  return numbers.length < COMMON ? numbers : [];
}

function mixed(value: number): number {
  const once = Math.imul(value, 0x9e3779b1);
  const twice = Math.imul(once ^ once >>> 15, 0x85ebca6b);
  return Math.imul(twice ^ twice >>> 13, 0xc2b2ae35) ^ twice >>> 16;
}
