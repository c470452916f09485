/** Tables of a document, for tests that hold it against the code. */

/** @returns the cells of every table whose first row is `header`, without the backquotes */
export function markdownTables(document: string, ...header: string[]): string[][][] {
  const found: string[][][] = [];
  const lines = document.split('\n');
  lines.forEach((line, i) => {
    if (line !== `| ${header.join(' | ')} |`) return;
    const end = lines.findIndex((other, j) => j > i && !other.startsWith('|'));
    found.push(lines.slice(i + 2, end < 0 ? undefined : end).map((row) => row.slice(2, -2).split(' | ').map((cell) => cell.replace(/^`(.*)`$/, '$1'))));
  });
  return found;
}
