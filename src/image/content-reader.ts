/** Contents read on this thread: for the few files that must be looked at before the image is laid out. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { display, toBytes } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import { isHostFile, type Content, type Piece } from '../model/content.js';
import { MiB } from '../units.js';

/** A run of bytes of a content; gaps between runs are zeros. */
export interface ContentRun {
  readonly offset: number;
  /** Valid until the next run is asked for. */
  readonly bytes: Uint8Array;
}

const STEP = MiB;

/**
 * @returns the data of a content in order, in runs of at most 1 MiB
 * @throws SOURCE_CHANGED when a host file is shorter than it was; PATH_MISSING, NOT_PERMITTED, IO_FAILED
 */
export function* contentRuns(content: Content): Generator<ContentRun> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(STEP, content.size));
  for (const piece of content.pieces) {
    const read = openPiece(piece);
    try {
      for (let at = 0; at < piece.length; at += STEP) {
        const length = Math.min(STEP, piece.length - at);
        yield { offset: piece.offset + at, bytes: read.bytes(buffer, at, length) };
      }
    } finally {
      read.close();
    }
  }
}

/**
 * As {@link contentRuns}, in whole windows: `offset` is a multiple of 1 MiB, and holes inside a window are zeros. Windows without
 * data are left out; the last one ends with the content.
 */
export function* contentWindows(content: Content): Generator<ContentRun> {
  const window = Buffer.alloc(Math.min(STEP, content.size));
  let current = -1;
  const finished = (): ContentRun => ({ offset: current * STEP, bytes: window.subarray(0, Math.min(STEP, content.size - current * STEP)) });
  for (const { offset, bytes } of contentRuns(content)) {
    for (let at = 0; at < bytes.length;) {
      const number = Math.floor((offset + at) / STEP);
      if (number !== current) {
        if (current >= 0) yield finished();
        window.fill(0);
        current = number;
      }
      const inside = offset + at - number * STEP;
      const part = bytes.subarray(at, at + STEP - inside);
      window.set(part, inside);
      at += part.length;
    }
  }
  if (current >= 0) yield finished();
}

/** @returns all bytes of a small content; the caller owns them. As {@link contentRuns} in failing */
export function wholeContent(content: Content): Uint8Array {
  const whole = new Uint8Array(content.size);
  for (const { offset, bytes } of contentRuns(content)) whole.set(bytes, offset);
  return whole;
}

interface PieceReader {
  bytes(buffer: Buffer, at: number, length: number): Uint8Array;
  close(): void;
}

function openPiece({ source, sourceOffset }: Piece): PieceReader {
  if (source instanceof Uint8Array) {
    return { bytes: (_, at, length) => source.subarray(sourceOffset + at, sourceOffset + at + length), close: () => undefined };
  }
  if (!isHostFile(source)) {
    return { bytes: (_, at, length) => source.read(sourceOffset + at, length), close: () => undefined };
  }
  const name = display(source.path);
  let fd: number;
  try {
    fd = openSync(toBytes(source.path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fromErrno(error, `opening ${name}`);
  }
  return {
    bytes(buffer, at, length) {
      for (let done = 0; done < length;) {
        const count = readSync(fd, buffer, done, length - done, sourceOffset + at + done);
        if (count === 0) {
          throw new ThawfsError('SOURCE_CHANGED', `${name} became shorter while it was read`, {
            detail: { path: name }, suggestion: 'Build from a tree that nobody writes to, for example a snapshot or a copy.',
          });
        }
        done += count;
      }
      return buffer.subarray(0, length);
    },
    close: () => { closeSync(fd); },
  };
}
