/** What a chunk store holds, for people. */
import type { DiskStore } from './disk-store.js';
import { rawImagesIn } from './raw-folder.js';

export interface CacheSummary {
  readonly folder: string;
  /** Chunk frames and index pages. */
  readonly objects: number;
  /** Disk space in bytes. */
  readonly objectSpace: number;
  /** By root hash. */
  readonly rawImages: readonly { readonly name: string; readonly space: number }[];
  readonly rawSpace: number;
}

/** Cost: looks at every object. */
export function summarise(store: DiskStore): CacheSummary {
  let [objects, objectSpace] = [0, 0];
  for (const { space } of store.objects()) {
    objects++;
    objectSpace += space;
  }
  const rawImages = rawImagesIn(store.folder).map(({ rootHash, space }) => ({ name: rootHash, space }));
  return { folder: store.folder, objects, objectSpace, rawImages, rawSpace: rawImages.reduce((sum, { space }) => sum + space, 0) };
}
