/** Opens whatever a user names as the source of a tree. */
import { readFileSync, statSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.js';
import { fromErrno } from '../errors.js';
import { parseDump } from './dump.js';
import { scanDirectory } from './from-directory.js';
import { compileGlobs } from './glob.js';
import type { TreeSource } from './tree-source.js';

export interface OpenTreeOptions {
  /** Patterns of entries that need not be read; {@link applyFilters} removes the same from any tree. Default none. */
  readonly exclude?: readonly string[];
  /** Full names of extended attributes kept beside the portable ones; default none. */
  readonly extraXattrs?: readonly ByteString[];
  readonly signal?: AbortSignal;
}

/**
 * @param spec a directory, or `dump:FILE`
 * @throws PATH_MISSING and what the kind of source throws
 */
export async function openTree(spec: string, options: OpenTreeOptions = {}): Promise<TreeSource> {
  options.signal?.throwIfAborted();
  const [, scheme, rest] = /^(dump):(.*)$/s.exec(spec) ?? [];
  if (scheme === 'dump') return { root: parseDump(readText(rest!)), warnings: [], dispose: () => undefined };
  try {
    statSync(spec);
  } catch (error) {
    throw fromErrno(error, `opening ${spec}`);
  }
  const { exclude = [], extraXattrs = [] } = options;
  return Promise.resolve(scanDirectory(spec, { extraXattrs, ...(exclude.length > 0 ? { skip: compileGlobs(exclude) } : {}) }));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw fromErrno(error, `reading ${path}`);
  }
}
