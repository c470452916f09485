/** What is read from its start to its end because it is no regular file: pipes, devices. */
import { constants, createReadStream, openSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/**
 * @param stats of `path`
 * @returns its bytes as they come; destroying it closes it
 * @throws the system's error
 */
export function openStream(path: string, stats: Stats): Readable {
  if (!stats.isFIFO()) return createReadStream(path, { fd: openSync(path, 'r') });
  // Waits for a writer in the event loop: opened as usual it would stop this thread, or one that the process then waits for when it is to end.
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}
