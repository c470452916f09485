/** Directories as people name them: as text or, where a name is none, as listings write it. */
import { realpathSync } from 'node:fs';
import { fromBytes, fromDisplayed, fromText, toBytes, type ByteString } from '../bytes/byte-string.js';

/** @returns the absolute path without symlinks. @throws the system's error */
export function realDirectory(directory: string): ByteString {
  try {
    return real(fromText(directory));
  } catch (error) {
    const bytes = fromDisplayed(directory);
    if (bytes === fromText(directory)) throw error;
    try {
      return real(bytes);
    } catch {
      throw error;
    }
  }
}

/** By the kernel: Node itself would make text of it. */
function real(path: ByteString): ByteString {
  return fromBytes(realpathSync.native(toBytes(path), 'buffer'));
}
