/** Standard output for results that may be large: waits for the reader, and notices when there is none any more. */
import { fromErrno } from '../errors.js';

/** Not a failure: whoever read our output has seen enough (EPIPE). */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed';
}

let lost: Error | undefined;

/**
 * Takes over the errors of standard output, which oclif would throw as uncaught: what {@link writeStdout} writes fails there,
 * and what goes to `console` or oclif's log is found by {@link requireStdout}.
 */
export function watchStdout(): void {
  process.stdout.removeAllListeners('error');
  process.stdout.on('error', (error) => { lost ??= error; });
}

/** @throws as {@link writeStdout}, when anything written so far was lost */
export async function requireStdout(): Promise<void> {
  await new Promise((resolve) => { setImmediate(resolve); }); // errors are events, and come a moment later
  if (lost !== undefined) throw asFailure(lost);
}

/**
 * @returns when the reader has taken the bytes, so at most one piece is held in memory
 * @throws StdoutClosed; NO_SPACE, IO_FAILED when standard output is a file that cannot take them
 */
export async function writeStdout(bytes: Uint8Array | string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error) reject(asFailure(error));
      else resolve();
    });
  });
}

function asFailure(error: Error): Error {
  const isClosed = 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED');
  return isClosed ? new StdoutClosed('standard output was closed') : fromErrno(error, 'writing standard output');
}
