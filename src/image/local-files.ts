/** Which files of an image are on this machine, and how much of each: from what is here, without fetching anything. */
import type { ByteString } from '../bytes/byte-string.js';
import { ifHere, type RandomAccess } from '../bytes/random-access.js';
import type { Ext4Inode } from '../ext4/reader/inode.js';
import { Ext4Reader } from '../ext4/reader/reader.js';

export interface LocalFile {
  /** From the root, `/etc/hosts`. */
  readonly path: ByteString;
  /** `unknown`: the metadata that would tell is not here; of a directory, then also what it holds. */
  readonly state: 'whole' | 'partial' | 'absent' | 'unknown';
  readonly inode?: number;
  /** Bytes of the file, and of them here; holes count as here. Absent when unknown. */
  readonly size?: number;
  readonly localSize?: number;
  /** Where its content lies, in chunks. */
  readonly chunks?: readonly number[];
}

export interface LocalImage {
  /** Throws ChunkMissing for what is not here. */
  readonly bytes: RandomAccess;
  readonly chunkSize: number;
  readonly isLocal: (chunk: number) => boolean;
}

/**
 * Regular files in the order of the directories; a hard link comes under each of its names.
 *
 * @throws what the ext4 reader throws for an image that is not sound. Cost: reads all metadata that is here
 */
export function* localFiles({ bytes, chunkSize, isLocal }: LocalImage): Generator<LocalFile> {
  const reader = ifHere(() => new Ext4Reader(bytes));
  if (reader === undefined) {
    yield { path: '/', state: 'unknown' };
    return;
  }
  const folders: { readonly number: number; readonly path: ByteString }[] = [{ number: Ext4Reader.rootInode, path: '' }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const { number, path: parent } = folder;
    const entries = ifHere(() => reader.list(number));
    if (entries === undefined) yield { path: parent === '' ? '/' : parent, state: 'unknown' };
    for (const entry of entries ?? []) {
      const path = `${parent}/${entry.name}`;
      const inode = ifHere(() => reader.inode(entry.inode));
      if (inode === undefined) yield { path, state: 'unknown' };
      else if (inode.kind === 'directory') folders.push({ number: inode.number, path });
      else if (inode.kind === 'file') yield { path, inode: inode.number, ...residence(reader, inode, chunkSize, isLocal) };
    }
  }
}

function residence(reader: Ext4Reader, inode: Ext4Inode, chunkSize: number, isLocal: (chunk: number) => boolean): Omit<LocalFile, 'path'> {
  const { size } = inode;
  const extents = ifHere(() => reader.extents(inode));
  if (extents === undefined) return { state: 'unknown', size };
  let absent = 0;
  const chunks = new Set<number>();
  for (const { physical, length, unwritten } of extents) {
    if (unwritten) continue;
    for (let at = physical; at < physical + length;) {
      const chunk = Math.floor(at / chunkSize);
      const end = Math.min((chunk + 1) * chunkSize, physical + length);
      chunks.add(chunk);
      if (!isLocal(chunk)) absent += end - at;
      at = end;
    }
  }
  return { state: absent === 0 ? 'whole' : absent < size ? 'partial' : 'absent', size, localSize: size - absent, chunks: [...chunks] };
}
