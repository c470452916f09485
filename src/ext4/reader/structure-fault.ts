/** What the structure check throws: parts that are sound by themselves but do not fit together. */
import { ThawfsError, type ErrorDetail } from '../../errors.js';

/**
 * @param where record or thing, for example `inode 12`
 * @returns STRUCTURE_INVALID, for throwing
 */
export function invalid(where: string, problem: string, detail: ErrorDetail = {}): ThawfsError {
  return new ThawfsError('STRUCTURE_INVALID', `${where}: ${problem}`, {
    detail: { record: where, ...detail }, suggestion: 'Build the image again; e2fsck -fn names every fault of a foreign one.',
  });
}
