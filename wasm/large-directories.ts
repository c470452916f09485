/**
 * The library looks a name up block by block, from the first, whatever hash tree there is: all names of a directory together cost the square of
 * their number. So the disk shows it the block that has the name in the place of the first; should it not be there after all, the search goes on as ever.
 * What a directory lists is read unchanged.
 */
import { fromBytes, type ByteString } from '../src/bytes/byte-string.js';
import { DIR_ENTRY_HEADER_SIZE, directoryEntry } from '../src/format/ext4/directory.js';

/** Names from which on a directory is large. */
const LARGE_DIRECTORY = 200;

export interface WindowedDisk {
  /** Offsets of blocks, and of the blocks that are read in their place. */
  readonly shown: Map<number, number>;
  /** Told of each block that is read; the bytes are its own. */
  observer: ((offset: number, block: Uint8Array) => void) | undefined;
}

export class LargeDirectories {
  /** Those on the way to what is being read, by path. */
  private readonly known = new Map<ByteString, DirectoryBlocks>();

  constructor(private readonly disk: WindowedDisk) {}

  /** Before a path is looked up. */
  openTo(path: ByteString): void {
    this.disk.shown.clear();
    for (const [directory, { first, blockOf }] of this.known) {
      const prefix = directory === '' ? '' : `${directory}/`;
      if (!path.startsWith(prefix)) {
        this.known.delete(directory);
        continue;
      }
      const end = path.indexOf('/', prefix.length);
      const block = blockOf.get(path.slice(prefix.length, end < 0 ? undefined : end));
      if (block !== undefined) this.disk.shown.set(first, block);
    }
  }

  /** Lists a directory, and learns from what is read meanwhile where its names are. */
  async list(path: ByteString, listing: () => Promise<ByteString[]>): Promise<ByteString[]> {
    const read = new Map<number, Uint8Array>();
    this.disk.observer = (offset, block) => { read.set(offset, block); };
    try {
      const names = await listing();
      const found = names.length < LARGE_DIRECTORY ? undefined : blocksOf(read, new Set(names));
      if (found !== undefined) this.known.set(path, found);
      return names;
    } finally {
      this.disk.observer = undefined;
    }
  }
}

interface DirectoryBlocks {
  /** Where on the disk the first block is. */
  readonly first: number;
  readonly blockOf: ReadonlyMap<ByteString, number>;
}

/** Among blocks that were read, those of a directory with these names; undefined when the first is not among them. */
function blocksOf(read: ReadonlyMap<number, Uint8Array>, names: ReadonlySet<ByteString>): DirectoryBlocks | undefined {
  let first: number | undefined;
  const blockOf = new Map<ByteString, number>();
  for (const [offset, block] of read) {
    for (const name of namesIn(block)) {
      if (name === '.') first = offset;
      else if (names.has(name)) blockOf.set(name, offset);
    }
  }
  return first === undefined ? undefined : { first, blockOf };
}

/** Names in a block, as far as it looks like entries. It may be anything that is read on the way. */
function* namesIn(block: Uint8Array): Generator<ByteString> {
  for (let at = 0; at + DIR_ENTRY_HEADER_SIZE <= block.length;) {
    const { inode, recordLength, nameLength } = directoryEntry.decode(block, at);
    if (recordLength < DIR_ENTRY_HEADER_SIZE + nameLength) return;
    if (inode !== 0) yield fromBytes(block.subarray(at + DIR_ENTRY_HEADER_SIZE, at + DIR_ENTRY_HEADER_SIZE + nameLength));
    at += recordLength;
  }
}
