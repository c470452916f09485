/** The content of a gzip file, put together from that of an old one, and compressed as `gzip -9` did it. */
import { inflateRawSync } from 'node:zlib';
import type { GzipNine } from '../codec/deflate/gzip-nine.js';
import { ThawfsError } from '../errors.js';
import { PATCH_LIMITS } from '../format/patch.js';
import type { Differences } from './differences.js';
import { packGzipNine } from './gzip-member.js';
import type { PatchBase } from './patch-base.js';
import { bad, type GzipFacts } from './patch-reader.js';

export class GzipContent {
  private readonly bytes: Uint8Array;
  private filled = 0;

  /** @param old content. @param size bytes that it becomes */
  private constructor(private readonly old: Uint8Array, content: number, readonly size: number) {
    this.bytes = new Uint8Array(content);
  }

  /** @throws as PatchBase.readInto; ROOT_DIGEST_MISMATCH when the old file system holds no such stream there */
  static async open(base: PatchBase, { content, ranges }: GzipFacts, size: number): Promise<GzipContent> {
    const stream = new Uint8Array(ranges.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { offset, length } of ranges) await base.readInto(offset, stream.subarray(at, at += length));
    return new GzipContent(stream.length === 0 ? stream : inflated(stream), content, size);
  }

  get isWhole(): boolean {
    return this.filled === this.bytes.length;
  }

  add(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.filled);
    this.filled += bytes.length;
  }

  /** @throws BAD_FIELD beyond the end of the old content */
  addOld(offset: number, length: number, differences: Differences): void {
    if (offset + length > this.old.length) throw bad('operation', 'leads beyond the end of what was opened');
    const target = this.bytes.subarray(this.filled, this.filled + length);
    target.set(this.old.subarray(offset, offset + length));
    differences.applyTo(target);
    this.filled += length;
  }

  /** @returns deflate stream and trailer. @throws ROOT_DIGEST_MISMATCH when they are not as long as the patch says */
  compress(compressor: GzipNine): Uint8Array {
    const made = packGzipNine(compressor, this.bytes);
    if (made.length === this.size) return made;
    throw mismatch(`a gzip file becomes ${made.length} bytes, not ${this.size}`);
  }
}

function inflated(stream: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(stream, { maxOutputLength: PATCH_LIMITS.content });
  } catch (cause) {
    throw mismatch('a gzip file of the old image cannot be opened', cause);
  }
}

/** Either image or patch is to blame; whoever catches it finds out. */
function mismatch(message: string, cause?: unknown): ThawfsError {
  return new ThawfsError('ROOT_DIGEST_MISMATCH', `the patched image will not be the signed one: ${message}`, { detail: {}, suggestion: 'Fetch the image itself (thawfs pull).', cause });
}
