/** The mount of ours on a directory, and who serves it. */
import { fromText, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { mountIdOf } from '../sys/mount.js';
import { isOurs, optionOf, readMountTable, shows, type MountEntry } from './mount-table.js';
import { realDirectory } from './named-directory.js';
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
  const { target, entry } = entryOn(directory);
  // Not what another mount, which lies under this one on the same directory, is made of.
  return { target, entry, live: (await liveMounts(runtimeFolder)).filter((server) => server.state !== 'detached' && shows(entry, server)) };
}

/** @returns why nobody answers for a directory: nothing of ours is mounted there, or by another user, or whoever served it was killed */
export function unserved(directory: string): ThawfsError {
  let entry: MountEntry;
  try {
    entry = entryOn(directory).entry;
  } catch (error) {
    if (error instanceof ThawfsError) return error;
    throw error;
  }
  const owner = optionOf(entry, 'user_id');
  if (owner !== undefined && owner !== String(process.getuid?.())) {
    return new ThawfsError('NOT_PERMITTED', `${directory}: was mounted by the user with the id ${owner}`, { detail: { directory, owner }, suggestion: 'Ask as that user.' });
  }
  return new ThawfsError('MOUNT_FAILED', `${directory}: nobody answers for this mount`, {
    detail: { directory }, suggestion: `If its processes were killed, unmount it (umount -l ${directory}) and mount it again; what was fetched is kept.`,
  });
}

function entryOn(directory: string): Pick<OwnMount, 'target' | 'entry'> {
  const target = resolveMounted(directory);
  const id = mountIdOf(target);
  const entry = readMountTable().find((mount) => mount.id === id);
  if (entry?.target !== target || !isOurs(entry)) {
    throw new ThawfsError('NOT_MOUNTED', `${directory}: no thawfs image is mounted there`, { detail: { directory }, suggestion: 'thawfs status lists what is mounted.' });
  }
  return { target, entry };
}

/** @returns the absolute path without symlinks; of what may be a dead mount only the parent is looked up. @throws PATH_MISSING */
export function resolveMounted(directory: string): ByteString {
  try {
    return realDirectory(directory);
  } catch (error) {
    const parent = /^(.*)\/([^/]+)\/*$/.exec(directory.startsWith('/') ? directory : `${process.cwd()}/${directory}`);
    if (parent === null || (error as NodeJS.ErrnoException).code === 'ENOENT') throw fromErrno(error, directory);
    return `${realDirectory(parent[1] === '' ? '/' : parent[1]!)}/${fromText(parent[2]!)}`;
  }
}
