/**
 * Layers on their way into an overlay, and how they are found again. The kernel shows the paths that an overlay's layers were
 * given for as long as the overlay lives, so those paths are the record of what it is made of: `…/NUMBER-ROOTHASH-ID`.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fromText, toBytes, type ByteString } from '../bytes/byte-string.js';
import { hasCode, ThawfsError } from '../errors.js';
import { unmount, unmountFlags } from '../sys/mount.js';
import { backingFile, loopDevices } from '../sys/loop-files.js';
import { placeRawImage } from './join.js';
import type { OwnMount } from './own-mount.js';
import { layerFolder, layersIn, rawCopyUnder, type LayerName } from './mount-table.js';
import { ask, claimRuntimeFolder } from './runtime-folder.js';
import { liveMounts, type LiveMount } from './status.js';

/** Milliseconds between two attempts, and in all, while a server is being replaced. */
const RETRY_INTERVAL = 50;
const PATIENCE = 5000;

/** Places for layers, outside of everybody's way. */
export class Staging {
  /** Paths, the topmost layer first. */
  readonly places: ByteString[] = [];
  private readonly folder: string;

  /** @param runtimeFolder created when missing, for its owner only */
  constructor(runtimeFolder: string) {
    claimRuntimeFolder(runtimeFolder);
    this.folder = mkdtempSync(`${runtimeFolder}/layers-`);
  }

  /** @returns an empty directory for a layer below those that have one */
  add(layer: LayerName): ByteString {
    const path = `${this.folder}/${layerFolder(this.places.length, layer)}`;
    mkdirSync(path);
    const place = fromText(path);
    this.places.push(place);
    return place;
  }

  /** Takes the layers out of the tree: whatever holds them by now keeps them, and where nothing does they end. */
  letGo(): void {
    for (const place of this.places) {
      try {
        unmount(place, unmountFlags.detach);
      } catch (error) {
        if (!hasCode(error, 'NOT_MOUNTED')) throw error;
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @returns what a mount of ours consists of, the topmost first */
export async function layersOf({ entry, live }: OwnMount): Promise<LayerName[]> {
  if (entry.type === 'overlay') return layersIn(entry);
  const [server] = live;
  if (server === undefined) return [{ rootHash: rawCopyUnder(entry)?.slice(-64) ?? '' }];
  return [{ id: String(server['id']), rootHash: await rootHashOf(server) }];
}

/**
 * Mounts a layer of a live mount a second time. Where nobody answers for it, it is looked for again for a while: who served it may just have ended, as its image is complete.
 *
 * @param live the servers of the mount
 * @throws MOUNT_FAILED when it has neither a server nor a raw image any more
 */
export async function placeAgain(layer: LayerName, live: readonly LiveMount[], place: ByteString, runtimeFolder: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE;; live = await liveMounts(runtimeFolder)) {
    if (await placeServed(layer, live, place)) return;
    const rawImage = loopDevices().map(backingFile).find((file) => file.endsWith(`/raw/${layer.rootHash}`));
    if (rawImage !== undefined) {
      placeRawImage(toBytes(rawImage).toString(), place);
      return;
    }
    if (Date.now() > deadline) {
      const others = live.map(({ id, state }) => `${String(id)} ${state}`).join(', ');
      throw new ThawfsError('MOUNT_FAILED', `the layer ${layer.rootHash.slice(0, 16)} has lost its server ${layer.id ?? ''} (there are: ${others || 'none'})`, {
        detail: { rootHash: layer.rootHash }, suggestion: 'Unmount, and mount all images again.',
      });
    }
    await delay(RETRY_INTERVAL);
  }
}

/** @returns whether its server did it */
async function placeServed({ id }: LayerName, live: readonly LiveMount[], place: ByteString): Promise<boolean> {
  const server = id === undefined ? undefined : live.find((each) => each['id'] === id);
  if (server === undefined) return false;
  try {
    await ask(server.socket, { command: 'place', target: place });
    return true;
  } catch (error) {
    if (!hasCode(error, 'NOT_MOUNTED')) throw error; // it has just become complete
    return false;
  }
}

/** Waits for a server when it is just being replaced. */
async function rootHashOf(server: LiveMount): Promise<string> {
  let told: Readonly<Record<string, unknown>> = server;
  for (const deadline = Date.now() + PATIENCE; typeof told['rootHash'] !== 'string';) {
    if (Date.now() > deadline) throw new ThawfsError('MOUNT_FAILED', `${server.socket}: no server answers`, { suggestion: 'Look at thawfs status, and try again.' });
    await delay(RETRY_INTERVAL);
    told = await ask(server.socket, { command: 'status' }) as Record<string, unknown>;
  }
  return told['rootHash'];
}
