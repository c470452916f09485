/** `mount -t thawfs IMAGE DIR -o …`: mount(8) and fstab call `mount.thawfs SOURCE TARGET [-sfnv] [-N NS] [-o OPTIONS] [-t TYPE]`. */
import { ThawfsError } from '../errors.js';
import { exitCodes } from './exit-codes.js';

/** Mount options of ours that become flags with a value; underscores and hyphens are one. */
const valued = new Set(['backend', 'cache', 'cache-size', 'fill-rate', 'mirror', 'profile', 'read-timeout', 'record', 'threshold', 'trust', 'upper', 'work', 'min-sequence']);
const plain = new Set(['allow-unsigned', 'any-sequence', 'offline', 'fill', 'no-fill', 'handover', 'no-handover', 'prefetch', 'no-prefetch', 'populate', 'nosuid', 'nodev', 'noexec']);
/**
 * What mount(8), fstab and systemd mean for others, and what is about writing: an image is read-only, and comes over the network, in any case.
 * Of most the opposite is there too.
 */
const ignored = new RegExp('^(?:defaults|once|ro|rw|(?:no)?(?:auto|user|users|owner|group)|nofail|_r?netdev|suid|dev|exec|sync|async|dirsync|silent|loud'
  + '|(?:no)?(?:atime|diratime|relatime|strictatime|lazytime|iversion|mand)|x-.*|comment=.*)$');

/**
 * @param argv as mount(8) gives it
 * @returns the arguments of `thawfs`; undefined for a rehearsal (`-f`), which mounts nothing
 * @throws BAD_ARGUMENT for an option that would change nothing, and for a writable mount that is to be read-only: silence would be taken for consent. With `-s`, as autofs gives it, it is left out
 */
export function mountHelperArguments(argv: readonly string[]): string[] | undefined {
  const places: string[] = [];
  const options: string[] = [];
  let rehearsal = false;
  const sloppy = argv.some((argument) => /^-[fnv]*s[sfnv]*$/.test(argument));
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    if (argument === '-o') options.push(...(argv[++i] ?? '').split(',').filter((option) => option !== ''));
    else if (argument === '-t' || argument === '-N') i++;
    else if (!/^-[sfnv]+$/.test(argument)) places.push(argument);
    else rehearsal ||= argument.includes('f');
  }
  if (places.length !== 2) {
    throw new ThawfsError('BAD_ARGUMENT', 'mount.thawfs: needs an image and a directory', { suggestion: 'Write: mount -t thawfs IMAGE DIR -o trust=KEY.pem' });
  }
  const flags = options.flatMap((option) => flagsOf(option, sloppy));
  if (options.findLast((option) => option === 'ro' || option === 'rw') === 'ro' && flags.some((flag) => flag.startsWith('--upper='))) {
    throw new ThawfsError('BAD_ARGUMENT', 'mount.thawfs: "ro" contradicts "upper=…"', { suggestion: 'Leave one of them out: what has an upper directory is writable.' });
  }
  // `mount -a` calls for what is mounted too: it looks for the fstab's source in the kernel's table, which has a device there.
  return rehearsal ? undefined : ['mount', '--once', ...flags, ...places];
}

/** @param status of `thawfs mount` @returns what mount(8) takes it for: done, wrong invocation, interrupted, or that the mount failed */
export function mountHelperStatus(status: number): number {
  if (status === exitCodes.ok) return 0;
  if (status === exitCodes.usage) return 1;
  return status > 128 ? 8 : 32;
}

function flagsOf(option: string, sloppy: boolean): string[] {
  const [, key = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(option) ?? [];
  const name = key.replaceAll('_', '-');
  if (value !== undefined && valued.has(name)) return [`--${name}=${value}`];
  if (value === undefined && plain.has(name)) return [`--${name}`];
  if (sloppy || ignored.test(option)) return [];
  throw new ThawfsError('BAD_ARGUMENT', `mount.thawfs: unknown option "${option}"`, {
    detail: { option }, suggestion: `Options are ${[...valued].map((known) => `${known}=…`).join(', ')}, ${[...plain].join(', ')}.`,
  });
}
