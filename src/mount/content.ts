/** What a server serves, behind one interface, whatever it is made of. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { FileSystem } from '../fuse/file-system.js';
import { SingleFile } from '../fuse/single-file.js';
import type { MountPlan } from './plan.js';

/** Name of the only file that the block back-end serves. */
export const IMAGE_FILE = 'image';

export interface Content {
  readonly fileSystem: FileSystem;
  /** Resolves when these chunks can be read from {@link Content.fileSystem}. */
  fetch(chunks: readonly number[], signal: AbortSignal): Promise<void>;
  /** Fetches everything. */
  fill(): Promise<void>;
  /** Facts for people and programs. */
  status(): Readonly<Record<string, unknown>>;
}

/**
 * Opens what the plan names.
 *
 * @param role the main thread of a server is `fetching`; the session's thread reads only what is `local`
 */
export function openContent(plan: MountPlan, role: 'fetching' | 'local'): Promise<Content> {
  void role;
  return Promise.resolve(rawContent(plan.content.path));
}

function rawContent(path: string): Content {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  if (size === 0) closeSync(fd);
  const fileSystem = new SingleFile(IMAGE_FILE, { size, readInto: (target, offset) => { readSync(fd, target, 0, target.length, offset); } });
  return { fileSystem, fetch: () => Promise.resolve(), fill: () => Promise.resolve(), status: () => ({ path, size }) };
}
