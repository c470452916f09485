/** write(2) may write less than it was given. */
import { writeSync } from 'node:fs';

/**
 * Writes all of `bytes`.
 *
 * @param position in the file; without one, where the descriptor stands
 * @throws the system's error; a part may be written then
 */
export function writeFully(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position === undefined ? null : position + done);
}
