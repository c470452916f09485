/** What a mount answers for our errors. Whatever is not understood is EIO: a read fails, it never lies. */
import { constants } from 'node:os';
import { hasCode } from '../errors.js';

/** @returns a positive errno */
export function errnoOf(error: unknown): number {
  return hasCode(error, 'PATH_MISSING') ? constants.errno.ENOENT : constants.errno.EIO;
}
