/** Mounting: from what the user asked for to a plan, and from the plan to a mount. */
import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { fromBytes, fromText, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { findRawCopy } from '../image/raw-copy.js';
import { openTrustedHead } from '../image/trusted-head.js';
import type { SourceOptions } from '../source/open-source.js';
import { DEFAULT_DISK_BUDGET } from '../store/disk-store.js';
import type { TrustPolicy } from '../trust/policy.js';
import { isMachineRoot } from '../sys/identity.js';
import { unmount, unmountFlags } from '../sys/mount.js';
import { MiB } from '../units.js';
import { callAttacher } from './attacher.js';
import { attachFile } from './block.js';
import type { Backend, MountPlan } from './plan.js';
import type { OverlayOptions } from './overlay.js';
import { defaultRuntimeFolder } from './runtime-folder.js';
import { settle, startMount } from './start-mount.js';

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
  /** Write a complete image out and mount on without a server; default true. */
  readonly handover?: boolean;
  /** The mount ends with this process, or when `signal` aborts; its servers print to standard error. */
  readonly foreground?: boolean;
  /** Writable overlay: what is written goes to this directory. */
  readonly upper?: string;
  /** Of the overlay: an empty directory on the same file system as `upper`; default `UPPER.work`. */
  readonly work?: string;
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
  /** In the foreground: resolves when the servers have ended. */
  readonly ended: Promise<void>;
}

/** Milliseconds. */
const WATCHDOG = 5000;
const READ_TIMEOUT = 60_000;

/**
 * Mounts one image, or several stacked, and returns when the directory is usable. A supervisor with its server stays behind
 * for each, unless the image is complete on this machine already: then the kernel needs nobody.
 *
 * Cost: one request per image, or none when it was mounted here before and its origin is down.
 *
 * @param images paths or http(s) URLs, the topmost first
 * @param directory an existing directory
 * @throws what opening and trusting the images throws; NO_FUSE_DEVICE, NOT_PERMITTED, MOUNT_FAILED, PATH_MISSING; nothing is left then
 */
export async function mountImages(images: readonly string[], directory: string, options: MountOptions): Promise<MountReport> {
  const target = targetOf(directory);
  const [first] = images;
  if (first === undefined) throw new ThawfsError('BAD_ARGUMENT', 'mount: no image', { suggestion: 'Name an image.' });
  if (images.length === 1 && options.upper === undefined) {
    const layer = await mountLayer(first, target, target, options);
    settleAll([layer]);
    return { directory, backend: layer.backend, layers: [layer.report], ended: ended([layer]) };
  }
  const layers: Layer[] = [];
  const folder = mkdtempSync(`${tmpdir()}/thawfs-layers-`);
  // The overlay holds its layers; when there is none they end here.
  const letGo = (): void => {
    for (const i of layers.keys()) unmount(`${folder}/${i}`, unmountFlags.detach);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const [i, image] of images.entries()) {
      const place = `${folder}/${i}`;
      mkdirSync(place);
      layers.push(await mountLayer(image, place, target, { ...options, mirrors: i === 0 ? options.mirrors ?? [] : [] }));
    }
    const overlay: OverlayOptions = {
      lowers: layers.map((_, i) => `${folder}/${i}`), unprivileged: !isMachineRoot(),
      ...(options.upper === undefined ? {} : { upper: absoluteBytes(options.upper) }), ...(options.work === undefined ? {} : { work: absoluteBytes(options.work) }),
    };
    // It looks into the layers, which may wait for the network: not in this process, which has to listen to Ctrl-C.
    await callAttacher({ type: 'overlay', target, options: overlay });
  } catch (error) {
    letGo();
    await ended(layers);
    throw error;
  }
  settleAll(layers);
  letGo();
  return { directory, backend: layers[0]!.backend, layers: layers.map(({ report }) => report), ended: ended(layers) };
}

function settleAll(layers: readonly Layer[]): void {
  for (const { supervisor } of layers) if (supervisor !== undefined) settle(supervisor);
}

interface Layer {
  readonly report: LayerReport;
  readonly backend: Backend;
  readonly supervisor?: ChildProcess;
}

async function mountLayer(location: string, target: ByteString, directory: ByteString, options: MountOptions): Promise<Layer> {
  const { mirrors = [], offline = false, handover = true, foreground = false, trace = false, signal } = options;
  const backend = options.backend === undefined || options.backend === 'auto' ? bestBackend() : options.backend;
  const cache = options.cache ?? defaultCacheFolder();
  const locations = [location, ...mirrors].map(absolute);
  const { bytes, manifest } = await openTrustedHead(locations, {
    trust: options.trust, cache, offline, sourceOptions: { ...options.sourceOptions, ...(signal === undefined ? {} : { signal }) },
  });
  const { name, verity: { rootHash } } = manifest;
  const rawCopy = backend === 'block' && handover ? findRawCopy(cache, rootHash) : undefined;
  if (rawCopy !== undefined) {
    attachFile(rawCopy, target, MiB);
    return { backend, report: { name, rootHash } };
  }
  const id = `${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 40)}-${randomBytes(4).toString('hex')}`;
  const plan: MountPlan = {
    id, backend, target, directory, squash: backend === 'tree' && !isMachineRoot(), foreground, trace, watchdog: WATCHDOG,
    runtimeFolder: options.runtimeFolder ?? defaultRuntimeFolder(),
    content: {
      kind: 'image', locations, head: Buffer.from(bytes).toString('base64'), cache, cacheSize: options.cacheSize ?? DEFAULT_DISK_BUDGET,
      offline, readTimeout: options.readTimeout ?? READ_TIMEOUT, fill: options.fill ?? true, fillRate: options.fillRate ?? 0, handover,
    },
  };
  const supervisor = await startMount(plan, signal);
  if (foreground) signal?.addEventListener('abort', () => { if (supervisor.connected) supervisor.disconnect(); }, { once: true });
  return { backend, supervisor, report: { name, rootHash, id } };
}

async function ended(layers: readonly Layer[]): Promise<void> {
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
