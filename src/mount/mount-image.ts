/** Mounting images on a directory: alone, stacked, over what is mounted there, or in its place. */
import { closeSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { display, fromText, toBytes, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { readProfile } from '../image/profile/recording.js';
import { isMachineRoot, needsMountProgram } from '../sys/identity.js';
import { isRemote } from '../source/is-remote.js';
import { cloneMount, placeMount, replaceMount } from '../sys/mount.js';
import { callAttacher } from './attacher.js';
import { defaultCacheFolder } from './cache-folder.js';
import { ended, mountLayer, settleAll, type Layer } from './layer.js';
import type { MountOptions, MountReport } from './mount-options.js';
import { realDirectory } from './named-directory.js';
import { overlayPathIn, readMountTable } from './mount-table.js';
import { mountedAlready } from './mounted-already.js';
import type { OverlayOptions } from './overlay.js';
import { findOwnMount, type OwnMount } from './own-mount.js';
import { attributesOf, restrictionsOf } from './restrictions.js';
import { defaultRuntimeFolder } from './runtime-folder.js';
import { isScratch } from './scratch.js';
import { layersOf, placeAgain, Staging } from './stack.js';
import { markDetached, outOfSight } from './status.js';
import { untilGone } from './unmount.js';

/** Milliseconds for the servers of a replaced mount that nobody uses to end. */
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
  if (images.length > 1 || options.upper !== undefined || options.populate === true || options.replace === true || options.backend === 'block') requireRoot();
  if (options.record !== undefined && images.length > 1) throw new ThawfsError('BAD_ARGUMENT', 'mount: only one image can be recorded', { suggestion: 'Mount the image alone to record it.' });
  if (options.profile !== undefined) readProfile(options.profile);
  if (options.replace === true) return mountStack(images, directory, options, await findOwnMount(directory, options.runtimeFolder ?? defaultRuntimeFolder()));
  if (options.once === true) {
    const found = await mountedAlready(images, directory, { cache: options.cache ?? defaultCacheFolder(), runtimeFolder: options.runtimeFolder ?? defaultRuntimeFolder() });
    if (found !== undefined) return { directory, already: true, ...found, ended: Promise.resolve() };
  }
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
 * @throws NOT_MOUNTED; NOT_PERMITTED for ordinary users; MOUNT_BUSY when files of an upper directory are open for writing; as {@link mountImages}; the mount is as it was then
 */
export async function pushImage(directory: string, image: string, options: Omit<MountOptions, 'replace' | 'upper' | 'work'>): Promise<MountReport> {
  requireRoot();
  return mountStack([image], directory, options, await findOwnMount(directory, options.runtimeFolder ?? defaultRuntimeFolder()), true);
}

/** Of the machine or of a user namespace. */
function requireRoot(): void {
  if (!needsMountProgram()) return;
  throw new ThawfsError('NOT_PERMITTED', 'ordinary users mount one image, read-only', { suggestion: 'Run as root, or in a user namespace: unshare -Urm thawfs mount … (thawfs run does that for one image).' });
}

/**
 * @param old what is on the directory, and gives way
 * @param keep its layers stay, below the images
 */
async function mountStack(images: readonly string[], directory: string, options: MountOptions, old?: OwnMount, keep = false): Promise<MountReport> {
  const target = old?.target ?? targetOf(directory);
  const upper = upperOf(options, old);
  const restrictions = [...options.restrictions ?? [], ...(old === undefined ? [] : restrictionsOf(old.entry))];
  const kept = old !== undefined && keep ? await layersOf(old) : [];
  const layers: Layer[] = [];
  const runtimeFolder = options.runtimeFolder ?? defaultRuntimeFolder();
  const staging = new Staging(runtimeFolder);
  try {
    for (const [i, image] of images.entries()) {
      layers.push(await mountLayer(image, (name) => staging.add(name), target, { ...options, restrictions, mirrors: i === 0 ? options.mirrors ?? [] : [] }));
    }
    for (const layer of kept) await placeAgain(layer, old!.live, staging.add(layer), runtimeFolder);
    const lowers = withoutRepeats(staging.places);
    if (upper === undefined && lowers.length === 1) moveInto(lowers[0]!, target, old?.entry.id);
    else {
      const overlay: OverlayOptions = {
        lowers, attributes: attributesOf(restrictions), unprivileged: !isMachineRoot(), ...upper,
        ...(old === undefined ? {} : { replaces: { id: old.entry.id, sharesUpper: upper !== undefined && isSameFolder(upper.upper, overlayPathIn(old.entry, 'upperdir')) } }),
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
  const left = keep || old === undefined ? [] : outOfSight(old.live);
  await markDetached(left);
  return {
    directory, backend: layers[0]!.backend, layers: layers.map(({ report }) => report), ended: ended(layers),
    ...(upper === undefined ? {} : { upper: display(upper.upper) }), ...(left.length === 0 ? {} : { previousInUse: !await untilGone(left, GRACE) }),
  };
}

/** An image below itself shows nothing that is not above, and overlayfs refuses one file system as two layers. @param places the topmost first */
function withoutRepeats(places: readonly ByteString[]): ByteString[] {
  const devices = new Map(readMountTable().map(({ target, type, source }) => [target, type === 'ext4' ? source : target]));
  return places.filter((place, i) => places.findIndex((above) => devices.get(above) === devices.get(place)) === i);
}

/** The place goes to whoever moves in at the moment when the old mount leaves: there is no time between. */
function moveInto(place: ByteString, target: ByteString, old: number | undefined): void {
  const mount = cloneMount(place);
  try {
    if (old === undefined) placeMount(mount, target);
    else replaceMount(mount, target, old);
  } finally {
    closeSync(mount);
  }
}

/** What takes what is written: as was asked for, else as it was before. */
function upperOf({ upper, work }: MountOptions, old: OwnMount | undefined): { readonly upper: ByteString; readonly work?: ByteString } | undefined {
  if (upper !== undefined) return { upper: absoluteBytes(upper), ...(work === undefined ? {} : { work: absoluteBytes(work) }) };
  const [was, wasWork] = (['upperdir', 'workdir'] as const).map((name) => old === undefined ? undefined : overlayPathIn(old.entry, name));
  return was === undefined || wasWork === undefined || isScratch(was) ? undefined : { upper: was, work: wasWork };
}

function isSameFolder(path: ByteString, other: ByteString | undefined): boolean {
  const [a, b] = [path, other].map((folder) => folder === undefined ? undefined : statSync(toBytes(folder), { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function targetOf(directory: string): string {
  if (isRemote(directory)) throw new ThawfsError('BAD_ARGUMENT', `${directory}: is not a directory`, { suggestion: 'Name the directory last: thawfs mount IMAGE DIR' });
  try {
    const path = realDirectory(directory);
    if (!statSync(toBytes(path)).isDirectory()) throw new ThawfsError('BAD_ARGUMENT', `${directory}: is not a directory`, { suggestion: 'Name a directory to mount on.' });
    return path;
  } catch (error) {
    throw fromErrno(error, directory);
  }
}

function absoluteBytes(path: string): ByteString {
  return fromText(resolve(path));
}
