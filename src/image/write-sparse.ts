/** Raw images are written sparse. */
import { writeFully } from '../sys/write.js';
import { dataRuns } from '../tree/zero-blocks.js';

/** Writes the blocks that are not all zero; the others stay holes. @param fd a file of its full size, without data at `position` */
export function writeSparse(fd: number, bytes: Uint8Array, position: number): void {
  for (const { start, end } of dataRuns(bytes, position)) writeFully(fd, bytes.subarray(start - position, end - position), start);
}
