/** A mount as it was asked for, complete and checked: what the front hands to the supervisor and every server starts from. JSON. */
import type { KnownOrigin } from '../image/lazy-image.js';

export type Backend = 'block' | 'tree';

/** Name of the only file that the block back-end serves. */
export const IMAGE_FILE = 'image';

/** A plain ext4 file of this machine, unsigned. */
export interface RawPlan {
  readonly kind: 'raw';
  readonly path: string;
}

/** An image whose head the front has fetched and trusted: servers take it as it is, so they start without the network. */
export interface ImagePlan {
  readonly kind: 'image';
  /** Where to fetch from, best first. */
  readonly locations: readonly string[];
  /** The head, base64. */
  readonly head: string;
  /** Where the front got it from, and what that was then; absent for a head that was remembered, and for places that have to be asked for. */
  readonly origin?: KnownOrigin;
  /** Folder of the chunk store, and its budget in bytes. */
  readonly cache: string;
  readonly cacheSize: number;
  readonly offline: boolean;
  /** Milliseconds that a read waits for an origin that does not answer. */
  readonly readTimeout: number;
  /** Fetch the rest in the background, at most this many bytes per second (0 = no limit). */
  readonly fill: boolean;
  readonly fillRate: number;
  /** Fetch first what a start-up profile names; default true. */
  readonly prefetch?: boolean;
  /** Path of that profile; default the one in the image. */
  readonly profile?: string;
  /** Path of a profile to record into. */
  readonly record?: string;
  /** Block back-end: write the complete image out and mount on without a server. */
  readonly handover: boolean;
}

export interface MountPlan {
  /** Names the mount's control socket; letters, digits and hyphens. */
  readonly id: string;
  readonly backend: Backend;
  /** Absolute path of the directory that the image is mounted on, a byte string. */
  readonly target: string;
  /** Where people see it: the same, unless it is a layer of an overlay. */
  readonly directory: string;
  readonly content: RawPlan | ImagePlan;
  /** Everything belongs to the user who mounts: where other ids have no meaning (a user namespace). */
  readonly squash: boolean;
  /** Attributes of the mount that people see, beyond read-only: src/mount/restrictions.ts. */
  readonly attributes: number;
  /** Folder of control sockets and logs. */
  readonly runtimeFolder: string;
  /** Milliseconds without an answer after which a server is taken for hung and replaced. */
  readonly watchdog: number;
  /** Tell the supervisor when something was fetched: files are copied up as they become whole. */
  readonly populate?: boolean;
  /** Print every FUSE request to standard error. */
  readonly trace: boolean;
  /** The mount ends with the process that asked for it, whose standard error gets the servers' messages. */
  readonly foreground: boolean;
}
