/** Flags of the commands that mount: mount and run. */
import { boolean, option, string } from '@oclif/core/flags';
import { sizeFlag } from './flags.js';
import { trustFlags, trustPolicy, type TrustFlags } from './trust.js';
import { ThawfsError } from '../errors.js';
import type { MountOptions } from '../mount/mount-options.js';

export const mountFlags = {
  'cache': string({ helpValue: 'DIR', helpGroup: 'CACHE', summary: 'Where chunks are kept; /var/cache/thawfs for root, else ~/.cache/thawfs, unless given.' }),
  'cache-size': sizeFlag({ helpGroup: 'CACHE', summary: 'Disk space that chunks may take; 4G unless given.' }),
  'offline': boolean({ helpGroup: 'CACHE', summary: 'Use only what is on this machine.' }),
  'mirror': string({ multiple: true, multipleNonGreedy: true, helpValue: 'URL', summary: 'Another place of the same image, asked when the first fails. May be repeated.' }),
  'fill': boolean({ allowNo: true, default: true, summary: 'Fetch the rest in the background; on unless --no-fill.' }),
  'fill-rate': sizeFlag({ summary: 'Most bytes per second of the background.' }),
  'profile': string({ helpValue: 'FILE', helpGroup: 'PROFILE', summary: 'Fetch first what this profile names, in its order; the profile in the image unless given.' }),
  'prefetch': boolean({ allowNo: true, default: true, helpGroup: 'PROFILE', summary: 'Fetch first what a profile names; on unless --no-prefetch.' }),
  'record': string({ helpValue: 'FILE', helpGroup: 'PROFILE', summary: 'Write what is read, and in which order, into this profile.' }),
  'handover': boolean({ allowNo: true, default: true, summary: 'When everything is here, go on without a server; on unless --no-handover.' }),
  'read-timeout': string({ helpValue: 'SECONDS', default: '60', summary: 'How long a read waits for an origin that does not answer.' }),
  'backend': option({ options: ['auto', 'block', 'tree'] as const, default: 'auto', summary: 'block: kernel ext4, for root. tree: our own reader behind FUSE, for everybody, and for images that are not trusted.' })(),
  'trace': boolean({ hidden: true, summary: 'Print every FUSE request to standard error.' }),
  ...trustFlags,
};

export interface MountFlags extends TrustFlags {
  readonly 'cache'?: string | undefined;
  readonly 'cache-size'?: number | undefined;
  readonly 'offline': boolean;
  readonly 'mirror'?: readonly string[] | undefined;
  readonly 'fill': boolean;
  readonly 'fill-rate'?: number | undefined;
  readonly 'profile'?: string | undefined;
  readonly 'prefetch': boolean;
  readonly 'record'?: string | undefined;
  readonly 'handover': boolean;
  readonly 'read-timeout': string;
  readonly 'backend': 'auto' | 'block' | 'tree';
  readonly 'trace': boolean;
}

/** @throws BAD_ARGUMENT; what {@link trustPolicy} throws */
export async function mountOptions(flags: MountFlags, signal: AbortSignal): Promise<MountOptions> {
  const { cache, 'cache-size': cacheSize, offline, mirror, fill, 'fill-rate': fillRate, profile, prefetch, record, handover, backend, trace } = flags;
  return {
    trust: await trustPolicy(flags), signal, backend, offline, prefetch, handover, trace, fill: fill && !offline, readTimeout: parseSeconds(flags['read-timeout']) * 1000,
    ...(profile === undefined ? {} : { profile }), ...(record === undefined ? {} : { record }),
    ...(cache === undefined ? {} : { cache }), ...(cacheSize === undefined ? {} : { cacheSize }),
    ...(mirror === undefined ? {} : { mirrors: mirror }), ...(fillRate === undefined ? {} : { fillRate }),
  };
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= 1e6) return seconds;
  throw new ThawfsError('BAD_ARGUMENT', `--read-timeout: "${text}" is not a number of seconds`, { suggestion: 'Write a number such as 60.' });
}
