/** How hard old data are looked for. */
export interface Effort {
  /** The table has every so manieth old position: shorter finds than this and a seed may be missed. */
  readonly stride: number;
  /** Places tried for one position. */
  readonly candidates: number;
  /** After so many positions in vain the search goes on in steps of two bytes, after as many again of three …: what is new is new for a while. */
  readonly patience: number;
  /** Equal bytes of the next 32 with which what holds is good enough: no other place is looked for. */
  readonly content: number;
}

/** By the highest level of the patch that has it. */
const efforts: readonly (readonly [level: number, effort: Effort])[] = [
  [3, { stride: 8, candidates: 2, patience: 64, content: 20 }],
  [9, { stride: 4, candidates: 8, patience: 512, content: 24 }],
  [19, { stride: 2, candidates: 16, patience: Infinity, content: 28 }],
];

/** @param level of the patch, 1 to 19 */
export function effortOf(level: number): Effort {
  return (efforts.find(([most]) => level <= most) ?? efforts.at(-1)!)[1];
}
