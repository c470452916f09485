/** What a mistyped word was meant to be. */

/**
 * @returns the candidate that is the fewest typing errors away from `word` (a letter too many, missing, wrong, or two exchanged), the first of
 *   several; undefined when it takes more than one error in three letters
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const errors = typingErrors(word, candidate);
    if (errors >= fewest) continue;
    best = candidate;
    fewest = errors;
  }
  return best;
}

/** Damerau's and Levenshtein's distance, in which no letters are changed twice. */
function typingErrors(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const wrong = above[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, wrong, exchanged));
    }
    [before, above] = [above, row];
  }
  return above[b.length]!;
}
