/** What opening any source gives: directory, tar, container image or dump. */
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { DirectoryNode } from '../model/tree.js';

export interface TreeSource {
  readonly root: DirectoryNode;
  /** What could not be kept, one sentence each, for people. */
  readonly warnings: readonly string[];
  /** Removes spool files; contents that lie in them cannot be read afterwards. May be called more than once. */
  dispose(): void;
}

/** @returns the error for a path of the source that could not be read; PATH_MISSING becomes SOURCE_CHANGED, for we had seen it. */
export function unreadable(error: unknown, path: ByteString): ThawfsError {
  const typed = fromErrno(error, `reading ${display(path)}`);
  if (typed.code === 'PATH_MISSING') return changed(path, 'disappeared', error);
  if (typed.detail['errno'] === 'ENAMETOOLONG') {
    return new ThawfsError('LIMIT_EXCEEDED', `${display(path.slice(0, 64))}...: the path has ${path.length} bytes, the system takes at most 4095`, {
      detail: { path: display(path), length: path.length, limit: 4095 }, cause: error, suggestion: 'Leave it out with --exclude.',
    });
  }
  return new ThawfsError(typed.code, typed.message, {
    detail: { ...typed.detail, path: display(path) }, cause: error, ...(typed.suggestions[0] === undefined ? {} : { suggestion: typed.suggestions[0] }),
  });
}

/** @returns SOURCE_CHANGED for a path that is not what it was a moment ago. */
export function changed(path: ByteString, how: string, cause?: unknown): ThawfsError {
  return new ThawfsError('SOURCE_CHANGED', `${display(path)} ${how} while it was read`, {
    detail: { path: display(path) }, suggestion: 'Build from a tree that nobody writes to, for example a snapshot or a copy.', cause,
  });
}
