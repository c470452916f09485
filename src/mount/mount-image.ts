/** Mounting: from what the user asked for to a plan, and from the plan to a mount. */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { fromBytes } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { findRawCopy } from '../image/raw-copy.js';
import { openTrustedHead } from '../image/trusted-head.js';
import type { SourceOptions } from '../source/open-source.js';
import { DEFAULT_DISK_BUDGET } from '../store/disk-store.js';
import type { TrustPolicy } from '../trust/policy.js';
import { MiB } from '../units.js';
import { attachFile } from './block.js';
import type { Backend, MountPlan } from './plan.js';
import { defaultRuntimeFolder } from './runtime-folder.js';
import { startMount } from './start-mount.js';

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
  /** Stay in the foreground: the supervisor is a child that prints to standard error, and is given back. */
  readonly foreground?: boolean;
  /** Print every FUSE request. */
  readonly trace?: boolean;
  readonly runtimeFolder?: string;
  readonly sourceOptions?: SourceOptions;
  readonly signal?: AbortSignal;
}

export interface MountReport {
  readonly target: string;
  readonly backend: Backend;
  readonly name: string;
  readonly rootHash: string;
  /** Names the mount's control socket; absent when no server was needed. */
  readonly id?: string;
  /** Only in the foreground: resolves when the mount is gone. */
  readonly ended?: Promise<void>;
}

/** Milliseconds. */
const WATCHDOG = 5000;
const READ_TIMEOUT = 60_000;

/**
 * Mounts an image, and returns when it is usable. A supervisor with its server stays behind, unless the image is complete on
 * this machine already: then the kernel needs nobody.
 *
 * Cost: one request, or none when the image was mounted here before and its origin is down.
 *
 * @param location a path or an http(s) URL
 * @param directory an existing directory
 * @throws what opening and trusting the image throws; NO_FUSE_DEVICE, NOT_PERMITTED, MOUNT_FAILED, PATH_MISSING
 */
export async function mountImage(location: string, directory: string, options: MountOptions): Promise<MountReport> {
  const { mirrors = [], offline = false, handover = true, foreground = false, trace = false, signal } = options;
  const target = targetOf(directory);
  const backend = options.backend === undefined || options.backend === 'auto' ? bestBackend() : options.backend;
  const cache = options.cache ?? defaultCacheFolder();
  const locations = [location, ...mirrors].map(absolute);
  const { bytes, manifest } = await openTrustedHead(locations, {
    trust: options.trust, cache, offline, sourceOptions: { ...options.sourceOptions, ...(signal === undefined ? {} : { signal }) },
  });
  const { name, verity: { rootHash } } = manifest;
  const report = { target: directory, backend, name, rootHash };
  const rawCopy = backend === 'block' && handover ? findRawCopy(cache, rootHash) : undefined;
  if (rawCopy !== undefined) {
    attachFile(rawCopy, target, MiB);
    return report;
  }
  const id = `${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 40)}-${randomBytes(4).toString('hex')}`;
  const plan: MountPlan = {
    id, backend, target, squash: backend === 'tree' && !ownsAllIds(), foreground, trace, watchdog: WATCHDOG,
    runtimeFolder: options.runtimeFolder ?? defaultRuntimeFolder(),
    content: {
      kind: 'image', locations, head: Buffer.from(bytes).toString('base64'), cache, cacheSize: options.cacheSize ?? DEFAULT_DISK_BUDGET,
      offline, readTimeout: options.readTimeout ?? READ_TIMEOUT, fill: options.fill ?? true, fillRate: options.fillRate ?? 0, handover,
    },
  };
  const supervisor = await startMount(plan, signal);
  return {
    ...report, id,
    ...(foreground ? { ended: new Promise<void>((resolve) => supervisor.once('exit', () => { resolve(); })) } : {}),
  };
}

/** @returns where chunks are kept unless somebody says otherwise */
export function defaultCacheFolder(): string {
  if (process.getuid?.() === 0) return '/var/cache/thawfs';
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
    return process.getuid?.() === 0 && ownsAllIds() ? 'block' : 'tree';
  } catch {
    return 'tree';
  }
}

/** False in a user namespace, where files of other users would belong to nobody, and for ordinary users. */
function ownsAllIds(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    return /^\s*0\s+0\s+4294967295$/m.test(fromBytes(readFileSync('/proc/self/uid_map')));
  } catch {
    return true;
  }
}

function absolute(location: string): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(location)) return location;
  try {
    return realpathSync(location);
  } catch (error) {
    throw fromErrno(error, `opening ${location}`);
  }
}
