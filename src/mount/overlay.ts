/**
 * A writable or stacked view: overlayfs over one or more lazy images. Its layers need no place in the tree once it is
 * mounted: overlayfs holds them, and with its end they end.
 */
import { closeSync, mkdirSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.js';
import { toBytes } from '../bytes/byte-string.js';
import { fromErrno } from '../errors.js';
import { createMount, mountAttributes, placeMount } from '../sys/mount.js';

export interface OverlayOptions {
  /** Paths of mounted images, the topmost first. */
  readonly lowers: readonly ByteString[];
  /** Takes what is written; created when missing. Absent: the view is read-only. */
  readonly upper?: ByteString;
  /** On the same file system as `upper`, and empty; default `UPPER.work`. */
  readonly work?: ByteString;
  /** Without the rights of the machine's root: overlayfs keeps its notes in user.* attributes. */
  readonly unprivileged: boolean;
}

/** What mountinfo shows as the source of our overlays. */
export const OVERLAY_SOURCE = 'thawfs';

/**
 * @param target where the merged view is put
 * @throws MOUNT_FAILED with the kernel's reason, NOT_PERMITTED, NO_SPACE
 */
export function mountOverlay(target: ByteString, { lowers, upper, work, unprivileged }: OverlayOptions): void {
  const workFolder = upper === undefined ? undefined : work ?? `${upper}.work`;
  try {
    for (const folder of [upper, workFolder]) if (folder !== undefined) mkdirSync(toBytes(folder), { recursive: true });
  } catch (error) {
    throw fromErrno(error, 'preparing the upper directory');
  }
  const mount = createMount('overlay', {
    flags: unprivileged ? ['userxattr'] : [],
    strings: [
      ['source', OVERLAY_SOURCE], ...lowers.map((lower) => ['lowerdir+', lower] as const),
      ...(upper === undefined || workFolder === undefined ? [] : [['upperdir', upper], ['workdir', workFolder]] as const),
    ],
    attributes: upper === undefined ? mountAttributes.readOnly : 0,
  });
  try {
    placeMount(mount, target);
  } finally {
    closeSync(mount);
  }
}
