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
