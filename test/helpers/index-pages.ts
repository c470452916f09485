/** Chunk index pages written straight from docs/format.md, apart from the writer in src: what the index reader is tested against. */
import { sha256 } from '../../src/hash/sha256.js';

export interface BuiltIndex {
  readonly rootPage: Uint8Array;
  /** What follows the INDEX frame's header: level 0 first, without the root. */
  readonly pages: Uint8Array;
  /** Frame offset of every chunk, when the first lies at 0, and the end of the last. */
  readonly positions: readonly number[];
}

const ENTRIES = 1024;

/** @param chunks frame size and id of every chunk */
export function buildIndex(chunks: readonly { readonly frameSize: number; readonly id: Uint8Array }[]): BuiltIndex {
  const positions = [0];
  for (const { frameSize } of chunks) positions.push(positions.at(-1)! + frameSize);
  const levels: Buffer[] = [];
  let entries = chunks.map(({ frameSize, id }) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(frameSize);
    return { framesSize: frameSize, bytes: Buffer.concat([size, id]) };
  });
  for (;;) {
    const pages: { framesSize: number; page: Buffer }[] = [];
    for (let at = 0; at < entries.length; at += ENTRIES) {
      const part = entries.slice(at, at + ENTRIES);
      pages.push({ framesSize: part.reduce((sum, { framesSize }) => sum + framesSize, 0), page: Buffer.concat(part.map(({ bytes }) => bytes)) });
    }
    if (pages.length === 1) return { rootPage: pages[0]!.page, pages: Buffer.concat(levels), positions };
    levels.push(...pages.map(({ page }) => page));
    entries = pages.map(({ framesSize, page }) => {
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(framesSize));
      return { framesSize, bytes: Buffer.concat([size, sha256(page)]) };
    });
  }
}
