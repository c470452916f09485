/** The system's libzstd (BSD or GPL-2.0): the functions we call, as zstd.h declares them. */
import { ThawfsError } from '../errors.js';
import { keepsSymbolsApart, loadLibrary, type NativeLibrary } from '../sys/ffi.js';

const FILE_NAMES = ['libzstd.so.1', 'libzstd.1.dylib', '/opt/homebrew/lib/libzstd.1.dylib'];
/** 1.4.0 declared ZSTD_compress2 and its parameters stable. */
const OLDEST_VERSION = 10400;

export interface ZstdLibrary {
  readonly version: string;
  readonly native: NativeLibrary;
  /**
   * Passes a size_t result on as a number.
   *
   * @throws BAD_FIELD with zstd's own words when it is an error code: the last values of size_t, which arrive as bigint
   */
  readonly checked: (result: unknown) => number;
}

/** @returns undefined when the library is not installed, too old, or would be mixed up with the zstd inside Node */
export function loadZstdLibrary(): ZstdLibrary | undefined {
  if (!keepsSymbolsApart && 'zstd' in process.versions) return undefined;
  const native = loadLibrary(FILE_NAMES);
  if (native === undefined || native.declare('unsigned int ZSTD_versionNumber()')() as number < OLDEST_VERSION) return undefined;
  const errorName = native.declare('const char *ZSTD_getErrorName(size_t code)');
  return {
    version: String(native.declare('const char *ZSTD_versionString()')()),
    native,
    checked(result) {
      if (typeof result === 'bigint') throw new ThawfsError('BAD_FIELD', `zstd: ${String(errorName(result))}`, { detail: { record: 'zstd frame' } });
      return result as number;
    },
  };
}
