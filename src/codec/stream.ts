/** Whole zstd files of any origin, for example `.tar.zst`: bounded memory however much the data expands. */
import { Duplex, pipeline } from 'node:stream';
import { hasCode, ThawfsError } from '../errors.js';
import { MiB } from '../units.js';
import { FrameSplitter } from './frame-splitter.js';
import { nodeZstd } from './node.js';
import { codecName, type CodecName } from './registry.js';
import { openSystemStream } from './system-stream.js';

/** The default limit of the zstd command line: `--long=27` and every level below it. */
const WINDOW_MAX_SIZE = 128 * MiB;
/** WebAssembly hands out all that a write decodes to before it returns: little goes in at a time. */
const WASM_STEP = 1024;

/**
 * @param name implementation, by default the one of this process
 * @returns a stream that takes a zstd file (frames one after another, skippable ones too) and gives its content. It fails with TRUNCATED
 *   when the file ends early; BAD_MAGIC, BAD_FIELD when it is not zstd; LIMIT_EXCEEDED, FEATURE_UNSUPPORTED for windows above 128 MiB
 *   (8 MiB without native code) and dictionaries
 */
export function createZstdDecompress(name: CodecName = codecName): Duplex {
  return Duplex.from(decoders[name]);
}

type Decoder = (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array>;

const decoders: Readonly<Record<CodecName, Decoder>> = {
  async *system(source) {
    const stream = openSystemStream();
    try {
      for await (const part of framesOf(source, WINDOW_MAX_SIZE)) yield* stream.decode(part);
    } finally {
      stream.close();
    }
  },

  async *node(source) {
    const decompress = nodeZstd()!.createZstdDecompress();
    pipeline(framesOf(source, WINDOW_MAX_SIZE), decompress, () => undefined); // a failure destroys `decompress`, whose reader gets it
    try {
      yield* decompress as AsyncIterable<Uint8Array>;
    } catch (cause) {
      throw hasCode(cause) ? cause : new ThawfsError('BAD_FIELD', 'zstd: the data is damaged', { detail: { record: 'zstd frame' }, cause });
    }
  },

  async *wasm(source) {
    const { loadWasmZstd, WASM_WINDOW_MAX_SIZE } = await import('../../wasm/zstd.js');
    const stream = (await loadWasmZstd()).openStream();
    try {
      for await (const part of framesOf(source, WASM_WINDOW_MAX_SIZE)) {
        for (let at = 0; at < part.length; at += WASM_STEP) {
          const decoded: Uint8Array[] = [];
          stream.push(part.subarray(at, at + WASM_STEP), (bytes) => decoded.push(bytes));
          yield* decoded;
        }
      }
    } finally {
      stream.close();
    }
  },
};

async function* framesOf(source: AsyncIterable<Uint8Array>, windowLimit: number): AsyncGenerator<Uint8Array> {
  const splitter = new FrameSplitter(windowLimit);
  for await (const bytes of source) yield* splitter.split(bytes);
  splitter.finish();
}
