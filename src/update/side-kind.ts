/** What a user compares: an image, or something that an image can be built from. */
import { statSync } from 'node:fs';
import { HEAD_MAGIC, headHeader } from '../format/container.js';
import { isRemote } from '../source/is-remote.js';
import { readUpTo } from '../sys/descriptor.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { treeScheme } from '../tree/open-source.js';

const MAGIC_OFFSET = headHeader.offsetOf('magic');

/** @returns whether it is an image file or a URL; what is not there is taken for an image, whose opening says so */
export function isImage(location: string): boolean {
  if (isRemote(location) || /^file:/i.test(location)) return true;
  if (location === '-' || treeScheme.test(location)) return false;
  try {
    if (!statSync(location).isFile()) return false;
    return hasMagic(location);
  } catch {
    return true;
  }
}

/** @returns whether the file begins as an image does. @throws as LocalBytes.open */
export function hasMagic(path: string): boolean {
  using opened = LocalBytes.open(path);
  const start = Buffer.alloc(HEAD_MAGIC.length);
  readUpTo(opened.fd, start, MAGIC_OFFSET, path);
  return start.equals(HEAD_MAGIC);
}

/** @returns a source as messages name it */
export function describeSide(location: string): string {
  return location === '-' ? 'standard input' : location;
}
