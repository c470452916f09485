/** The one interface of zstd. Implementations: system libzstd through FFI, node:zlib, WebAssembly; chosen in registry.ts. */
export interface Codec {
  /** Implementation and version as recorded in the manifest, for example `libzstd 1.5.4`. */
  readonly implementation: string;
  /**
   * One independent frame with its content size in the header, no checksum.
   *
   * @param level 1..19
   * @param target receives the frame; at least {@link Codec.bound}(source.length) bytes
   * @returns bytes written
   */
  compress(source: Uint8Array, target: Uint8Array, level: number): number;
  /**
   * Decodes exactly one frame that must produce exactly `target.length` bytes.
   *
   * @throws BAD_MAGIC, BAD_FIELD, TRUNCATED when it is not such a frame (never a partial result, never null)
   */
  decompress(frame: Uint8Array, target: Uint8Array): void;
  /** @returns the most bytes that compressing `size` bytes can give. */
  bound(size: number): number;
}
