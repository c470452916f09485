/** The C library, for what node:fs lacks. Absent (macOS, Windows) every function is undefined, and its caller falls back or says so. */
import { loadLibrary } from './ffi.js';
import type { AsyncNativeFunction, NativeFunction } from './ffi.js';

const libc = loadLibrary(['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1']);

/**
 * @param declaration a C prototype; `void *` parameters take Buffers
 * @returns the function, or undefined when there is no such library or no such symbol in it
 */
export function libcFunction(declaration: string): NativeFunction | undefined {
  try {
    return libc?.declare(declaration);
  } catch {
    return undefined; // An older C library without the symbol.
  }
}

/** As {@link libcFunction}, for calls that block: they run on a thread of libuv's pool. */
export function asyncLibcFunction(declaration: string): AsyncNativeFunction | undefined {
  try {
    return libc?.declareAsync(declaration);
  } catch {
    return undefined;
  }
}

/** Directory descriptor that makes a relative path start at the working directory (`AT_FDCWD`). */
export const AT_FDCWD = -100;
/** Act on a symlink, not on what it points to. */
export const AT_SYMLINK_NOFOLLOW = 0x100;
