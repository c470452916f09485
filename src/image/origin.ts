/** A place that an image can be fetched from: opened when first needed, and only believed when it holds the same image. */
import type { Head } from '../chunk/head.js';
import { hasCode, ThawfsError } from '../errors.js';
import { HEAD_MAGIC, headHeader } from '../format/container.js';
import { openSource, type SourceOptions } from '../source/open-source.js';
import type { RangeSource } from '../source/range-source.js';

export class Origin {
  private opening: Promise<RangeSource> | undefined;

  /**
   * @param head of the image that was trusted
   * @param opened the location as it is open already, where that head came from
   */
  constructor(readonly location: string, private readonly head: Head, private readonly options: SourceOptions, opened?: RangeSource) {
    if (opened !== undefined) this.opening = Promise.resolve(opened);
  }

  /**
   * @throws SOURCE_CHANGED when there is another image now; what openSource throws. After a failure the next call tries anew
   */
  source(): Promise<RangeSource> {
    this.opening ??= this.open().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    return this.opening;
  }

  /** Tells what a use of the source threw. When another file lies there now, or nothing, the next use looks again. */
  failed(error: unknown): void {
    if (hasCode(error, 'SOURCE_UNREACHABLE')) void this.close();
    // What is under way finds the same by itself, and should say so rather than that it was ended.
    if (hasCode(error, 'SOURCE_CHANGED')) this.opening = undefined;
  }

  /** Ends what is under way; the next use opens it again. */
  async close(): Promise<void> {
    const { opening } = this;
    this.opening = undefined;
    await opening?.then((source) => source.close()).catch(() => undefined);
  }

  private async open(): Promise<RangeSource> {
    const { source, opening } = await openSource(this.location, headHeader.size, this.options);
    if (this.isSame(opening)) return source;
    await source.close();
    const failure = new ThawfsError('SOURCE_CHANGED', `${source.location}: is another image than the one that was mounted`, {
      detail: { location: source.location, retryable: false }, suggestion: 'Mount the new image, or put the old one back.',
    });
    this.options.onFailure?.(failure);
    throw failure;
  }

  /** A first look that tells most other images; what slips through fails at its first chunk, because every chunk is verified. */
  private isSame(opening: Uint8Array): boolean {
    try {
      const found = headHeader.decode(opening);
      return Buffer.compare(found.magic, HEAD_MAGIC) === 0 && found.headSize === this.head.headSize && Number(found.indexOffset) === this.head.indexOffset;
    } catch {
      return false; // too short, or no head at all
    }
  }
}
