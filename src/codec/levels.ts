/** What a compression level means: the one place where it is tuned (docs/decisions/levels.md). */
import { isText } from './text.js';

/** Parameter numbers of ZSTD_CCtx_setParameter, the same in node:zlib (zstd.h, ZSTD_cParameter). */
export const parameterNumbers = {
  compressionLevel: 100, windowLog: 101, hashLog: 102, chainLog: 103, searchLog: 104, minMatch: 105, targetLength: 106, strategy: 107,
} as const;
export type LevelParameters = Readonly<Partial<Record<keyof typeof parameterNumbers, number>>> & { readonly compressionLevel: number };

const SMALLEST_WINDOW_LOG = 10;
/** The default level looks at what it compresses; all others mean what zstd means. */
const MIXED_LEVEL = 3;
const LEVEL_OF_BINARIES = 2;
/** A table of 32 KiB for 64 KiB: it stays in the first cache of a processor. */
const HASH_LOG_BELOW_WINDOW = 3;

/** Counts up whenever the same level and chunk get another frame from the same zstd. */
const TUNING = 1;

/** @returns the name of a zstd as it is used here: equal names make equal frames */
export function tuned(implementation: string): string {
  return `${implementation} tuning ${TUNING}`;
}

const known = new Map<string, LevelParameters>();

/**
 * @param level 1..19
 * @param chunk what is to be compressed: nothing but its own bytes decides, so equal chunks have equal frames
 * @returns what is set before compressing, the same object for the same settings; all that is left out follows from the level
 */
export function levelParameters(level: number, chunk: Uint8Array): LevelParameters {
  const quick = level === MIXED_LEVEL && !isText(chunk);
  const key = `${level} ${chunk.length} ${quick}`;
  let parameters = known.get(key);
  if (parameters === undefined) known.set(key, parameters = parametersFor(level, chunk.length, quick));
  return parameters;
}

function parametersFor(level: number, size: number, quick: boolean): LevelParameters {
  // A window as large as the chunk: no frame needs more memory than its content, and level 1 sees all of a large chunk.
  const windowLog = Math.max(SMALLEST_WINDOW_LOG, Math.ceil(Math.log2(size)));
  return quick ? { compressionLevel: LEVEL_OF_BINARIES, windowLog, hashLog: windowLog - HASH_LOG_BELOW_WINDOW } : { compressionLevel: level, windowLog };
}
