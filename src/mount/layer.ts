/** One image of a mount: trusted once, then attached by itself where it is complete on this machine, else by a supervisor with its server. */
import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, realpathSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { fromText, type ByteString } from '../bytes/byte-string.js';
import { fromErrno } from '../errors.js';
import { keepFirstChunks } from '../image/first-chunks.js';
import type { FetchCost } from '../image/lazy-statistics.js';
import { startRecording } from '../image/profile/recording.js';
import { findRawCopy } from '../image/raw-copy.js';
import { openHeadToFetch, type HeadToFetch } from '../image/trusted-head.js';
import { schemeOf } from '../source/open-source.js';
import { DEFAULT_DISK_BUDGET, DiskStore } from '../store/disk-store.js';
import { isMachineRoot } from '../sys/identity.js';
import { callAttacher } from './attacher.js';
import { defaultCacheFolder } from './cache-folder.js';
import { inTurn, joinServer, placeRawImage, servingKey } from './join.js';
import { loadSupervisor } from './load-supervisor.js';
import type { LayerReport, MountOptions } from './mount-options.js';
import type { LayerName } from './mount-table.js';
import type { Backend, ImagePlan, MountPlan } from './plan.js';
import { attributesOf } from './restrictions.js';
import { ask, defaultRuntimeFolder, socketPath } from './runtime-folder.js';
import { removeStaleScratch, scratchOf } from './scratch.js';
import { Staging } from './stack.js';
import { settle, startMount } from './start-mount.js';
import { takeOut } from './take-out.js';

/** Milliseconds. */
const WATCHDOG = 5000;
const READ_TIMEOUT = 60_000;
const EARLY_PATIENCE = 3000;

export interface Layer {
  readonly report: LayerReport;
  readonly backend: Backend;
  /** Absent when no server was needed. */
  readonly supervisor?: ChildProcess;
  /** What its front has fetched. */
  readonly cost?: FetchCost;
}

/**
 * @param location path or http(s) URL
 * @param placeOf told what the layer is, where to mount it
 * @param directory where people will see it
 * @throws as mountImages does; nothing is left then
 */
export async function mountLayer(location: string, placeOf: (layer: LayerName) => ByteString, directory: ByteString, options: MountOptions): Promise<Layer> {
  const supervisor = loadSupervisor();
  let layer: Layer | undefined;
  try {
    layer = await mountBy(supervisor, location, placeOf, directory, options);
    return layer;
  } finally {
    if (layer?.supervisor === undefined) supervisor.kill('SIGKILL');
  }
}

async function mountBy(supervisor: ChildProcess, location: string, placeOf: (layer: LayerName) => ByteString, directory: ByteString, options: MountOptions): Promise<Layer> {
  const { mirrors = [], trust, offline = false, signal, sourceOptions } = options;
  const cache = resolve(options.cache ?? defaultCacheFolder()); // Servers work elsewhere than this process.
  const locations = [location, ...mirrors].map(absolute);
  const head = await openHeadToFetch(locations, { trust, cache, offline, sourceOptions: { ...sourceOptions, signal } });
  try {
    return await mountHead(supervisor, head, { locations, cache }, placeOf, directory, options);
  } finally {
    await head.opened?.source.close();
  }
}

