/**
 * What the processes of a mount say to each other, over Node's IPC channel:
 *
 *     front (the command)  <->  supervisor (holds the FUSE descriptor)  <->  server, standby server
 *                                           |
 *                                     attacher (kernel calls that may block), populator (copies files up)
 */
import { errorCodes, ThawfsError, type ErrorCode, type ErrorDetail } from '../errors.js';
import type { FetchCost } from '../image/lazy-statistics.js';
import type { LoopPair } from './block.js';
import type { OverlayOptions } from './overlay.js';
import type { PopulateStatus } from './copy-up.js';
import type { ServedImage } from './local-view.js';
import type { MountPlan } from './plan.js';
import type { Scratch } from './scratch.js';

export type FrontMessage =
  | { readonly type: 'mount'; readonly plan: MountPlan }
  /** The front has done its part, and fetched this much; from here on the mount stands without it. */
  | { readonly type: 'settled'; readonly cost?: FetchCost };

export type SupervisorReply =
  | { readonly type: 'mounted' }
  | { readonly type: 'failed'; readonly error: ErrorRecord };

/** The argument of a server's program. */
export type ServerRank = 'first' | 'standby';

export type ToServer =
  /** The first message: open everything; serve at once, or be ready to `take-over`, as the rank says. */
  | { readonly type: 'prepare'; readonly plan: MountPlan }
  | { readonly type: 'take-over' }
  | { readonly type: 'ping' }
  | { readonly type: 'ask'; readonly id: number; readonly question: ServerQuestion };

export type FromServer =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'pong'; readonly stuck: boolean; readonly handled: number }
  | { readonly type: 'unmounted' }
  /** The raw image lies in this file now. */
  | { readonly type: 'complete'; readonly path: string }
  /** Chunks were fetched since the last time. */
  | { readonly type: 'arrived' }
  | { readonly type: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: ErrorRecord };

/** What is passed on to the server. */
export type ServerQuestion =
  | { readonly command: 'status' }
  | { readonly command: 'fill' }
  | { readonly command: 'stop-filling' }
  /** How many bytes at the start of the image are its metadata, if they are here. */
  | { readonly command: 'local-metadata' };

/** What the control socket takes, one JSON line each. */
export type Question =
  | { readonly command: 'status' | 'fill' }
  /** What is served, and where it is kept: for who wants to look by himself. */
  | { readonly command: 'image' }
  /** Another mount may show what this one serves, if its {@link servingKey} is the same. */
  | { readonly command: 'join'; readonly key: string }
  /** The mount has left the tree; who has files open still needs it. */
  | { readonly command: 'detached' }
  /** Mount the file system a second time, on this absolute path. */
  | { readonly command: 'place'; readonly target: string }
  /** An overlay of the file system is mounted on this absolute path: copy files up through it. */
  | { readonly command: 'populate'; readonly target: string };

export type ToAttacher =
  | { readonly type: 'attach'; readonly target: string; readonly attributes: number; readonly label: string; readonly readAhead: number }
  | { readonly type: 'place'; readonly device: string; readonly target: string }
  | { readonly type: 'warm'; readonly device: string; readonly size: number }
  | { readonly type: 'detach'; readonly target: string }
  | { readonly type: 'overlay'; readonly target: string; readonly options: OverlayOptions }
  | { readonly type: 'hand-over'; readonly devices: LoopPair; readonly path: string; readonly readAhead: number };
export type FromAttacher = { readonly type: 'done'; readonly devices?: LoopPair } | { readonly type: 'failed'; readonly error: ErrorRecord };

export interface PopulateOrder {
  /** Where the overlay is mounted now, a byte string. */
  readonly view: string;
  /** Where people see it. */
  readonly directory: string;
  readonly scratch: Scratch;
  readonly image: ServedImage;
}
export type ToPopulator = { readonly type: 'populate'; readonly order: PopulateOrder } | { readonly type: 'arrived' | 'end' };
export type FromPopulator =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'progress'; readonly status: PopulateStatus };

/** A {@link ThawfsError} as JSON. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
  readonly suggestions: readonly string[];
}

export function recordOf(error: unknown): ErrorRecord {
  if (error instanceof ThawfsError) {
    return { code: error.code, message: error.message, detail: error.detail, suggestions: error.suggestions };
  }
  return { code: 'MOUNT_FAILED', message: error instanceof Error ? error.stack ?? error.message : String(error), detail: {}, suggestions: [] };
}

export function errorOf({ code, message, detail, suggestions }: ErrorRecord): ThawfsError {
  return new ThawfsError(code in errorCodes ? code : 'MOUNT_FAILED', message, {
    detail, ...(suggestions[0] === undefined ? {} : { suggestion: suggestions[0] }),
  });
}
