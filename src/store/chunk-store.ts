/**
 * A store answers with verified chunks. Every policy (memory, single flight, later disk and mirrors) is another store
 * around a store; the innermost one asks the source. Nothing in a chain needs to verify again what another chain link gave it.
 */
export interface ChunkRef {
  /** Position in the image: the key inside one image. */
  readonly number: number;
  /** Raw bytes. */
  readonly size: number;
  /** Where its frame is in the image file. */
  readonly frameOffset: number;
  readonly frameSize: number;
  /** SHA-256 over its leaf digests: the key among all images. */
  readonly id: Uint8Array;
}

export interface ChunkStore<Landed = Uint8Array> {
  /**
   * @param chunks ascending by number, each once; neighbours cost one request
   * @param signal aborting rejects what is still under way with the signal's reason
   * @returns a promise for each chunk, in order: chunks arrive as they come, and a bad one fails alone. The bytes are shared: do not write into them
   */
  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed>[];
}
