/**
 * One server for all directories that show an image in the same way: a further mount of it is the file system that is mounted already, once more.
 * So its pages are in memory once, and what the server fetches is there for all. Each directory is unmounted by itself; the last one ends the
 * server (decision mount-holds-itself).
 */
import { setMaxListeners } from 'node:events';
import { closeSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { fromBytes, type ByteString } from '../bytes/byte-string.js';
import { toHex } from '../bytes/hex.js';
import { hasCode, ThawfsError } from '../errors.js';
import { sha256 } from '../hash/sha256.js';
import { VERSION } from '../image/version.js';
import { pause } from '../source/pause.js';
import { makeFolder } from '../sys/make-folder.js';
import { placeMount } from '../sys/mount.js';
import { tryByteLock } from '../sys/range-lock.js';
import { MiB } from '../units.js';
import { attachFile, mountDevice, over } from './block.js';
import { readMountTable, standsOn } from './mount-table.js';
import type { MountPlan } from './plan.js';
import { ask, socketPath, sockets } from './runtime-folder.js';

/** Milliseconds to wait for supervisors: one may be stopped. */
const PATIENCE = 5000;
/** Milliseconds to wait for who makes a server: its origin may have ceased to answer. And between two looks whether it is done. */
const MAKERS_PATIENCE = 10_000;
const LOOK_INTERVAL = 20;

/** What a supervisor gives to who wants to join: nothing unless it serves the same. */
export interface Offer {
  /** Names its control socket. */
  readonly id: string;
  /** Path of the device under its file system. */
  readonly device: string;
}

/**
 * @param group the control group of whoever serves, or wants to be served: a service that is stopped takes its processes with it, which nobody else may depend on
 * @returns a digest of what is served and how, by which version: where it is the same a server may be shared. Undefined for mounts that have one
 *   to themselves: trees (their directories may be in other user namespaces), those that end with a terminal, record, or copy files up
 */
export function servingKey({ backend, content, foreground, trace, populate = false }: Pick<MountPlan, 'backend' | 'content' | 'foreground' | 'trace' | 'populate'>, group = ownGroup()): string | undefined {
  if (backend !== 'block' || foreground || trace || populate || content.kind !== 'image' || content.record !== undefined) return undefined;
  const asked = { ...content, origin: undefined }; // What the origin said, not what is wanted of it.
  return toHex(sha256(Buffer.from(JSON.stringify([VERSION, group, asked]))));
}

function ownGroup(): string {
  try {
    return readFileSync('/proc/self/cgroup', 'latin1');
  } catch {
    return '';
  }
}

export interface JoinOptions {
  readonly runtimeFolder: string;
  /** Of the new mount, see {@link MountPlan}. */
  readonly attributes: number;
  /** Told the id of the server, where to mount. */
  readonly placeOf: (id: string) => ByteString;
  readonly signal: AbortSignal | undefined;
}

export interface TurnOptions {
  /** Folder that all who have the key use. */
  readonly cache: string;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds after which one goes on without a turn. */
  readonly patience?: number;
}

/**
 * Of mounts that begin at once one makes a server, while the others wait for their turn, and then find it. A turn ends with its process too.
 *
 * @param key {@link servingKey}
 * @throws the signal's reason; what `work` throws
 */
export async function inTurn<T>(key: string, { cache, signal, patience = MAKERS_PATIENCE }: TurnOptions, work: () => Promise<T>): Promise<T> {
  let file: number;
  try {
    makeFolder(cache, 0o700);
    file = openSync(`${cache}/mounting`, 'a', 0o600);
  } catch {
    return work(); // No turns in such a folder; what is wrong with it is said when it is used.
  }
  try {
    const place = parseInt(key.slice(0, 12), 16);
    for (const end = performance.now() + patience; !tryByteLock(file, place) && performance.now() < end;) await pause(LOOK_INTERVAL, signal);
    return await work();
  } finally {
    closeSync(file);
  }
}

/**
 * Mounts what a live mount serves. One that is just being made is waited for, not for long.
 *
 * @param key {@link servingKey}
 * @returns the id of the server; undefined when nobody serves this
 * @throws MOUNT_FAILED, PATH_MISSING for the place; the signal's reason
 */
export async function joinServer(key: string, options: JoinOptions): Promise<string | undefined> {
  const found = await findServer(key, options);
  if (found === undefined) return undefined;
  return over(found.mount, () => {
    placeMount(found.mount, options.placeOf(found.id));
    return found.id;
  });
}

async function findServer(key: string, { runtimeFolder, attributes, signal }: JoinOptions): Promise<{ readonly id: string; readonly mount: number } | undefined> {
  const enough = new AbortController();
  const patience = AbortSignal.any([AbortSignal.timeout(PATIENCE), enough.signal, ...(signal === undefined ? [] : [signal])]);
  setMaxListeners(0, patience); // One for each mount of this machine, and Node takes more than ten for a leak.
  const offerOf = async (socket: string): Promise<Offer> => {
    const offer = await ask(socket, { command: 'join', key }, patience) as Offer | undefined;
    if (offer === undefined) throw new ThawfsError('NOT_MOUNTED', `${socket}: serves something else`);
    return offer;
  };
  let mount: number | undefined;
  try {
    const { id, device } = await Promise.any(sockets(runtimeFolder).map(offerOf));
    mount = mountDevice(device, attributes);
    // The device has a holder more by now. It is not somebody else's if its supervisor is still there.
    if ((await offerOf(socketPath({ runtimeFolder, id }))).device === device) return { id, mount };
  } catch (error) {
    if (!(error instanceof AggregateError || hasCode(error))) throw error; // Nobody serves it, or who did has just ended.
  } finally {
    enough.abort();
  }
  if (mount !== undefined) closeSync(mount);
  signal?.throwIfAborted();
  return undefined;
}

/**
 * Mounts a complete raw image of this machine, which needs no server: where it is mounted already, that file system once more.
 *
 * @param path of the raw image
 */
export function placeRawImage(path: string, target: ByteString, attributes = 0): void {
  const file = fromBytes(realpathSync(path, 'buffer')); // As the kernel tells what is under a device.
  const device = readMountTable().find(({ type, source }) => type === 'ext4' && standsOn(source, file))?.source;
  const mount = device === undefined ? undefined : mountIfThere(device, attributes);
  // The device has a holder more by now, and keeps its file.
  const joined = mount !== undefined && over(mount, () => {
    if (!standsOn(device!, file)) return false;
    placeMount(mount, target);
    return true;
  });
  if (!joined) attachFile(path, target, MiB, attributes);
}

/** Undefined when the device has lost its file just now. */
function mountIfThere(device: string, attributes: number): number | undefined {
  try {
    return mountDevice(device, attributes);
  } catch (error) {
    if (hasCode(error)) return undefined;
    throw error;
  }
}
