/**
 * Follows a zstd file from frame to frame without decoding it: the frames' bytes come out, cut at the frames' ends, skippable
 * frames are left out. So no decoder is needed that knows of several frames (that of node:zlib drops what follows the first in
 * one write), and every decoder refuses the same things.
 */
import { ThawfsError } from '../errors.js';
import { SKIPPABLE_HEADER_SIZE } from '../format/container.js';
import { BLOCK_HEADER_SIZE, decodeBlockHeader, decodeFrameHeader, FRAME_CHECKSUM_SIZE, FRAME_HEADER_MAX_SIZE, type FrameHeader } from './frame.js';

/** Of the sixteen magic numbers of skippable frames, the common upper bits (RFC 8878 section 3.1.2). */
const SKIPPABLE_MAGIC = 0x184d2a50;

type State =
  | 'between' // a header is being gathered in `held`
  | 'blocks' // a block header is being gathered, or a block passes by
  | 'last' // the last block and the checksum pass by
  | 'skippable';

export class FrameSplitter {
  private state: State = 'between';
  private readonly held = new Uint8Array(FRAME_HEADER_MAX_SIZE);
  private heldSize = 0;
  /** Bytes that pass by before the next header. */
  private passing = 0;
  private frames = 0;
  private checksum = false;

  /** @param windowLimit the most memory that a frame may ask a decoder to keep, bytes */
  constructor(private readonly windowLimit: number) {}

  /**
   * @param bytes the next of the file
   * @returns views of `bytes`, and copies of headers; nothing of skippable frames
   * @throws BAD_MAGIC when something else than a frame begins; BAD_FIELD; LIMIT_EXCEEDED for a larger window
   */
  *split(bytes: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let at = 0; at < bytes.length;) {
      if (this.passing > 0) {
        const count = Math.min(this.passing, bytes.length - at);
        this.passing -= count;
        at += count;
      } else {
        this.held[this.heldSize++] = bytes[at++]!;
        if (this.state === 'between') {
          const header = this.takeFrameHeader();
          if (header !== undefined) yield header;
          start = at;
        } else {
          this.takeBlockHeader();
        }
      }
      if (this.passing === 0 && (this.state === 'last' || this.state === 'skippable')) {
        if (this.state === 'last') yield bytes.subarray(start, at);
        this.state = 'between';
      }
    }
    if (this.state === 'blocks' || this.state === 'last') yield bytes.subarray(start);
  }

  /** @throws TRUNCATED when the file ends inside a frame, or has none */
  finish(): void {
    if (this.frames > 0 && this.state === 'between' && this.heldSize === 0) return;
    throw new ThawfsError('TRUNCATED', 'zstd: the data ends inside a frame', { detail: { record: 'zstd frame' }, suggestion: 'Fetch or copy the file again.' });
  }

  /** @returns the header, once it is whole and that of a frame with content */
  private takeFrameHeader(): Uint8Array | undefined {
    const held = this.held.subarray(0, this.heldSize);
    const view = new DataView(held.buffer);
    if (held.length >= 4 && (view.getUint32(0, true) & ~15) === SKIPPABLE_MAGIC) {
      if (held.length === SKIPPABLE_HEADER_SIZE) this.enter('skippable', view.getUint32(4, true));
      return undefined;
    }
    const header = decodeFrameHeader(held);
    if (header === undefined) return undefined;
    this.admit(header);
    this.frames++;
    this.checksum = header.checksum;
    this.enter('blocks', 0);
    return held.slice();
  }

  private takeBlockHeader(): void {
    if (this.heldSize < BLOCK_HEADER_SIZE) return;
    const { last, size } = decodeBlockHeader(this.held[0]!, this.held[1]!, this.held[2]!);
    this.enter(last ? 'last' : 'blocks', size + (last && this.checksum ? FRAME_CHECKSUM_SIZE : 0));
  }

  private enter(state: State, passing: number): void {
    this.state = state;
    this.passing = passing;
    this.heldSize = 0;
  }

  private admit({ windowSize, dictionary }: FrameHeader): void {
    if (dictionary) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', 'zstd: the data was compressed with a dictionary', { suggestion: 'Decompress it with zstd -D first.' });
    }
    if (windowSize > this.windowLimit) {
      throw new ThawfsError('LIMIT_EXCEEDED', `zstd: the data asks for a window of ${windowSize} bytes, ${this.windowLimit} are allowed`, {
        detail: { record: 'zstd frame', size: windowSize, limit: this.windowLimit }, suggestion: 'Decompress it with zstd first, or compress it without --long.',
      });
    }
  }
}
