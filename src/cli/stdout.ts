/** Standard output for results that may be large: waits for the reader, and notices when there is none any more. */
import { fromErrno } from '../errors.js';

/** Not a failure: whoever read our output has seen enough (EPIPE). */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed';
}

/**
 * @returns when the reader has taken the bytes, so at most one piece is held in memory
 * @throws StdoutClosed; NO_SPACE, IO_FAILED when standard output is a file that cannot take them
 */
export async function writeStdout(bytes: Uint8Array | string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (!error) resolve();
      else if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')) reject(new StdoutClosed('standard output was closed'));
      else reject(fromErrno(error, 'writing standard output'));
    });
  });
}
