/** Raw images are written sparse. */
import { BLOCK_SIZE } from '../units.js';

const zeroBlock = Buffer.alloc(BLOCK_SIZE);

/** Gives `write` the runs of blocks that are not all zero; the others stay holes. @param position of `bytes`, passed on with each run */
export function eachDataRun(bytes: Uint8Array, position: number, write: (bytes: Uint8Array, position: number) => void): void {
  let start = 0;
  const put = (end: number): void => { if (end > start) write(bytes.subarray(start, end), position + start); };
  for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
    const end = Math.min(at + BLOCK_SIZE, bytes.length);
    if (zeroBlock.compare(bytes, at, end, 0, end - at) !== 0) continue;
    put(at);
    start = end;
  }
  put(bytes.length);
}
