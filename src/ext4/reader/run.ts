/** What a block map says, whichever form it has. */

/** Consecutive blocks: `count` of them, from `logical` in the file, at `physical` in the image. */
export interface Run {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
  /** Allocated but never written: reads as zeros. */
  readonly unwritten: boolean;
}

/** Receives a map in ascending logical order, and the blocks that hold the map itself (extent nodes, indirect blocks). */
export interface MapVisitor {
  run(run: Run): void;
  mapBlock?(block: number): void;
}

/** Any block that a 32-bit logical number can name, and beyond what any map can reach. */
export const ALL_BLOCKS = 2 ** 32;
