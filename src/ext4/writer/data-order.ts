/** The order of file data on disk. */
import type { ByteString } from '../../bytes/byte-string.js';
import type { FileNode } from '../../model/tree.js';

/** A file that has blocks. */
export interface DataFile {
  readonly node: FileNode;
  /** Last part of the first path. */
  readonly name: ByteString;
}

/** @param files in path order @returns the places of all files in `files`, in the order in which their data is to lie */
export type DataOrder = (files: readonly DataFile[]) => Uint32Array;

/**
 * By extension, then base name, then path: what is alike lies in one compression window. Worth 1 to 4 % of the image
 * against the order by path (facts/targets.md).
 */
export const bySimilarity: DataOrder = (files) => {
  const byExtension = new Map<ByteString, number[]>();
  files.forEach(({ name }, i) => {
    const extension = extensionOf(name);
    const group = byExtension.get(extension);
    if (group === undefined) byExtension.set(extension, [i]);
    else group.push(i);
  });
  const order = new Uint32Array(files.length);
  let at = 0;
  for (const extension of [...byExtension.keys()].sort()) {
    const group = byExtension.get(extension)!.sort((a, b) => compare(files[a]!.name, files[b]!.name) || a - b);
    order.set(group, at);
    at += group.length;
  }
  return order;
};

function compare(a: ByteString, b: ByteString): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** What follows the last dot, versions left out: `so` for `libc.so.6`; empty for `README` and `.profile`. */
function extensionOf(name: ByteString): ByteString {
  let end = name.length;
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const part = name.slice(dot + 1, end);
    if (!/^\d*$/.test(part)) return part;
    end = dot;
  }
  return '';
}
