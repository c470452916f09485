/** Contents read on this thread: for the few files that must be looked at before the image is laid out. */
import { HostReader } from '../chunk/host-reader.js';
import { isHostFile, type Content } from '../model/content.js';
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
 * @throws SOURCE_CHANGED when a host file is not what was scanned; PATH_MISSING, NOT_PERMITTED, IO_FAILED
 */
export function* contentRuns(content: Content): Generator<ContentRun> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(STEP, content.size));
  const files = new HostReader();
  try {
    for (const { offset, length, source, sourceOffset } of content.pieces) {
      for (let at = 0; at < length; at += STEP) {
        const bytes = buffer.subarray(0, Math.min(STEP, length - at));
        if (source instanceof Uint8Array) bytes.set(source.subarray(sourceOffset + at, sourceOffset + at + bytes.length));
        else if (isHostFile(source)) files.read(source, sourceOffset + at, bytes);
        else bytes.set(source.read(sourceOffset + at, bytes.length));
        yield { offset: offset + at, bytes };
      }
    }
    files.settle();
  } finally {
    files.close();
  }
}

/**
 * As {@link contentRuns}, in whole windows: `offset` is a multiple of 1 MiB, and holes inside a window are zeros. Windows without
 * data are left out; the last one ends with the content.
 */
export function* contentWindows(content: Content): Generator<ContentRun> {
  const windows = new Windows(content.size);
  for (const { offset, bytes } of contentRuns(content)) yield* windows.add(offset, bytes);
  yield* windows.finish();
}

/** Puts runs of a content, in order, together to whole windows. */
export class Windows {
  private readonly window: Buffer;
  private current = -1;

  /** @param size of the content */
  constructor(private readonly size: number) {
    this.window = Buffer.alloc(Math.min(STEP, size));
  }

  /** @returns windows that this run has left behind */
  *add(offset: number, bytes: Uint8Array): Generator<ContentRun> {
    for (let at = 0; at < bytes.length;) {
      const number = Math.floor((offset + at) / STEP);
      if (number !== this.current) {
        yield* this.finish();
        this.window.fill(0);
        this.current = number;
      }
      const inside = offset + at - number * STEP;
      const part = bytes.subarray(at, at + STEP - inside);
      this.window.set(part, inside);
      at += part.length;
    }
  }

  /** @returns the last window, if there is one */
  *finish(): Generator<ContentRun> {
    if (this.current >= 0) yield { offset: this.current * STEP, bytes: this.window.subarray(0, Math.min(STEP, this.size - this.current * STEP)) };
  }
}

/** @returns all bytes of a small content; the caller owns them. As {@link contentRuns} in failing */
export function wholeContent(content: Content): Uint8Array {
  const whole = new Uint8Array(content.size);
  for (const { offset, bytes } of contentRuns(content)) whole.set(bytes, offset);
  return whole;
}
