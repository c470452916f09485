/** One request in, one reply out: checks lengths, runs the handler, turns a failure into an errno. */
import { constants } from 'node:os';
import { ChunkMissing } from '../bytes/random-access.js';
import { FuseError, type FileSystem } from './file-system.js';
import { operations } from './opcodes.js';
import type { Reply } from './reply.js';
import type { Request } from './request.js';

/** Turns what a file system threw into a positive errno. */
export type ErrnoOf = (error: unknown) => number;

/**
 * Runs the handler of `request`.
 *
 * @returns whether `reply` must be written; false for requests that have no reply
 * @throws ChunkMissing when the answer needs bytes that are not here yet: run it again when they are
 */
export function answer(fileSystem: FileSystem, request: Request, reply: Reply, errnoOf: ErrnoOf): boolean {
  const operation = operations.get(request.opcode);
  if (operation !== undefined && operation.handler === undefined) return false;
  reply.begin(request);
  try {
    if (operation?.handler === undefined) throw new FuseError(constants.errno.ENOSYS);
    if (request.bodyLength < operation.bodySize) throw new FuseError(constants.errno.EINVAL);
    operation.handler(fileSystem, request, reply);
  } catch (error) {
    if (error instanceof ChunkMissing) throw error;
    reply.fail(error instanceof FuseError ? error.errno : errnoOf(error));
  }
  return true;
}
