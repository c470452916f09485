/** A place that an image can be fetched from: opened when first needed, and only believed when it holds the same image. */
import type { Head } from '../chunk/head.js';
import { hasCode, ThawfsError } from '../errors.js';
import { HEAD_MAGIC, headHeader } from '../format/container.js';
import { openSource, reopenSource, type SourceOptions } from '../source/open-source.js';
import type { KnownSource, RangeSource } from '../source/range-source.js';

export class Origin {
  private opening: Promise<RangeSource> | undefined;
  /** As it was elsewhere: good for the first time that it is opened here. */
  private known: KnownSource | undefined;

  /**
   * @param head of the image that was trusted
   * @param opened the location as it is open already, where that head came from; or as it was in another process
   */
  constructor(readonly location: string, private readonly head: Head, private readonly options: SourceOptions, opened?: RangeSource | KnownSource) {
    if (opened !== undefined && 'read' in opened) this.opening = Promise.resolve(opened);
    else this.known = opened;
  }

  /**
   * @throws SOURCE_CHANGED when there is another image now; what openSource throws. After a failure the next call tries anew
   */
  source(): Promise<RangeSource> {
    this.opening ??= (this.known === undefined ? this.open() : this.reopen(this.known)).catch((error: unknown) => {
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
    throw this.changed(source);
  }

  /** Nobody waits for the look at its first bytes: it may be used at once, and has a connection soon. */
  private async reopen(known: KnownSource): Promise<RangeSource> {
    this.known = undefined;
    const source = await reopenSource(this.location, known, this.options);
    if (source === undefined) return this.open();
    source.read(0, headHeader.size).then((opening) => { if (!this.isSame(opening)) throw this.changed(source); }).catch((error: unknown) => { this.failed(error); });
    return source;
  }

  private changed({ location }: RangeSource): ThawfsError {
    const failure = new ThawfsError('SOURCE_CHANGED', `${location}: is another image than the one that was mounted`, {
      detail: { location, retryable: false }, suggestion: 'Mount the new image, or put the old one back.',
    });
    this.options.onFailure?.(failure);
    return failure;
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
