/** Mounting: from what the user asked for to a plan, and from the plan to a mount. */
import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { accessSync, closeSync, constants, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { display, fromBytes, fromText, toBytes, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { findRawCopy } from '../image/raw-copy.js';
import { readProfile, startRecording } from '../image/profile/recording.js';
import { openTrustedHead } from '../image/trusted-head.js';
import type { SourceOptions } from '../source/open-source.js';
import { DEFAULT_DISK_BUDGET } from '../store/disk-store.js';
import type { TrustPolicy } from '../trust/policy.js';
import { needsMountProgram } from '../sys/fusermount.js';
import { isMachineRoot } from '../sys/identity.js';
import { cloneMount, replaceMount } from '../sys/mount.js';
import { MiB } from '../units.js';
import { callAttacher } from './attacher.js';
import { attachFile } from './block.js';
import { optionOf } from './mount-table.js';
import type { OverlayOptions } from './overlay.js';
import { findOwnMount, type OwnMount } from './own-mount.js';
import type { Backend, MountPlan } from './plan.js';
import { ask, defaultRuntimeFolder, socketPath } from './runtime-folder.js';
import { isScratch, removeStaleScratch, scratchOf } from './scratch.js';
import { layersOf, placeAgain, Staging, type LayerName } from './stack.js';
import { settle, startMount } from './start-mount.js';
import { markDetached } from './status.js';
import { takeOut } from './take-out.js';
import { untilGone } from './unmount.js';

export interface MountOptions {
  readonly trust: TrustPolicy;
  /** Default `auto`: block for root with loop devices, else tree. */
  readonly backend?: Backend | 'auto';
  /** Other places of the same image, asked when the first fails. */
  readonly mirrors?: readonly string[];
  /** Folder of the chunk store; default /var/cache/thawfs for root, else ~/.cache/thawfs. */
  readonly cache?: string;
  /** Bytes that the chunk store may take; default 4 GiB. */
  readonly cacheSize?: number;
  /** Use only what is on this machine. */
  readonly offline?: boolean;
  /** Milliseconds that a read waits for an origin that does not answer before it fails; default 60,000. */
  readonly readTimeout?: number;
  /** Fetch the rest in the background; default true. */
  readonly fill?: boolean;
  /** Bytes per second of the background; default unlimited. */
  readonly fillRate?: number;
  /** Fetch first what a start-up profile names; default true. */
  readonly prefetch?: boolean;
  /** Path of that profile; default the one in the image, if there is one. */
  readonly profile?: string;
  /** Record what is read into this file, a profile for later builds and mounts; it is written while the image is mounted, and in the end. Of one image only. */
  readonly record?: string;
  /** Write a complete image out and mount on without a server; default true. */
  readonly handover?: boolean;
  /** The mount ends with this process, or when `signal` aborts; its servers print to standard error. */
  readonly foreground?: boolean;
  /** Writable overlay: what is written goes to this directory. */
  readonly upper?: string;
  /** Of the overlay: an empty directory on the same file system as `upper`; default `UPPER.work`. */
  readonly work?: string;
  /** Copy files that are whole on this machine out of the image, so that reading them needs no server; default false. Needs Linux 5.12. */
  readonly populate?: boolean;
  /** Take the place of the mount of ours that is on the directory, in one step; its open files stay as they are. Needs Linux 6.5. */
  readonly replace?: boolean;
  /** Print every FUSE request. */
  readonly trace?: boolean;
  readonly runtimeFolder?: string;
  readonly sourceOptions?: SourceOptions;
  readonly signal?: AbortSignal;
}

export interface LayerReport {
  readonly name: string;
  readonly rootHash: string;
  /** Names the layer's control socket; absent when no server was needed. */
  readonly id?: string;
}

export interface MountReport {
  readonly directory: string;
  readonly backend: Backend;
  /** The images, the topmost first. */
  readonly layers: readonly LayerReport[];
  /** Where what is written goes: `upper`, or the upper directory of the mount that was replaced. */
  readonly upper?: string;
  /** After `replace` of a mount with servers: whether somebody still uses it; they live on until its last file is closed then. */
  readonly previousInUse?: boolean;
  /** In the foreground: resolves when the servers have ended. */
  readonly ended: Promise<void>;
}

/** Milliseconds. */
const WATCHDOG = 5000;
const READ_TIMEOUT = 60_000;
/** Time for the servers of a replaced mount that nobody uses to end. */
const GRACE = 2000;

/**
 * Mounts one image, or several stacked, and returns when the directory is usable. A supervisor with its server stays behind
 * for each, unless the image is complete on this machine already: then the kernel needs nobody.
 *
 * With `replace` the new mount is complete before it takes the place of the old one, which stays what it was if anything fails; an upper
 * directory is taken over unless another is named.
 *
 * Cost: one request per image, or none when it was mounted here before and its origin is down.
 *
 * @param images paths or http(s) URLs, the topmost first
 * @param directory an existing directory
 * @throws what opening and trusting the images throws; NO_FUSE_DEVICE, NOT_PERMITTED, MOUNT_FAILED, PATH_MISSING; nothing is left then.
 *   With `replace`: NOT_MOUNTED, FEATURE_UNSUPPORTED before Linux 6.5, MOUNT_BUSY when files of the upper directory are open for writing
 */
export async function mountImages(images: readonly string[], directory: string, options: MountOptions): Promise<MountReport> {
  const [first] = images;
  if (first === undefined) throw new ThawfsError('BAD_ARGUMENT', 'mount: no image', { suggestion: 'Name an image.' });
  if (needsMountProgram() && (images.length > 1 || options.upper !== undefined || options.populate === true || options.replace === true || options.backend === 'block')) {
    throw new ThawfsError('NOT_PERMITTED', 'mount: ordinary users mount one image, read-only', { suggestion: 'Run as root, or in a user namespace: unshare -Urm thawfs mount … (thawfs run does that for one image).' });
  }
  if (options.record !== undefined && images.length > 1) throw new ThawfsError('BAD_ARGUMENT', 'mount: only one image can be recorded', { suggestion: 'Mount the image alone to record it.' });
  if (options.profile !== undefined) readProfile(options.profile);
  if (options.replace === true) return mountStack(images, directory, options, await findOwnMount(directory, options.runtimeFolder ?? defaultRuntimeFolder()));
  if (images.length > 1 || options.upper !== undefined) return mountStack(images, directory, options);
  const target = targetOf(directory);
  const layer = await mountLayer(first, () => target, target, options);
  settleAll([layer], options);
  return { directory, backend: layer.backend, layers: [layer.report], ended: ended([layer]) };
}

/**
 * Puts another signed image on top of a live mount: an overlay of the new image and all that is there takes the mount's place.
 * Its upper directory stays; open files stay as they are.
 *
 * @param image path or http(s) URL
 * @throws NOT_MOUNTED; MOUNT_BUSY when files of an upper directory are open for writing; as {@link mountImages}; the mount is as it was then
 */
export async function pushImage(directory: string, image: string, options: Omit<MountOptions, 'replace' | 'upper' | 'work'>): Promise<MountReport> {
  return mountStack([image], directory, options, await findOwnMount(directory, options.runtimeFolder ?? defaultRuntimeFolder()), true);
}

/**
 * @param old what is on the directory, and gives way
 * @param keep its layers stay, below the images
 */
async function mountStack(images: readonly string[], directory: string, options: MountOptions, old?: OwnMount, keep = false): Promise<MountReport> {
  const target = old?.target ?? targetOf(directory);
  const upper = upperOf(options, old);
  const kept = old !== undefined && keep ? await layersOf(old) : [];
  const layers: Layer[] = [];
  const staging = new Staging(options.runtimeFolder ?? defaultRuntimeFolder());
  try {
    for (const [i, image] of images.entries()) {
      layers.push(await mountLayer(image, (name) => staging.add(name), target, { ...options, mirrors: i === 0 ? options.mirrors ?? [] : [] }));
    }
    for (const layer of kept) await placeAgain(layer, old!.live, staging.add(layer));
    if (upper === undefined && old !== undefined && staging.places.length === 1) moveInto(staging.places[0]!, target, old.entry.id);
    else {
      const overlay: OverlayOptions = {
        lowers: staging.places, unprivileged: !isMachineRoot(), ...upper,
        ...(old === undefined ? {} : { replaces: { id: old.entry.id, sharesUpper: upper !== undefined && isSameFolder(upper.upper, optionOf(old.entry, 'upperdir')) } }),
      };
      // It looks into the layers, which may wait for the network: not in this process, which has to listen to Ctrl-C.
      await callAttacher({ type: 'overlay', target, options: overlay });
    }
  } catch (error) {
    staging.letGo();
    await ended(layers);
    throw error;
  }
  settleAll(layers, options);
  staging.letGo();
  const left = keep || old === undefined ? [] : old.live;
  await markDetached(left);
  return {
    directory, backend: layers[0]!.backend, layers: layers.map(({ report }) => report), ended: ended(layers),
    ...(upper === undefined ? {} : { upper: display(upper.upper) }), ...(left.length === 0 ? {} : { previousInUse: !await untilGone(left, GRACE) }),
  };
}

/** The place goes to whoever moves in at the moment when the old mount leaves: there is no time between. */
function moveInto(place: ByteString, target: ByteString, old: number): void {
  const mount = cloneMount(place);
  try {
    replaceMount(mount, target, old);
  } finally {
    closeSync(mount);
  }
}

/** What takes what is written: as was asked for, else as it was before. */
function upperOf({ upper, work }: MountOptions, old: OwnMount | undefined): { readonly upper: ByteString; readonly work?: ByteString } | undefined {
  if (upper !== undefined) return { upper: absoluteBytes(upper), ...(work === undefined ? {} : { work: absoluteBytes(work) }) };
  const [was, wasWork] = ['upperdir', 'workdir'].map((name) => old === undefined ? undefined : optionOf(old.entry, name));
  return was === undefined || wasWork === undefined || isScratch(was) ? undefined : { upper: was, work: wasWork };
}

function isSameFolder(path: ByteString, other: ByteString | undefined): boolean {
  const [a, b] = [path, other].map((folder) => folder === undefined ? undefined : statSync(toBytes(folder), { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function settleAll(layers: readonly Layer[], { foreground = false, signal }: MountOptions): void {
  for (const { supervisor } of layers) {
    if (supervisor === undefined) continue;
    settle(supervisor, foreground);
    if (!foreground || signal === undefined) continue;
    // It takes the mount out of the tree when its front is gone.
    const leave = (): void => { if (supervisor.connected) supervisor.disconnect(); };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  }
}

interface Layer {
  readonly report: LayerReport;
  readonly backend: Backend;
  readonly supervisor?: ChildProcess;
}

/** @param placeOf told what the layer is, where to mount it @param directory where people will see it */
async function mountLayer(location: string, placeOf: (layer: LayerName) => ByteString, directory: ByteString, options: MountOptions): Promise<Layer> {
  const { mirrors = [], offline = false, foreground = false, trace = false, prefetch = true, profile, record, signal } = options;
  // What the kernel reads without a server nobody sees.
  const handover = (options.handover ?? true) && record === undefined;
  const backend = options.backend === undefined || options.backend === 'auto' ? bestBackend() : options.backend;
  const cache = options.cache ?? defaultCacheFolder();
  const locations = [location, ...mirrors].map(absolute);
  const { bytes, manifest } = await openTrustedHead(locations, {
    trust: options.trust, cache, offline, sourceOptions: { ...options.sourceOptions, ...(signal === undefined ? {} : { signal }) },
  });
  const { name, verity: { rootHash } } = manifest;
  const rawCopy = backend === 'block' && handover ? findRawCopy(cache, rootHash) : undefined;
  if (rawCopy !== undefined) {
    attachFile(rawCopy, placeOf({ rootHash }), MiB);
    return { backend, report: { name, rootHash } };
  }
  if (record !== undefined) startRecording(resolve(record), rootHash);
  const id = `${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 40)}-${randomBytes(4).toString('hex')}`;
  const place = placeOf({ rootHash, id });
  const runtimeFolder = options.runtimeFolder ?? defaultRuntimeFolder();
  const populating = options.populate === true ? new Staging(runtimeFolder) : undefined;
  const plan: MountPlan = {
    id, backend, target: populating?.add({ rootHash, id }) ?? place, directory, populate: populating !== undefined, squash: backend === 'tree' && !isMachineRoot(), foreground, trace, watchdog: WATCHDOG,
    runtimeFolder,
    content: {
      kind: 'image', locations, head: Buffer.from(bytes).toString('base64'), cache, cacheSize: options.cacheSize ?? DEFAULT_DISK_BUDGET,
      offline, readTimeout: options.readTimeout ?? READ_TIMEOUT, fill: options.fill ?? true, fillRate: options.fillRate ?? 0, handover, prefetch,
      ...(profile === undefined ? {} : { profile: resolve(profile) }), ...(record === undefined ? {} : { record: resolve(record) }),
    },
  };
  try {
    const supervisor = await startMount(plan, signal);
    if (populating !== undefined) await placePopulated(plan, place, cache, supervisor);
    return { backend, supervisor, report: { name, rootHash, id } };
  } finally {
    populating?.letGo();
  }
}

/** Puts an overlay of the image, with an upper directory of ours, where the image belongs; its supervisor sees to it that files are copied up. */
async function placePopulated({ id, target, runtimeFolder }: MountPlan, place: ByteString, cache: string, supervisor: ChildProcess): Promise<void> {
  try {
    removeStaleScratch(cache, runtimeFolder);
    const { upper, work } = scratchOf(cache, id);
    await callAttacher({ type: 'overlay', target: place, options: { lowers: [target], unprivileged: !isMachineRoot(), upper: fromText(upper), work: fromText(work), readOnly: true } });
    try {
      await ask(socketPath({ runtimeFolder, id }), { command: 'populate', target: place });
    } catch (error) {
      takeOut(place, true);
      throw error;
    }
  } catch (error) {
    supervisor.disconnect();
    await ended([{ supervisor }]);
    throw error;
  }
}

async function ended(layers: readonly Pick<Layer, 'supervisor'>[]): Promise<void> {
  await Promise.all(layers.map(async ({ supervisor }) => {
    if (supervisor?.exitCode === null) await new Promise<void>((end) => supervisor.once('exit', () => { end(); }));
  }));
}

/** @returns where chunks are kept unless somebody says otherwise */
export function defaultCacheFolder(): string {
  if (isMachineRoot()) return '/var/cache/thawfs';
  const cache = process.env['XDG_CACHE_HOME'] ?? '';
  return `${cache.startsWith('/') ? cache : `${homedir()}/.cache`}/thawfs`;
}

function targetOf(directory: string): string {
  try {
    const path = realpathSync(directory, 'buffer');
    if (!statSync(path).isDirectory()) throw new ThawfsError('BAD_ARGUMENT', `${directory}: is not a directory`, { suggestion: 'Name a directory to mount on.' });
    return fromBytes(path);
  } catch (error) {
    throw fromErrno(error, directory);
  }
}

function bestBackend(): Backend {
  try {
    accessSync('/dev/loop-control', constants.R_OK | constants.W_OK);
    return isMachineRoot() ? 'block' : 'tree';
  } catch {
    return 'tree';
  }
}

function absoluteBytes(path: string): ByteString {
  return fromText(resolve(path));
}

function absolute(location: string): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(location)) return location;
  try {
    return realpathSync(location);
  } catch (error) {
    throw fromErrno(error, `opening ${location}`);
  }
}
