/** Reads an archive from its start to its end, from a file or a stream, through one buffer. */
import { ThawfsError } from '../errors.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import { dataRuns } from './zero-blocks.js';

/** Where bytes come from. */
export interface Feed {
  /** Puts at least one byte into `target`. @returns how many; 0 at the end */
  fill(target: Uint8Array): number | Promise<number>;
}

/** The most bytes that {@link ArchiveReader.read} gives at once. */
export const READ_MAX = MiB;

/** Bytes read behind the end of an archive: more than any archiver fills up with. */
const DRAIN_MAX = 64 * MiB;

/** Receives bytes of a member: a view that is valid during the call, where it lies in the file, and where in the archive. */
export type DataSink = (bytes: Uint8Array, fileOffset: number, archiveOffset: number) => void;

export class ArchiveReader {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_MAX + 256 * 1024);
  #start = 0;
  #end = 0;
  #bufferOffset = 0;
  #finished = false;

  constructor(private readonly feed: Feed) {}

  /** Of the next byte, in the (decompressed) archive. */
  get offset(): number {
    return this.#bufferOffset + this.#start;
  }

  /** @returns exactly `length` bytes, at most {@link READ_MAX}; a view that is valid until the next call; undefined when the archive ends here */
  async readUnlessEnded(length: number): Promise<Uint8Array | undefined> {
    if (this.#end - this.#start < length) await this.#more(length);
    if (this.#end === this.#start) return undefined;
    this.#demand(length);
    this.#start += length;
    return this.#buffer.subarray(this.#start - length, this.#start);
  }

  /**
   * As {@link readUnlessEnded}, where the archive must not end.
   *
   * @throws TRUNCATED
   */
  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.readUnlessEnded(length);
    if (bytes === undefined) throw this.#truncated(length);
    return bytes;
  }

  /**
   * Hands on bytes of a member, in portions that end where blocks of the file end.
   *
   * @param length bytes to pass on, of any number
   * @param fileOffset where they belong in the file
   * @throws TRUNCATED
   */
  async pass(length: number, fileOffset: number, sink: DataSink): Promise<void> {
    for (let left = length, position = fileOffset; left > 0;) {
      const needed = Math.min(left, BLOCK_SIZE - position % BLOCK_SIZE);
      if (this.#end - this.#start < needed) await this.#more(needed);
      this.#demand(needed);
      const available = Math.min(left, this.#end - this.#start);
      const portion = available === left ? left : available - (position + available) % BLOCK_SIZE;
      const archiveOffset = this.offset;
      this.#start += portion;
      sink(this.#buffer.subarray(this.#start - portion, this.#start), position, archiveOffset);
      position += portion;
      left -= portion;
    }
  }

  /** @returns whether the archive has no further byte */
  async ended(): Promise<boolean> {
    if (this.#end === this.#start) await this.#more(1);
    return this.#end === this.#start;
  }

  /** Reads to the end, so that what decompresses checks its sums; but not for ever, as devices and programs may write. @returns whether all of it was zero, and ended */
  async drain(): Promise<boolean> {
    let zero = true;
    for (let read = 0; read < DRAIN_MAX; read += this.#end - this.#start) {
      zero &&= dataRuns(this.#buffer.subarray(this.#start, this.#end), 0).length === 0;
      this.#start = this.#end;
      await this.#more(1);
      if (this.#start === this.#end) return zero;
    }
    return false;
  }

  /** Fills the buffer until it has `length` bytes or the feed ends. */
  async #more(length: number): Promise<void> {
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#bufferOffset += this.#start;
    this.#end -= this.#start;
    this.#start = 0;
    while (this.#end < length && !this.#finished) {
      const count = await this.feed.fill(this.#buffer.subarray(this.#end));
      this.#finished = count === 0;
      this.#end += count;
    }
  }

  #demand(length: number): void {
    if (this.#end - this.#start < length) throw this.#truncated(length);
  }

  #truncated(length: number): ThawfsError {
    return new ThawfsError('TRUNCATED', `the archive ends at byte ${this.#bufferOffset + this.#end}, where ${length} bytes were expected from byte ${this.offset}`, {
      detail: { offset: this.offset, length }, suggestion: this.offset === 0 ? 'Check that the file is a tar archive and was copied whole.' : 'Copy or download the archive again.',
    });
  }
}
