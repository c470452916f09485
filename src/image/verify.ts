/** `verify`: who made the image, and is it whole and sound. Also the check after every build. */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Ext4Reader } from '../ext4/reader/reader.js';
import { checkInSteps, checkStructure, type Ext4Check } from '../ext4/reader/check.js';
import type { Manifest } from '../format/manifest.js';
import { schemeOf } from '../source/open-source.js';
import { ignoreFailure } from '../store/departure.js';
import type { TrustReport } from '../trust/policy.js';
import { checkContainer, type CheckOptions, type LocalFile } from './check-container.js';
import type { Image } from './image.js';
import { openImage, type OpenOptions } from './open.js';
import { createPool, packingOf } from './pack.js';

export interface VerifyOptions extends OpenOptions {
  /** Have an independent reader (WebAssembly libext2fs) walk all files too and compare; default false. */
  readonly deep?: boolean;
  /** Worker threads, default the processors of this machine. */
  readonly jobs?: number;
  /** Raw bytes checked so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface VerifyReport {
  readonly location: string;
  readonly manifest: Manifest;
  /** Every signature with its state; empty for an unsigned image. */
  readonly signatures: TrustReport['signatures'];
  readonly signedBy: readonly string[];
  readonly fileSize: number;
  readonly structure: Ext4Check;
  /** Names that both readers agree on; only with `deep`. */
  readonly comparedNames?: number;
}

/**
 * Trust policy first, then every chunk, the index, the dm-verity tree and the seek table, then the structure of the file system.
 *
 * Cost: reads the whole image; a local one with all threads at the speed of decompressing and hashing.
 *
 * @param location a path or URL
 * @throws what openImage and checkContainer throw; STRUCTURE_INVALID for a file system that is not sound, or that the two readers
 *   see differently; FEATURE_UNSUPPORTED when the second reader cannot open it
 */
export async function verifyImage(location: string, { deep = false, jobs = availableParallelism(), onProgress, ...options }: VerifyOptions): Promise<VerifyReport> {
  await using image = await openImage(location, options);
  const { signal } = options;
  const path = pathOf(location);
  const pool = createPool({ ...packingOf(image.manifest), jobs, signal });
  try {
    const structure = await checkImage(image, path === undefined ? undefined : { path, pool }, { signal, onProgress });
    const comparedNames = deep ? await (await import('./deep-check.js')).compareReaders(image, signal) : undefined;
    return {
      location: image.location, manifest: image.manifest, signatures: image.trust.signatures, signedBy: image.trust.signedBy, fileSize: image.fileSize, structure,
      ...(comparedNames === undefined ? {} : { comparedNames }),
    };
  } finally {
    await pool.close();
  }
}

/**
 * The content of an open image: container and file system. Of a local one this thread reads the structure while the others decompress; what
 * the container has to say goes first all the same, so that one damage always gives one error. As {@link verifyImage} in failing.
 */
export async function checkImage(image: Image, local: LocalFile | undefined, options: CheckOptions): Promise<Ext4Check> {
  if (local === undefined) {
    await checkContainer(image, local, options);
    return image.run((view) => checkStructure(new Ext4Reader(view)), { signal: options.signal });
  }
  const stop = new AbortController();
  const structure = checkMeanwhile(image, stop.signal);
  ignoreFailure(structure); // while the container is read; whoever awaits it gets it
  try {
    await checkContainer(image, local, options);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled([structure]); // it reads the image, which is about to be closed
    throw error;
  }
  return structure;
}

async function checkMeanwhile({ randomAccess }: Image, signal: AbortSignal): Promise<Ext4Check> {
  const steps = checkInSteps(new Ext4Reader(randomAccess));
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await setImmediate();
    signal.throwIfAborted();
  }
}

function pathOf(location: string): string | undefined {
  if (/^file:/i.test(location)) return fileURLToPath(location);
  return schemeOf(location) === undefined ? location : undefined;
}
