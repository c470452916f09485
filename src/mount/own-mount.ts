/** The mount of ours on a directory, and who serves it. */
import { realpathSync } from 'node:fs';
import { fromBytes, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { mountIdOf } from '../sys/mount.js';
import { isOurs, readMountTable, shows, type MountEntry } from './mount-table.js';
import { liveMounts, type LiveMount } from './status.js';

export interface OwnMount {
  readonly target: ByteString;
  /** The one on top. */
  readonly entry: MountEntry;
  /** Its servers, one for each layer; none when everything is local. */
  readonly live: readonly LiveMount[];
}

/** @throws NOT_MOUNTED when no image of ours is mounted there; PATH_MISSING */
export async function findOwnMount(directory: string, runtimeFolder: string): Promise<OwnMount> {
  const target = resolveMounted(directory);
  const id = mountIdOf(target);
  const entry = readMountTable().find((mount) => mount.id === id);
  if (entry?.target !== target || !isOurs(entry)) {
    throw new ThawfsError('NOT_MOUNTED', `${directory}: no thawfs image is mounted there`, { detail: { directory }, suggestion: 'thawfs status lists what is mounted.' });
  }
  // Not what another mount, which lies under this one on the same directory, is made of.
  return { target, entry, live: (await liveMounts(runtimeFolder)).filter((server) => server.state !== 'detached' && shows(entry, server)) };
}

/** The target may be a dead mount, so only its parent is resolved by the file system. */
function resolveMounted(directory: string): ByteString {
  try {
    return fromBytes(realpathSync(directory, 'buffer'));
  } catch (error) {
    const parent = /^(.*)\/([^/]+)\/*$/.exec(directory.startsWith('/') ? directory : `${process.cwd()}/${directory}`);
    if (parent === null || (error as NodeJS.ErrnoException).code === 'ENOENT') throw fromErrno(error, directory);
    return `${fromBytes(realpathSync(parent[1] === '' ? '/' : parent[1]!, 'buffer'))}/${parent[2]!}`;
  }
}
