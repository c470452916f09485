/** The system's libzstd through FFI: as fast as a native addon, and nothing to compile. One context each way per thread. */
import type { Codec } from './codec.js';
import { checkChunkFrame } from './frame.js';
import { levelParameters, parameterNumbers, tuned, type LevelParameters } from './levels.js';
import { loadZstdLibrary } from './system-library.js';

/** ZSTD_reset_session_and_parameters: a call that failed leaves its session open, and parameters are not taken in one. */
const RESET_ALL = 3;

/** @returns undefined when the library is not installed or too old */
export function openSystemCodec(): Codec | undefined {
  const library = loadZstdLibrary();
  if (library === undefined) return undefined;
  const { native, checked, version } = library;
  const setParameter = native.declare('size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)');
  const reset = native.declare('size_t ZSTD_CCtx_reset(void *context, int what)');
  const compress2 = native.declare('size_t ZSTD_compress2(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const decompress = native.declare('size_t ZSTD_decompressDCtx(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const compressBound = native.declare('size_t ZSTD_compressBound(size_t size)');
  const compressor = native.declare('void *ZSTD_createCCtx()')();
  const decompressor = native.declare('void *ZSTD_createDCtx()')();

  let current: LevelParameters | undefined;
  /** A context keeps its parameters: they are set again only when others are wanted. */
  const prepare = (parameters: LevelParameters): void => {
    if (parameters === current) return;
    checked(reset(compressor, RESET_ALL));
    for (const [name, value] of Object.entries(parameters)) {
      checked(setParameter(compressor, parameterNumbers[name as keyof typeof parameterNumbers], value));
    }
    current = parameters;
  };
  return {
    implementation: tuned(`libzstd ${version}`),
    compress(source, target, level) {
      prepare(levelParameters(level, source));
      return checked(compress2(compressor, target, target.length, source, source.length));
    },
    decompress(frame, target) {
      checkChunkFrame(frame, target.length);
      checked(decompress(decompressor, target, target.length, frame, frame.length));
    },
    bound: (size) => checked(compressBound(size)),
  };
}
