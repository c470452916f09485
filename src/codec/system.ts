/** The system's libzstd through FFI: as fast as a native addon, and nothing to compile. One context each way per thread. */
import { ThawfsError } from '../errors.js';
import { loadLibrary, type NativeFunction } from '../sys/ffi.js';
import type { Codec } from './codec.js';
import { checkChunkFrame } from './frame.js';
import { levelParameters, parameterNumbers } from './levels.js';

const LIBRARY_NAMES = ['libzstd.so.1', 'libzstd.1.dylib', '/opt/homebrew/lib/libzstd.1.dylib'];
/** Level as an int, stable since this version (ZSTD_compress2 left the experimental section). */
const OLDEST = 10400;

/** @returns undefined when the library is not installed or too old */
export function openSystemCodec(): Codec | undefined {
  const library = loadLibrary(LIBRARY_NAMES);
  if (library === undefined) return undefined;
  const versionNumber = library.declare('unsigned int ZSTD_versionNumber()');
  if ((versionNumber() as number) < OLDEST) return undefined;
  const versionString = library.declare('const char *ZSTD_versionString()');
  const setParameter = library.declare('size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)');
  const reset = library.declare('size_t ZSTD_CCtx_reset(void *context, int what)');
  const compress2 = library.declare('size_t ZSTD_compress2(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const decompress = library.declare('size_t ZSTD_decompressDCtx(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const compressBound = library.declare('size_t ZSTD_compressBound(size_t size)');
  const errorName = library.declare('const char *ZSTD_getErrorName(size_t code)');
  const compressor = library.declare('void *ZSTD_createCCtx()')();
  const decompressor = library.declare('void *ZSTD_createDCtx()')();
  if (compressor === null || decompressor === null) return undefined;

  const failed = (result: unknown): ThawfsError => new ThawfsError('BAD_FIELD', `zstd: ${String(errorName(result))}`, { detail: { record: 'zstd frame' } });
  const ready = parametersOnce((level, size) => {
    reset(compressor, 2); // ZSTD_reset_parameters
    for (const [name, value] of Object.entries(levelParameters(level, size))) {
      const result = setParameter(compressor, parameterNumbers[name as keyof typeof parameterNumbers], value);
      if (isError(result)) throw failed(result);
    }
  });
  return {
    implementation: `libzstd ${String(versionString())}`,
    compress(source, target, level) {
      ready(level, source.length);
      return sizeOf(compress2, failed, compressor, target, target.length, source, source.length);
    },
    decompress(frame, target) {
      checkChunkFrame(frame, target.length);
      sizeOf(decompress, failed, decompressor, target, target.length, frame, frame.length);
    },
    bound: (size) => Number(compressBound(size)),
  };
}

/** Calls `set` only when level or size class differ from the last call: contexts keep their parameters. */
function parametersOnce(set: (level: number, chunkSize: number) => void): (level: number, size: number) => void {
  let current = '';
  return (level, size) => {
    const chunkSize = 2 ** Math.ceil(Math.log2(Math.max(size, 1)));
    const wanted = `${level}/${chunkSize}`;
    if (wanted === current) return;
    set(level, chunkSize);
    current = wanted;
  };
}

/** Errors are the last values of size_t (ZSTD_isError), which arrive as bigint. */
function isError(result: unknown): boolean {
  return typeof result === 'bigint';
}

function sizeOf(call: NativeFunction, failed: (result: unknown) => ThawfsError, ...args: unknown[]): number {
  const result = call(...args);
  if (isError(result)) throw failed(result);
  return result as number;
}
