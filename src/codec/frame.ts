/** The outside of a zstd frame (RFC 8878 section 3.1.1): enough to say where it ends and what it needs, before a decoder touches it. */
import { ThawfsError } from '../errors.js';
import { ZSTD_FRAME_MAGIC } from '../format/container.js';
import { MiB } from '../units.js';

export interface FrameHeader {
  /** Bytes from the magic number to the first block. */
  readonly headerSize: number;
  /** Absent = not stated. */
  readonly contentSize?: number;
  /** Memory a streaming decoder must keep, bytes. */
  readonly windowSize: number;
  readonly checksum: boolean;
  readonly dictionary: boolean;
  /** The bit that decoders ignore. */
  readonly unusedBit: boolean;
}

/** The longest header: magic, descriptor, window, dictionary id, content size. */
export const FRAME_HEADER_MAX_SIZE = 4 + 1 + 1 + 4 + 8;
export const BLOCK_HEADER_SIZE = 3;
export const FRAME_CHECKSUM_SIZE = 4;

/** The largest window of a file of any origin: the default limit of the zstd command line, `--long=27`. */
export const WINDOW_MAX_SIZE = 128 * MiB;
/** A chunk is at most 1 MiB, and no level asks for a larger window than the next power of two. */
const CHUNK_WINDOW_MAX_SIZE = MiB;

/**
 * @param bytes begins with the frame; may be shorter than it
 * @returns undefined when more bytes are needed
 * @throws BAD_MAGIC when no zstd frame begins here; BAD_FIELD for the reserved bit
 */
export function decodeFrameHeader(bytes: Uint8Array): FrameHeader | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== ZSTD_FRAME_MAGIC) throw new ThawfsError('BAD_MAGIC', 'zstd: no frame begins here', { detail: { record: 'zstd frame' } });
  if (bytes.length < 5) return undefined;
  const descriptor = bytes[4]!;
  if (descriptor & 0x08) throw bad('reserved bit', 'zero');
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionarySize = [0, 1, 2, 4][descriptor & 3]!;
  const contentSizeFlag = descriptor >> 6;
  const contentSizeBytes = contentSizeFlag === 0 ? Number(singleSegment) : 1 << contentSizeFlag;
  let at = 5;
  const headerSize = at + Number(!singleSegment) + dictionarySize + contentSizeBytes;
  if (bytes.length < headerSize) return undefined;
  const window = singleSegment ? 0 : bytes[at++]!;
  at += dictionarySize;
  const contentSize = contentSizeBytes === 0 ? undefined : readContentSize(view, at, contentSizeBytes);
  return {
    headerSize,
    ...(contentSize === undefined ? {} : { contentSize }),
    windowSize: singleSegment ? contentSize! : 2 ** (10 + (window >> 3)) * (8 + (window & 7)) / 8,
    checksum: (descriptor & 4) !== 0,
    dictionary: dictionarySize > 0,
    unusedBit: (descriptor & 0x10) !== 0,
  };
}

function readContentSize(view: DataView, at: number, width: number): number {
  switch (width) {
    case 1: return view.getUint8(at);
    case 2: return view.getUint16(at, true) + 256; // the two-byte form starts where the one-byte form ends
    case 4: return view.getUint32(at, true);
    default: return Number(view.getBigUint64(at, true)); // rounding above 2^53 does not matter: only compared with small sizes
  }
}

/** @returns whether this is the frame's last block, and the bytes that follow its header */
export function decodeBlockHeader(low: number, middle: number, high: number): { readonly last: boolean; readonly size: number } {
  const field = low | middle << 8 | high << 16;
  const type = field >> 1 & 3;
  if (type === 3) throw bad('block type', 'raw, run-length or compressed');
  return { last: (field & 1) !== 0, size: type === 1 ? 1 : field >> 3 };
}

/**
 * Sees that `frame` is what a chunk frame must be (docs/format.md, "Chunk frames"): exactly one frame, nothing after it,
 * content size stated and equal to `contentSize`, no dictionary, no checksum, the unused bit zero, a window not above 1 MiB (of the streams of a
 * patch, which may be larger: their size). What the blocks
 * hold is the decoder's business.
 *
 * @throws BAD_MAGIC, BAD_FIELD, TRUNCATED
 */
export function checkChunkFrame(frame: Uint8Array, contentSize: number): void {
  const header = decodeFrameHeader(frame);
  if (header === undefined) throw truncated(frame);
  if (header.contentSize !== contentSize) throw bad('content size', `${contentSize}, got ${header.contentSize ?? 'none'}`);
  if (header.dictionary) throw bad('dictionary', 'none');
  if (header.checksum) throw bad('checksum', 'none');
  if (header.unusedBit) throw bad('unused bit', 'zero');
  if (header.windowSize > Math.max(CHUNK_WINDOW_MAX_SIZE, contentSize)) throw bad('window', `at most ${CHUNK_WINDOW_MAX_SIZE} bytes`);
  const length = frameLength(frame);
  if (length === undefined) throw truncated(frame);
  if (length < frame.length) throw bad('frame', `to end at byte ${length} of ${frame.length}`);
}

/**
 * @param bytes begins with a frame; may go on behind it
 * @returns bytes of the frame, checksum not counted; undefined when it is not whole
 * @throws as {@link decodeFrameHeader}
 */
export function frameLength(bytes: Uint8Array): number | undefined {
  const header = decodeFrameHeader(bytes);
  if (header === undefined) return undefined;
  let at = header.headerSize;
  for (let last = false; !last;) {
    if (at + BLOCK_HEADER_SIZE > bytes.length) return undefined;
    const block = decodeBlockHeader(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
    at += BLOCK_HEADER_SIZE + block.size;
    last = block.last;
  }
  return at > bytes.length ? undefined : at;
}

function bad(field: string, expected: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `zstd frame: ${field}: expected ${expected}`, { detail: { record: 'zstd frame', field } });
}

function truncated(frame: Uint8Array): ThawfsError {
  return new ThawfsError('TRUNCATED', `zstd frame: ${frame.length} bytes are not all of it`, { detail: { record: 'zstd frame', size: frame.length } });
}
