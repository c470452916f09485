/** The content of a file of this machine: its data ranges as pieces of the file itself, so that its bytes are copied once, by the packer. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import type { Content, HostFile, Piece } from '../model/content.js';
import type { Inode } from '../sys/lstat.js';
import { dataRanges } from '../sys/seek.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import { PieceList } from './pieces.js';
import { changed, unreadable } from './tree-source.js';
import { dataRuns } from './zero-blocks.js';

const buffer = Buffer.allocUnsafeSlow(MiB);
// NONBLOCK: should a pipe take the file's place between lstat and open, opening it must not wait for a writer.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads the file once to find its holes, unless it is shorter than a block.
 *
 * @param inode what lstat said of `path`
 * @throws SOURCE_CHANGED, NOT_PERMITTED, IO_FAILED naming the path
 */
export function hostContent(path: ByteString, inode: Inode): Content {
  const { size } = inode;
  if (size === 0) return { size, pieces: [] };
  const source: HostFile = { path, seen: { size, mtimeMs: inode.mtimeSeconds * 1000 + inode.mtimeNanoseconds / 1e6 } };
  if (size < BLOCK_SIZE) return { size, pieces: [{ offset: 0, length: size, source, sourceOffset: 0 }] };
  return { size, pieces: scanFile(source, size, inode.sectors * 512 < size) };
}

function scanFile(source: HostFile, size: number, mayHaveHoles: boolean): readonly Piece[] {
  const { path } = source;
  let fd: number | undefined;
  try {
    fd = openSync(toBytes(path), flags);
    const pieces = new PieceList();
    let position = 0;
    for (const range of mayHaveHoles ? dataRanges(fd, size) : [{ start: 0, end: size }]) {
      // A file system with smaller blocks than ours: look at the whole of each block that is touched.
      position = Math.max(position, range.start - range.start % BLOCK_SIZE);
      const end = Math.min(size, Math.ceil(range.end / BLOCK_SIZE) * BLOCK_SIZE);
      while (position < end) {
        const wanted = Math.min(buffer.length, end - position);
        fill(fd, path, position, wanted);
        for (const run of dataRuns(buffer.subarray(0, wanted), position)) pieces.add(run.start, run.end - run.start, source, run.start);
        position += wanted;
      }
    }
    return pieces.finish(size);
  } catch (error) {
    throw unreadable(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function fill(fd: number, path: ByteString, position: number, length: number): void {
  for (let done = 0; done < length;) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) throw changed(path, 'became shorter');
    done += count;
  }
}
