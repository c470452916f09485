/** Where the raw images of a cache lie, each under its root hash. */
export function rawFolderOf(cache: string): string {
  return `${cache}/raw`;
}
