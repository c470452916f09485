/** zstd with a prefix: data compressed as if it followed other data, which the reader has already. Needs the system's libzstd. */
import { ThawfsError } from '../errors.js';
import { loadZstdLibrary } from './system-library.js';

export interface PrefixCodec {
  readonly implementation: string;
  /**
   * @param prefix what the reader has; empty = none
   * @param level 1..19
   * @returns one frame, with its content size; the caller owns it
   */
  compress(source: Uint8Array, prefix: Uint8Array, level: number): Uint8Array;
  /**
   * @param prefix the same bytes as were compressed with
   * @returns exactly `size` bytes
   * @throws BAD_FIELD when it is not such a frame
   */
  decompress(frame: Uint8Array, prefix: Uint8Array, size: number): Uint8Array;
}

/** ZSTD_cParameter and ZSTD_dParameter of zstd.h. */
const PARAMETERS = { compressionLevel: 100, windowLog: 101, enableLongDistanceMatching: 160 } as const;
const RESET_ALL = 3;
/** 32 MiB: more than the largest prefix with the largest data. */
const WINDOW_LOG = 25;

/** @throws TOOL_MISSING without the system's libzstd: neither node:zlib of every Node nor WebAssembly has prefixes */
export function openPrefixCodec(): PrefixCodec {
  const library = loadZstdLibrary();
  if (library === undefined) {
    throw new ThawfsError('TOOL_MISSING', 'patches need the system library libzstd, 1.4.0 or newer', { suggestion: 'Install it (apt-get install libzstd1), or use thawfs pull, which does without.' });
  }
  const { native, checked, version } = library;
  const compressor = native.declare('void *ZSTD_createCCtx()')();
  const decompressor = native.declare('void *ZSTD_createDCtx()')();
  const resetC = native.declare('size_t ZSTD_CCtx_reset(void *context, int what)');
  const resetD = native.declare('size_t ZSTD_DCtx_reset(void *context, int what)');
  const setParameter = native.declare('size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)');
  const refPrefixC = native.declare('size_t ZSTD_CCtx_refPrefix(void *context, const void *prefix, size_t size)');
  const refPrefixD = native.declare('size_t ZSTD_DCtx_refPrefix(void *context, const void *prefix, size_t size)');
  const compress2 = native.declare('size_t ZSTD_compress2(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const decompress = native.declare('size_t ZSTD_decompressDCtx(void *context, void *target, size_t capacity, const void *source, size_t size)');
  const bound = native.declare('size_t ZSTD_compressBound(size_t size)');

  return {
    implementation: `libzstd ${version}`,
    compress(source, prefix, level) {
      checked(resetC(compressor, RESET_ALL));
      checked(setParameter(compressor, PARAMETERS.compressionLevel, level));
      if (prefix.length > 0) {
        checked(setParameter(compressor, PARAMETERS.windowLog, WINDOW_LOG));
        checked(setParameter(compressor, PARAMETERS.enableLongDistanceMatching, 1));
        checked(refPrefixC(compressor, prefix, prefix.length));
      }
      const target = new Uint8Array(checked(bound(source.length)));
      return target.slice(0, checked(compress2(compressor, target, target.length, source, source.length)));
    },
    decompress(frame, prefix, size) {
      checked(resetD(decompressor, RESET_ALL));
      if (prefix.length > 0) checked(refPrefixD(decompressor, prefix, prefix.length));
      const target = new Uint8Array(size);
      const written = checked(decompress(decompressor, target, size, frame, frame.length));
      if (written !== size) throw new ThawfsError('BAD_FIELD', `zstd: ${written} bytes of content, ${size} expected`, { detail: { record: 'zstd frame' } });
      return target;
    },
  };
}
