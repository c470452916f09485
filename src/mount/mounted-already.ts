/** Whether images are mounted on a directory already, for who may ask twice: `mount -a` compares sources, and sees a loop device where the fstab has a URL. */
import { decodeHead } from '../chunk/head.js';
import { hasCode } from '../errors.js';
import { decodeManifest } from '../format/manifest.js';
import { recallHead } from '../image/trusted-head.js';
import { absolute } from './layer.js';
import type { ServedImage } from './local-view.js';
import type { LayerReport, MountReport } from './mount-options.js';
import { findOwnMount, type OwnMount } from './own-mount.js';
import { ask } from './runtime-folder.js';
import { layersOf } from './stack.js';

/**
 * An image is known by the location that it is served from, whatever version that has by now; where nobody serves it, by the root hash that
 * the location had when it was last opened. No origin is asked.
 *
 * @param locations paths or URLs
 * @returns what mounting them would tell; undefined when one is not in the mount of ours that is on top there
 */
export async function mountedAlready(locations: readonly string[], directory: string, { cache, runtimeFolder }: { readonly cache: string; readonly runtimeFolder: string }): Promise<Pick<MountReport, 'backend' | 'layers'> | undefined> {
  for (;;) {
    const mount = await ownMount(directory, runtimeFolder);
    if (mount === undefined) return undefined;
    try {
      return await shown(locations, mount, cache);
    } catch (error) {
      if (!hasCode(error, 'NOT_MOUNTED')) throw error; // a server has ended since it was found, for its image is complete: look again
    }
  }
}

async function shown(locations: readonly string[], mount: OwnMount, cache: string): Promise<Pick<MountReport, 'backend' | 'layers'> | undefined> {
  const served = await servedBy(mount);
  const layers = await layersOf(mount);
  const found = locations.map((name): LayerReport | undefined => {
    const location = absolute(name);
    const server = served.find(({ image }) => image.locations[0] === location);
    if (server !== undefined) return { ...reportOf(Buffer.from(server.image.head, 'base64')), id: server.id };
    const head = recallHead(cache, location);
    const report = head === undefined ? undefined : reportOf(head);
    const layer = layers.find(({ rootHash }) => rootHash === report?.rootHash);
    return layer === undefined ? undefined : { ...report!, ...layer };
  });
  // Without a server it is the kernel's ext4 in any case.
  return found.includes(undefined) ? undefined : { backend: mount.live[0]?.backend ?? 'block', layers: found as LayerReport[] };
}

async function ownMount(directory: string, runtimeFolder: string): Promise<OwnMount | undefined> {
  try {
    return await findOwnMount(directory, runtimeFolder);
  } catch (error) {
    if (hasCode(error, 'NOT_MOUNTED')) return undefined;
    throw error;
  }
}

async function servedBy({ live }: OwnMount): Promise<{ readonly id: string; readonly image: ServedImage }[]> {
  return await Promise.all(live.map(async ({ id, socket }) => ({ id: String(id), image: await ask(socket, { command: 'image' }) as ServedImage })));
}

function reportOf(head: Uint8Array): Pick<LayerReport, 'name' | 'rootHash'> {
  const { name, verity: { rootHash } } = decodeManifest(decodeHead(head).manifest);
  return { name, rootHash };
}
