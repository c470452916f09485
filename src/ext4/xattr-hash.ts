/** e_hash of an extended attribute (kernel: ext4_xattr_hash_entry): over the name's bytes, then over the value's words. */
import type { ByteString } from '../bytes/byte-string.js';

/**
 * @param value filled up with zeros to words; of a value in an inode of its own the four bytes of that one's hash
 * @param signed as kernels before 6.2 had it on machines where `char` is signed: another hash for names beyond ASCII
 */
export function xattrHash(name: ByteString, value: Uint8Array, signed = false): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = hash << 5 ^ hash >>> 27 ^ (signed ? name.charCodeAt(i) << 24 >> 24 : name.charCodeAt(i));
  for (let i = 0; i < value.length; i += 4) {
    const word = value[i]! | (value[i + 1] ?? 0) << 8 | (value[i + 2] ?? 0) << 16 | (value[i + 3] ?? 0) << 24;
    hash = hash << 16 ^ hash >>> 16 ^ word;
  }
  return hash >>> 0;
}
