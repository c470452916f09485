/** What is mounted, and how it is doing. */
import type { ByteString } from '../bytes/byte-string.js';
import { hasCode } from '../errors.js';
import { isOurs, placesOf, rawCopyUnder, readMountTable } from './mount-table.js';
import { ask, defaultRuntimeFolder, sockets } from './runtime-folder.js';

export interface MountStatus {
  readonly target: ByteString;
  readonly backend: 'block' | 'tree';
  /**
   * `served`: a server fetches what is missing. `local`: complete, and nobody serves it. `replacing`: a server died, and its
   * successor is not there yet. `detached`: out of the tree; ends with the last file that is open in it.
   */
  readonly state: 'served' | 'local' | 'replacing' | 'detached';
  /** Everything that the supervisor and the server told. */
  readonly [fact: string]: unknown;
}

export type LiveMount = MountStatus & { readonly socket: string };

/** @returns all mounts of this user: those with a server, and those that need none */
export async function mountStatus(runtimeFolder = defaultRuntimeFolder()): Promise<MountStatus[]> {
  // Before the table is read: a mount that is handed over in between is then told twice, and not left out.
  const answers = await liveMounts(runtimeFolder);
  const table = readMountTable();
  const local = table.flatMap((entry): MountStatus[] => {
    const path = rawCopyUnder(entry);
    return path === undefined ? [] : [{ target: entry.target, backend: 'block', state: 'local', rawImage: path, rootHash: path.slice(-64) }];
  });
  const live = answers.flatMap((mount): LiveMount[] => {
    const targets = placesOf(mount, table).filter((target) => !target.startsWith(`${runtimeFolder}/`)); // Not those on their way into an overlay.
    return targets.length === 0 ? [mount] : targets.map((target) => ({ ...mount, target }));
  }).filter((mount) => !local.some(({ target, rootHash }) => target === mount.target && rootHash === mount['rootHash']));
  // The layers of an overlay are not in the table; an overlay of ours without servers has only layers that are complete.
  const overlays = table.filter((entry) => entry.type === 'overlay' && isOurs(entry) && live.every(({ target, state }) => target !== entry.target || state === 'detached'))
    .map(({ target }): MountStatus => ({ target, backend: 'block', state: 'local' }));
  return [...live, ...local, ...overlays].sort((a, b) => (a.target < b.target ? -1 : 1));
}

/** @returns the mounts whose supervisors answer */
export async function liveMounts(runtimeFolder: string): Promise<LiveMount[]> {
  const answers = await Promise.all(sockets(runtimeFolder).map(async (socket): Promise<LiveMount[]> => {
    try {
      return [{ ...await ask(socket, { command: 'status' }) as MountStatus, socket }];
    } catch (error) {
      if (hasCode(error)) return []; // nobody listens: left by a supervisor that was killed
      throw error;
    }
  }));
  return answers.flat();
}

/** @returns the servers of these that no directory shows any more */
export function outOfSight(mounts: readonly LiveMount[]): LiveMount[] {
  const table = readMountTable();
  return mounts.filter((mount) => placesOf(mount, table).length === 0);
}

/** Tells servers that their mount has left the tree, for whoever asks later, and so that they fetch nothing any more that nobody reads. */
export async function markDetached(mounts: readonly LiveMount[]): Promise<void> {
  await Promise.all(mounts.map(({ socket }) => ask(socket, { command: 'detached' }).catch((error: unknown) => {
    if (!hasCode(error)) throw error; // gone already
  })));
}
