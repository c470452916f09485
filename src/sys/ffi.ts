/**
 * The one importer of koffi. A library that is missing is an answer, not a failure: callers fall back or say what to install.
 * Node Buffers and Uint8Arrays are passed for `void *` parameters; their memory stays the caller's.
 */
import { existsSync } from 'node:fs';
import koffi from 'koffi';

export type NativeFunction = (...args: unknown[]) => unknown;

export type AsyncNativeFunction = (...args: unknown[]) => Promise<unknown>;

export interface NativeLibrary {
  /** @param declaration a C prototype, for example `int mkdir(const char *path, uint32_t mode)` */
  declare(declaration: string): NativeFunction;
  /** The same on another thread. Buffers that are passed must stay referenced until then, and errno is lost. */
  declareAsync(declaration: string): AsyncNativeFunction;
}

/**
 * @param names file names tried in order, for example `['libzstd.so.1']`
 * @returns the first that loads, or undefined
 */
export function loadLibrary(names: readonly string[]): NativeLibrary | undefined {
  for (const name of names) {
    try {
      // Deep: Node exports symbols of libraries that it contains (since 22 those of zstd), and they must not take the place of the library's own.
      const library = koffi.load(name, { deep: true });
      return {
        declare: (declaration) => library.func(declaration),
        declareAsync: (declaration) => {
          const native = library.func(declaration);
          return (...args) => new Promise((resolve, reject) => {
            native.async(...args, (error: Error | null, result: unknown) => { if (error === null) resolve(result); else reject(error); });
          });
        },
      };
    } catch {
      // Not there under this name: try the next.
    }
  }
  return undefined;
}

const muslLoaders: Readonly<Record<string, string>> = { x64: '/lib/ld-musl-x86_64.so.1', arm64: '/lib/ld-musl-aarch64.so.1' };

/** Whether loaded libraries keep their own symbols beside equal ones of Node's. With musl they do not: it has no RTLD_DEEPBIND. */
export const keepsSymbolsApart = !existsSync(muslLoaders[process.arch] ?? '');

/** @returns errno of the last native call on this thread; read it before anything else runs. */
export function lastErrno(): number {
  return koffi.errno();
}

/** @returns the address of a buffer's memory, for structures that point to others. Keep the buffer referenced while it is in use. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}
