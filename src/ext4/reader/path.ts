/** Paths inside an image: symlinks are followed within it, and nothing leads out of it. */
import { display, type ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { ROOT_INODE } from '../../format/ext4/superblock.js';
import type { Ext4Inode } from './inode.js';
import type { Ext4Reader } from './reader.js';

export interface Resolved {
  readonly number: number;
  readonly inode: Ext4Inode;
}

/** MAXSYMLINKS of Linux. */
const LINKS_MAX = 40;

/** See {@link Ext4Reader.resolve}. */
export function resolvePath(reader: Ext4Reader, path: ByteString, followLast: boolean): Resolved {
  const rest = components(path); // next component last
  const trail = [ROOT_INODE]; // the directories that lead to where we are: `..` needs no reading, and cannot be forged
  let current = reader.inode(ROOT_INODE);
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (current.kind !== 'directory') throw missing(path, `${display(name)} is looked for in a ${current.kind}`);
    if (name === '.') continue;
    if (name === '..') {
      if (trail.length > 1) trail.pop();
      current = reader.inode(trail.at(-1)!);
      continue;
    }
    const entry = reader.lookup(current.number, name);
    if (entry === undefined) throw missing(path, `there is no ${display(name)}`);
    const next = reader.inode(entry.inode);
    if (next.kind === 'symlink' && (rest.length > 0 || followLast || path.endsWith('/'))) {
      if (++links > LINKS_MAX) {
        throw new ThawfsError('LIMIT_EXCEEDED', `${display(path)}: more than ${LINKS_MAX} symlinks on the way`, {
          detail: { path: display(path), limit: LINKS_MAX }, suggestion: 'Look for a symlink that leads back to itself.',
        });
      }
      const target = reader.readlink(next);
      if (target.startsWith('/')) trail.length = 1;
      current = reader.inode(trail.at(-1)!);
      rest.push(...components(target));
    } else {
      current = next;
      if (next.kind === 'directory') trail.push(entry.inode);
    }
  }
  if (path.endsWith('/') && current.kind !== 'directory') throw missing(path, `it is a ${current.kind}, the slash at its end asks for a directory`);
  return { number: current.number, inode: current };
}

function components(path: ByteString): ByteString[] {
  return path.split('/').filter((name) => name !== '').reverse();
}

function missing(path: ByteString, why: string): ThawfsError {
  return new ThawfsError('PATH_MISSING', `${display(path)}: ${why}`, { detail: { path: display(path) }, suggestion: 'List the directory to see its names.' });
}
