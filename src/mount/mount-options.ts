/** What a mount may be asked for, and what is told of it. */
import type { SourceOptions } from '../source/open-source.js';
import type { TrustPolicy } from '../trust/policy.js';
import type { Backend } from './plan.js';
import type { Restriction } from './restrictions.js';

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
  /** Fetch first what a start-up profile names; default true. */
  readonly prefetch?: boolean;
  /** Path of that profile; default the one in the image, if there is one. */
  readonly profile?: string;
  /** Record what is read into this file, a profile for later builds and mounts; it is written while the image is mounted, and in the end. Of one image only. */
  readonly record?: string;
  /** Write a complete image out and mount on without a server; default true. */
  readonly handover?: boolean;
  /** The mount ends with this process, or when `signal` aborts; its servers print to standard error. */
  readonly foreground?: boolean;
  /** Writable overlay: what is written goes to this directory. */
  readonly upper?: string;
  /** Of the overlay: an empty directory on the same file system as `upper`; default `UPPER.work`. */
  readonly work?: string;
  /** Ignore set-user-id bits, devices, or programs as such; default none. With `replace` what the old mount forbids stays forbidden. */
  readonly restrictions?: readonly Restriction[];
  /** Copy files that are whole on this machine out of the image, so that reading them needs no server; default false. Needs Linux 5.12. */
  readonly populate?: boolean;
  /** Take the place of the mount of ours that is on the directory, in one step; its open files stay as they are. Needs Linux 6.5. */
  readonly replace?: boolean;
  /** Do nothing when the images are mounted on the directory already, by these locations; default false: they are mounted over it. */
  readonly once?: boolean;
  /** Print every FUSE request. */
  readonly trace?: boolean;
  readonly runtimeFolder?: string;
  readonly sourceOptions?: SourceOptions;
  readonly signal?: AbortSignal;
}

export interface LayerReport {
  readonly name: string;
  readonly rootHash: string;
  /** Names the layer's control socket; absent when no server was needed. */
  readonly id?: string;
}

export interface MountReport {
  readonly directory: string;
  readonly backend: Backend;
  /** The images, the topmost first. */
  readonly layers: readonly LayerReport[];
  /** With `once`: whether they were mounted already. */
  readonly already?: boolean;
  /** Where what is written goes: `upper`, or the upper directory of the mount that was replaced. */
  readonly upper?: string;
  /** After `replace` of a mount with servers: whether somebody still uses it; they live on until its last file is closed then. */
  readonly previousInUse?: boolean;
  /** In the foreground: resolves when the servers have ended. */
  readonly ended: Promise<void>;
}
