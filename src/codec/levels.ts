/** What a compression level means: the one place where it is tuned. */

/** Parameter numbers of ZSTD_CCtx_setParameter, the same in node:zlib (zstd.h, ZSTD_cParameter). */
export const parameterNumbers = {
  compressionLevel: 100, windowLog: 101, hashLog: 102, chainLog: 103, searchLog: 104, minMatch: 105, targetLength: 106, strategy: 107,
} as const;
export type LevelParameters = Readonly<Partial<Record<keyof typeof parameterNumbers, number>>> & { readonly compressionLevel: number };

const SMALLEST_WINDOW_LOG = 10;

/**
 * @param level 1..19
 * @param chunkSize raw bytes per chunk
 * @returns what is set before compressing; all that is left out follows from the level
 */
export function levelParameters(level: number, chunkSize: number): LevelParameters {
  // A window as large as the chunk: no frame needs more memory than its content, and level 1 sees all of a large chunk.
  return { compressionLevel: level, windowLog: Math.max(SMALLEST_WINDOW_LOG, Math.ceil(Math.log2(chunkSize))) };
}
