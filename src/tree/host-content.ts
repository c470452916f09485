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
import { dataRuns, HOLE_WINDOW } from './zero-blocks.js';

const buffer = Buffer.allocUnsafeSlow(MiB);
const PROBE_SIZE = 64;
// NONBLOCK: should a pipe take the file's place between lstat and open, opening it must not wait for a writer.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const empty: Content = { size: 0, pieces: [] };

/** Most files of most trees are these: one holds 64 bytes, and makes its piece when that is asked for. */
class WholeFile implements Content {
  constructor(
    readonly size: number,
    private readonly directory: ByteString, private readonly name: ByteString,
    private readonly mtimeSeconds: number, private readonly mtimeNanoseconds: number,
  ) {}

  get file(): HostFile {
    return {
      kind: 'host-file', path: `${this.directory}/${this.name}`,
      seen: { size: this.size, mtimeMs: this.mtimeSeconds * 1000 + this.mtimeNanoseconds / 1e6 },
    };
  }

  get pieces(): readonly Piece[] {
    return [{ offset: 0, length: this.size, source: this.file, sourceOffset: 0 }];
  }
}

/**
 * Looks into the file to find its holes: a few bytes of each window, the whole only when one is zero; nothing of files below a window.
 *
 * @param inode what lstat said of the file
 * @throws SOURCE_CHANGED, NOT_PERMITTED, IO_FAILED naming the path
 */
export function hostContent(directory: ByteString, name: ByteString, inode: Inode): Content {
  const { size } = inode;
  if (size === 0) return empty;
  const whole = new WholeFile(size, directory, name, inode.mtimeSeconds, inode.mtimeNanoseconds);
  if (size < HOLE_WINDOW) return whole;
  const path = `${directory}/${name}`;
  let fd: number | undefined;
  try {
    fd = openSync(toBytes(path), flags);
    const hasHoles = inode.sectors * 512 < size;
    return hasHoles || hasZeroWindow(fd, path, size) ? { size, pieces: scanFile(fd, whole.file, size, hasHoles) } : whole;
  } catch (error) {
    throw unreadable(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Data rarely begins a window with zeros; where it does, the window is read. */
function hasZeroWindow(fd: number, path: ByteString, size: number): boolean {
  for (let start = 0; start < size; start += HOLE_WINDOW) {
    const length = Math.min(HOLE_WINDOW, size - start);
    const probe = Math.min(PROBE_SIZE, length);
    fill(fd, path, start, probe);
    if (dataRuns(buffer.subarray(0, probe), start).length > 0) continue;
    fill(fd, path, start, length);
    if (dataRuns(buffer.subarray(0, length), start).length === 0) return true;
  }
  return false;
}

function scanFile(fd: number, source: HostFile, size: number, hasHoles: boolean): readonly Piece[] {
  const pieces = new PieceList();
  let position = 0;
  for (const range of hasHoles ? dataRanges(fd, size) : [{ start: 0, end: size }]) {
    // A file system with smaller blocks than ours: look at the whole of each block that is touched.
    position = Math.max(position, range.start - range.start % BLOCK_SIZE);
    const end = Math.min(size, Math.ceil(range.end / BLOCK_SIZE) * BLOCK_SIZE);
    while (position < end) {
      const wanted = Math.min(buffer.length, end - position);
      fill(fd, source.path, position, wanted);
      for (const run of dataRuns(buffer.subarray(0, wanted), position)) pieces.add(run.start, run.end - run.start, source, run.start);
      position += wanted;
    }
  }
  return pieces.finish(size);
}

function fill(fd: number, path: ByteString, position: number, length: number): void {
  for (let done = 0; done < length;) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) throw changed(path, 'became shorter');
    done += count;
  }
}
