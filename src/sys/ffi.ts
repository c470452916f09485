/**
 * The one importer of koffi. A library that is missing is an answer, not a failure: callers fall back or say what to install.
 * Node Buffers and Uint8Arrays are passed for `void *` parameters; their memory stays the caller's.
 */
import koffi from 'koffi';

export type NativeFunction = (...args: unknown[]) => unknown;

export interface NativeLibrary {
  /** @param declaration a C prototype, for example `int mkdir(const char *path, uint32_t mode)` */
  declare(declaration: string): NativeFunction;
}

/**
 * @param names file names tried in order, for example `['libzstd.so.1']`
 * @returns the first that loads, or undefined
 */
export function loadLibrary(names: readonly string[]): NativeLibrary | undefined {
  for (const name of names) {
    try {
      const library = koffi.load(name);
      return { declare: (declaration) => library.func(declaration) };
    } catch {
      // Not there under this name: try the next.
    }
  }
  return undefined;
}

/** @returns errno of the last native call on this thread; read it before anything else runs. */
export function lastErrno(): number {
  return koffi.errno();
}

/** @returns the address of a buffer's memory, for structures that point to others. Keep the buffer referenced while it is in use. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}