async function mountHead(
  supervisor: ChildProcess, head: HeadToFetch, { locations, cache }: Pick<ImagePlan, 'locations' | 'cache'>, placeOf: (layer: LayerName) => ByteString, directory: ByteString, options: MountOptions,
): Promise<Layer> {
  const { offline = false, foreground = false, trace = false, prefetch = true, populate = false, profile, record, signal } = options;
  // What the kernel reads without a server nobody sees.
  const handover = (options.handover ?? true) && record === undefined;
  const backend = options.backend === undefined || options.backend === 'auto' ? bestBackend() : options.backend;
  const { bytes, manifest: { name, verity: { rootHash } } } = head;
  const attributes = attributesOf(options.restrictions ?? []);
  const rawCopy = backend === 'block' && handover ? findRawCopy(cache, rootHash) : undefined;
  if (rawCopy !== undefined) {
    placeRawImage(rawCopy, placeOf({ rootHash }), attributes);
    return { backend, report: { name, rootHash } };
  }
  const runtimeFolder = options.runtimeFolder ?? defaultRuntimeFolder();
  const content: ImagePlan = {
    kind: 'image', locations, head: Buffer.from(bytes).toString('base64'), cache, cacheSize: options.cacheSize ?? DEFAULT_DISK_BUDGET,
    offline, ...knownOrigin(head), readTimeout: options.readTimeout ?? READ_TIMEOUT, fill: options.fill ?? true, fillRate: options.fillRate ?? 0, handover, prefetch,
    ...(profile === undefined ? {} : { profile: resolve(profile) }), ...(record === undefined ? {} : { record: resolve(record) }),
  };
  const way = { backend, content, foreground, trace, populate };
  const serve = async (): Promise<Layer> => {
    await keepEarly(head, cache, options);
    const unrecord = record === undefined ? undefined : startRecording(resolve(record), rootHash);
    const id = `${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 40)}-${randomBytes(4).toString('hex')}`;
    const place = placeOf({ rootHash, id });
    const populating = populate ? new Staging(runtimeFolder) : undefined;
    const plan: MountPlan = {
      ...way, id, target: populating?.add({ rootHash, id }) ?? place, directory, squash: backend === 'tree' && !isMachineRoot(), attributes, watchdog: WATCHDOG, runtimeFolder,
    };
    try {
      await startMount(supervisor, plan, signal);
      if (populating !== undefined) await placePopulated(plan, place, cache, supervisor);
      return { backend, supervisor, cost: head.cost, report: { name, rootHash, id } };
    } catch (error) {
      unrecord?.();
      throw error;
    } finally {
      populating?.letGo();
    }
  };
  const key = servingKey(way);
  if (key === undefined) return serve();
  return inTurn(key, { cache, signal }, async () => {
    const joined = await joinServer(key, { runtimeFolder, attributes, signal, placeOf: (id) => placeOf({ rootHash, id }) });
    return joined === undefined ? serve() : { backend, report: { name, rootHash, id: joined } };
  });
}

/** What servers need not ask for again. */
function knownOrigin({ opened }: HeadToFetch): Pick<ImagePlan, 'origin'> {
  const state = opened?.source.state;
  return state === undefined ? {} : { origin: { at: opened!.at, state } };
}

/** What a mount reads first is fetched while its server is still loading; over a connection that is open already, so it is here sooner than that could have it. */
async function keepEarly({ bytes, opened, cost }: HeadToFetch, cache: string, { cacheSize, signal }: MountOptions): Promise<void> {
  if (opened === undefined || opened.source.readSync !== undefined) return;
  const soon = AbortSignal.any([AbortSignal.timeout(EARLY_PATIENCE), ...(signal === undefined ? [] : [signal])]);
  let store: DiskStore | undefined;
  try {
    store = new DiskStore(cache, cacheSize);
    cost.fetched = await keepFirstChunks(bytes, opened, store, { signal: soon });
  } catch {
    signal?.throwIfAborted(); // Else the server fetches it, and says what is wrong.
  } finally {
    store?.close();
  }
}

/** Puts an overlay of the image, with an upper directory of ours, where the image belongs; its supervisor sees to it that files are copied up. */
async function placePopulated({ id, target, runtimeFolder, attributes }: MountPlan, place: ByteString, cache: string, supervisor: ChildProcess): Promise<void> {
  try {
    removeStaleScratch(cache, runtimeFolder);
    const { upper, work } = scratchOf(cache, id);
    await callAttacher({ type: 'overlay', target: place, options: { lowers: [target], attributes, unprivileged: !isMachineRoot(), upper: fromText(upper), work: fromText(work), readOnly: true } });
    try {
      await ask(socketPath({ runtimeFolder, id }), { command: 'populate', target: place });
    } catch (error) {
      takeOut(place, true);
      throw error;
    }
  } catch (error) {
    supervisor.disconnect();
    await ended([{ supervisor }]);
    rmSync(scratchOf(cache, id).folder, { recursive: true, force: true });
    throw error;
  }
}

/** Waits for the supervisors, and with them their servers, to end. */
export async function ended(layers: readonly Pick<Layer, 'supervisor'>[]): Promise<void> {
  await Promise.all(layers.map(async ({ supervisor }) => {
    if (supervisor?.exitCode === null) await new Promise<void>((end) => supervisor.once('exit', () => { end(); }));
  }));
}

/** Lets the supervisors go on by themselves; in the foreground they end with this process, or when the signal aborts. */
export function settleAll(layers: readonly Layer[], { foreground = false, signal }: MountOptions): void {
  for (const { supervisor, cost } of layers) {
    if (supervisor === undefined) continue;
    settle(supervisor, { cost, foreground });
    if (!foreground || signal === undefined) continue;
    // It takes the mount out of the tree when its front is gone.
    const leave = (): void => { if (supervisor.connected) supervisor.disconnect(); };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
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

/** @returns what it is called in plans: servers work in another folder */
export function absolute(location: string): string {
  if (schemeOf(location) !== undefined) return location;
  try {
    return realpathSync(location);
  } catch (error) {
    throw fromErrno(error, `opening ${location}`);
  }
}
