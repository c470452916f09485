/** Whole zstd files of any origin, for example `.tar.zst`: bounded memory however much the data expands. */
import { Transform, type TransformCallback } from 'node:stream';
import { FrameSplitter } from './frame-splitter.js';
import { openNodeStream } from './node-stream.js';
import { codecName, type CodecName } from './registry.js';
import type { StreamDecoder } from './stream-decoder.js';
import { openSystemStream } from './system-stream.js';

const openers: Readonly<Record<CodecName, () => StreamDecoder | Promise<StreamDecoder>>> = {
  system: openSystemStream,
  node: openNodeStream,
  wasm: async () => (await import('./wasm-stream.js')).openWasmStream(),
};

/**
 * @param name implementation, by default the one of this process
 * @returns a stream that takes a zstd file (frames one after another, skippable ones too) and gives its content. It fails with TRUNCATED
 *   when the file ends early; BAD_MAGIC, BAD_FIELD when it is not zstd; LIMIT_EXCEEDED for a window above 128 MiB (8 MiB in
 *   WebAssembly), FEATURE_UNSUPPORTED for a dictionary
 */
export function createZstdDecompress(name: CodecName = codecName): Transform {
  return new ZstdDecompress(name);
}

/** A Transform that waits for its reader inside a write too: one write of a few bytes can decode to gigabytes. */
class ZstdDecompress extends Transform {
  private decoder: StreamDecoder | undefined;
  private splitter: FrameSplitter | undefined;
  private wake = (): void => undefined;

  constructor(private readonly implementation: CodecName) {
    super();
  }

  override _construct(callback: (error?: Error) => void): void {
    Promise.resolve(openers[this.implementation]()).then((decoder) => {
      this.decoder = decoder;
      this.splitter = new FrameSplitter(decoder.windowLimit);
      callback();
    }, callback);
  }

  override _transform(bytes: Uint8Array, _: BufferEncoding, callback: TransformCallback): void {
    this.decode(bytes).then(() => { callback(); }, callback);
  }

  override _flush(callback: TransformCallback): void {
    try {
      this.splitter!.finish();
      callback();
    } catch (error) {
      callback(error as Error);
    }
  }

  override _read(size: number): void {
    this.wake();
    super._read(size);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.wake();
    this.decoder?.close();
    callback(error);
  }

  private async decode(bytes: Uint8Array): Promise<void> {
    for (const part of this.splitter!.split(bytes)) {
      for await (const decoded of this.decoder!.decode(part)) {
        if (!this.destroyed && !this.push(decoded)) await new Promise<void>((resolve) => { this.wake = resolve; });
        if (this.destroyed) return;
      }
    }
  }
}
