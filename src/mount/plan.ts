/** A mount as it was asked for, complete and checked: what the front hands to the supervisor and every server starts from. JSON. */
export type Backend = 'block' | 'tree';

/** What is served. */
export type ContentPlan =
  /** A plain ext4 file of this machine, unsigned. */
  | { readonly kind: 'raw'; readonly path: string };

export interface MountPlan {
  /** Names the mount's control socket; letters, digits and hyphens. */
  readonly id: string;
  readonly backend: Backend;
  /** Absolute path of the directory, a byte string. */
  readonly target: string;
  readonly content: ContentPlan;
  /** Folder of control sockets and logs. */
  readonly runtimeFolder: string;
  /** Milliseconds without an answer after which a server is taken for hung and replaced. */
  readonly watchdog: number;
  /** Print every FUSE request to standard error. */
  readonly trace: boolean;
  /** The command stays, and its terminal sees the servers' messages. */
  readonly foreground: boolean;
}
