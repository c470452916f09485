/** What decodes the parts of a zstd file that FrameSplitter cuts; one per stream. */
export interface StreamDecoder {
  /** The most memory that a frame may ask it to keep, bytes. */
  readonly windowLimit: number;
  /**
   * @param bytes the next of a frame; the first of a frame begin a call
   * @returns all that they decode to, in buffers that the caller owns, made as they are asked for
   * @throws BAD_FIELD when the data is damaged
   */
  decode(bytes: Uint8Array): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Once; what is decoded afterwards is nothing. */
  close(): void;
}
