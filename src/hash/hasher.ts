/** What an implementation of SHA-256 offers; the public face is sha256.ts. */
export interface Hasher {
  /** @returns the digest of the parts, one after another: 32 new bytes */
  sha256(parts: readonly Uint8Array[]): Uint8Array;
  /**
   * Digests of equal blocks, written one after another.
   *
   * @param data a multiple of 4096 bytes, may be shared memory
   * @param salt hashed before each block
   * @param target at least 32 bytes for each block, may be shared memory
   */
  hashBlocks(data: Uint8Array, salt: Uint8Array, target: Uint8Array): void;
}
