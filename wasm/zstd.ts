/**
 * zstd in WebAssembly (npm zstd-codec 0.1.5): for machines without libzstd and Node before 22.15, and for browsers.
 *
 * Its heap has 16 MiB and cannot grow (the module declares that maximum); an allocation beyond it aborts the whole instance.
 * Limits found by trying stand in front of it, and an instance that aborted all the same answers no further call.
 */
import { createRequire } from 'node:module';
import { ThawfsError } from '../src/errors.js';
import { KiB, MiB } from '../src/units.js';
import type { ZstdModule, ZstdStart } from 'zstd-codec/lib/zstd-codec-binding-wasm.js';

/** With the heap of 16 MiB: above this size, match finders of higher levels do not fit. */
const ANY_LEVEL_MAX_SIZE = 512 * KiB;
const LARGE_SIZE_MAX_LEVEL = 9;
/** The largest window that a stream may ask for: window, buffers and the tables of the decoder have to fit. */
export const WASM_WINDOW_MAX_SIZE = 8 * MiB;

export interface WasmZstd {
  readonly version: string;
  /** @returns one frame with its content size; owned by the caller */
  compress(source: Uint8Array, level: number): Uint8Array;
  /** @returns exactly `size` bytes, owned by the caller */
  decompress(frame: Uint8Array, size: number): Uint8Array;
  /** @returns the most bytes that compressing `size` bytes can give */
  bound(size: number): number;
  openStream(): WasmZstdStream;
}

export interface WasmZstdStream {
  /** @throws BAD_FIELD when it is not zstd data */
  push(bytes: Uint8Array, sink: (bytes: Uint8Array) => void): void;
  close(): void;
}

/**
 * Starts an instance of its own, in about 50 ms. The package is loaded here, so that nobody pays for it who does not need it.
 *
 * @throws FEATURE_UNSUPPORTED where WebAssembly is not allowed
 */
export function startWasmZstd(): WasmZstd {
  let aborted = false;
  let module: ZstdModule;
  try {
    const start = createRequire(import.meta.url)('zstd-codec/lib/zstd-codec-binding-wasm.js') as ZstdStart;
    const binary = new WebAssembly.Module(binaryIn(start));
    const settings: Partial<ZstdModule> = {
      instantiateWasm(imports, receive) {
        const instance = new WebAssembly.Instance(binary, imports);
        receive(instance);
        return instance.exports;
      },
      onAbort: () => { aborted = true; },
      print: () => undefined,
      printErr: () => undefined,
    };
    start(settings);
    if (!('ZstdCodec' in settings)) throw new Error('it has no codec');
    module = settings as ZstdModule;
  } catch (cause) {
    throw new ThawfsError('FEATURE_UNSUPPORTED', 'zstd in WebAssembly did not start', { cause });
  }
  const codec = new module.ZstdCodec();
  const source = new module.VectorU8();
  const target = new module.VectorU8();

  /** Every call into the instance: an abort becomes a typed error, and the last one. */
  const guarded = <T>(call: () => T): T => {
    if (aborted) throw outOfMemory();
    try {
      return call();
    } catch (cause) {
      aborted = true;
      throw outOfMemory(cause);
    }
  };
  const transform = (from: Uint8Array, room: number, run: () => number): Uint8Array => {
    const result = guarded(() => {
      module.cloneToVector(source, from);
      target.resize(room, 0);
      const size = run();
      if (size < 0) return undefined;
      target.resize(size, 0);
      return module.cloneAsTypedArray(target);
    });
    if (result === undefined) throw notZstd();
    return result;
  };

  return {
    version: '0.1.5',
    bound: (size) => guarded(() => codec.compressBound(size)),
    compress(bytes, level) {
      if (bytes.length > ANY_LEVEL_MAX_SIZE && level > LARGE_SIZE_MAX_LEVEL) throw outOfMemory();
      return transform(bytes, codec.compressBound(bytes.length), () => codec.compress(target, source, level));
    },
    decompress(frame, size) {
      const bytes = transform(frame, size, () => codec.decompress(target, source));
      if (bytes.length !== size) throw notZstd();
      return bytes;
    },
    openStream() {
      const stream = guarded(() => new module.ZstdDecompressStreamBinding());
      guarded(() => stream.begin());
      return {
        push(bytes, sink) {
          if (!guarded(() => stream.transform(bytes, sink))) throw notZstd();
        },
        close: () => { stream.delete(); },
      };
    },
  };
}

/** The package gives its binary, which is text inside its function, to WebAssembly's asynchronous calls only. */
function binaryIn(start: ZstdStart): Uint8Array {
  return Buffer.from(/"data:application\/octet-stream;base64,([^"]+)"/.exec(String(start))![1]!, 'base64');
}

function notZstd(): ThawfsError {
  return new ThawfsError('BAD_FIELD', 'zstd: the data is damaged', { detail: { record: 'zstd frame' } });
}

function outOfMemory(cause?: unknown): ThawfsError {
  return new ThawfsError('FEATURE_UNSUPPORTED', 'zstd in WebAssembly has too little memory for this level and size', {
    suggestion: 'Install libzstd (apt-get install libzstd1), use Node.js 22.15 or newer, or a lower level.', cause,
  });
}
