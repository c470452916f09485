/** An image that is written into the tree it is made of. */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { fromText } from '../bytes/byte-string.js';
import type { DirectoryNode } from '../model/tree.js';

/**
 * Removes the predecessor of the image, and what killed builds left of it, from the tree of a source directory: else every build
 * would hold the one before.
 *
 * @param source as the user named it; only directories are looked at
 * @param output the image that is being made; its folder need not exist
 * @returns whether something was removed
 */
export function removeOwnOutput(root: DirectoryNode, source: string, output: string): boolean {
  const folder = folderInside(source, dirname(resolve(output)));
  if (folder === undefined) return false;
  let directory = root;
  for (const name of folder.split(sep).filter((part) => part !== '')) {
    const child = directory.children.get(fromText(name));
    if (child?.kind !== 'directory') return false;
    directory = child;
  }
  const name = basename(output);
  const own = [...directory.children.keys()].filter((entry) => entry === fromText(name) || (entry.startsWith(fromText(`.${name}.`)) && /\.\d+\.partial$/.test(entry)));
  for (const entry of own) directory.children.delete(entry);
  return own.length > 0;
}

/** @returns the path from `source` down to `folder`; undefined when it is not inside, or one of them is no directory */
function folderInside(source: string, folder: string): string | undefined {
  if (!isDirectory(source) || !isDirectory(folder)) return undefined;
  const path = relative(realpathSync(source), realpathSync(folder));
  return path === '..' || path.startsWith(`..${sep}`) ? undefined : path;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
