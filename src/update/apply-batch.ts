/** Carries out the operations of a patch. */
import { GzipNine } from '../codec/deflate/gzip-nine.js';
import { PATCH_LIMITS } from '../format/patch.js';
import { Differences } from './differences.js';
import { GzipContent } from './gzip-content.js';
import type { ImageWriter } from './image-writer.js';
import type { PatchBase } from './patch-base.js';
import { bad, type Operation, type PatchBatch } from './patch-reader.js';

/** Memory: an operation; while a gzip is made four times its content. */
export class BatchApplier {
  private readonly compressor = new GzipNine();
  private readonly scratch = Buffer.allocUnsafeSlow(PATCH_LIMITS.operation);

  constructor(private readonly base: PatchBase, private readonly writer: ImageWriter, private readonly chunkSize: number) {}

  /** @throws BAD_FIELD; what the base and the writer throw */
  async apply({ rawStart, rawEnd, operations, gaps, values, literals }: PatchBatch, signal: AbortSignal | undefined): Promise<void> {
    const { writer } = this;
    const differences = new Differences(gaps, values);
    let used = 0;
    let at = rawStart;
    if (rawStart > writer.rawPosition) throw bad('rawStart', `is ${rawStart}, the image has come to ${writer.rawPosition}`);
    const take = (length: number): Uint8Array => {
      if (used + length > literals.length) throw bad('operation', 'wants more literals than its batch has');
      return literals.subarray(used, used += length);
    };
    /** What comes before the writer's position is there already. */
    const missing = (length: number): number => Math.max(0, Math.min(length, at + length - writer.rawPosition));
    let open: GzipContent | undefined;
    for (const operation of operations) {
      signal?.throwIfAborted();
      const { kind, length, offset } = operation;
      if (open !== undefined) {
        if (kind === 'literal') open.add(take(length));
        else open.addOld(offset, length, differences);
        if (!open.isWhole) continue;
        if (missing(open.size) > 0) writer.addRaw(open.compress(this.compressor).subarray(open.size - missing(open.size)));
        at += open.size;
        open = undefined;
        continue;
      }
      switch (kind) {
        case 'old': {
          const bytes = this.scratch.subarray(0, length);
          await this.base.readInto(offset, bytes);
          differences.applyTo(bytes);
          writer.addRaw(bytes.subarray(length - missing(length)));
          break;
        }
        case 'literal': writer.addRaw(take(length).subarray(length - missing(length))); break;
        case 'zeros': writer.addZeros(missing(length)); break;
        case 'hashes': writer.addHashes(missing(length)); break;
        case 'same': at += await this.same(operation, at); continue;
        case 'frame': at += this.frame(take(length), at); continue;
        case 'gzip': open = await GzipContent.open(this.base, operation.gzip!, length); continue;
      }
      at += length;
    }
    if (used !== literals.length || !differences.done) throw bad('batch', 'has more than its operations use');
    if (at !== rawEnd || writer.rawPosition < rawEnd) throw bad('rawEnd', `is ${rawEnd}, the operations come to ${at}`);
  }

  /** @returns raw bytes of the chunks */
  private async same({ length, offset }: Operation, at: number): Promise<number> {
    const { writer, chunkSize, base } = this;
    let size = 0;
    for (let number = offset; number < offset + length; number++) {
      if (at + size < writer.rawPosition) {
        const next = at + size + chunkSize;
        if (next > writer.rawPosition) writer.addRaw((await base.chunk(number, chunkSize)).raw.subarray(writer.rawPosition - at - size));
        size += chunkSize;
        continue;
      }
      const { raw, frame } = await base.chunk(number, chunkSize);
      if (frame === undefined) writer.addRaw(raw);
      else writer.addFrame(frame, raw);
      size += raw.length;
    }
    return size;
  }

  private frame(frame: Uint8Array, at: number): number {
    const { writer } = this;
    if (at < writer.rawPosition) {
      const size = writer.chunkSizeAt(at);
      if (at + size > writer.rawPosition) throw bad('operation', 'puts a frame where no such chunk begins');
      return size;
    }
    writer.addFrame(frame);
    return writer.rawPosition - at;
  }
}
