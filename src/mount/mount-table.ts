/** The kernel's table of mounts, and which of them are ours. */
import { readFileSync } from 'node:fs';
import { fromBytes, toBytes, type ByteString } from '../bytes/byte-string.js';
import { backingFile, presentFile } from '../sys/loop-files.js';
import { IMAGE_FILE } from './plan.js';

export interface MountEntry {
  /** Number of the mount, as mountIdOf() gives it. */
  readonly id: number;
  readonly target: ByteString;
  /** `ext4`, `fuse.thawfs`, `overlay` … */
  readonly type: string;
  readonly source: ByteString;
  /** Of the mount: `ro`, `nosuid` … */
  readonly flags: readonly string[];
  /** Of the file system: `ro`, `upperdir=/srv/changes` … */
  readonly options: readonly ByteString[];
}

/** @returns all mounts of this process's namespace, also those that are hidden under others */
export function readMountTable(): MountEntry[] {
  return fromBytes(readFileSync('/proc/self/mountinfo')).split('\n').filter((line) => line !== '').map((line) => {
    // man proc_pid_mountinfo(5): ID parent major:minor root TARGET options [optional…] - TYPE SOURCE super-options
    const [before, after] = line.split(' - ') as [string, string];
    const [id, , , , target, flags] = before.split(' ') as [string, string, string, string, string, string];
    const [type, source, options = ''] = after.split(' ') as [string, string, string?];
    return { id: Number(id), target: unescape(target), type, source: unescape(source), flags: flags.split(','), options: options.split(',').map(unescape) };
  });
}

/** @returns the value of an option such as `user_id` */
export function optionOf({ options }: MountEntry, name: string): ByteString | undefined {
  return options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** @returns the directory in an option of an overlay; the kernel shows it as it was given: {@link overlayPath} */
export function overlayPathIn(entry: MountEntry, name: 'upperdir' | 'workdir'): ByteString | undefined {
  return optionOf(entry, name)?.replace(/\\(.)/gs, '$1');
}

/** @returns the directory as overlayfs takes it: there a backslash makes the next character plain */
export function overlayPath(directory: ByteString): ByteString {
  return directory.replaceAll('\\', '\\\\');
}

/** What mountinfo shows as the source of our overlays, and of the tree that the mount of an id shows. */
export const OVERLAY_SOURCE = 'thawfs';
export const treeSourceOf = (id: string): string => `thawfs-${id}`;

export interface LayerName {
  readonly rootHash: string;
  /** Names its control socket; absent when it needs no server. */
  readonly id?: string;
}

/** What the place of a layer is called on its way into an overlay, which shows it for as long as it lives. @param number of the layer, the topmost first */
export function layerFolder(number: number, { rootHash, id = '' }: LayerName): string {
  return `${number}-${rootHash}-${id}`;
}

/** @returns what an overlay of ours consists of, the topmost layer first */
export function layersIn({ options }: MountEntry): LayerName[] {
  return options.flatMap((option) => {
    const [, rootHash, id] = /^lowerdir\+?=.*\/\d+-([0-9a-f]{64})-([^/]*)$/.exec(option) ?? [];
    return rootHash === undefined || id === undefined ? [] : [id === '' ? { rootHash } : { rootHash, id }];
  });
}

/** @returns whether a mount is one of ours: an overlay, a tree, or ext4 on loop devices over a raw image or what a server serves */
export function isOurs(entry: MountEntry): boolean {
  if (entry.type === 'overlay') return entry.source === OVERLAY_SOURCE;
  return entry.type === 'fuse.thawfs' || (entry.type === 'ext4' && (rawCopyUnder(entry) !== undefined || backing(entry.source, 2) === `/${IMAGE_FILE}`));
}

/** The path of the raw image that a mount without a server reads, as text; undefined when it is not such a mount. */
export function rawCopyUnder({ type, source }: MountEntry): string | undefined {
  if (type !== 'ext4') return undefined;
  const file = [backing(source, 1), backing(source, 2)].find((path) => /\/raw\/[0-9a-f]{64}$/.test(path));
  return file === undefined ? undefined : toBytes(file).toString();
}

/** @param rawImage without symlinks @returns whether a device stands on the raw image that has this path now, not on one that had it */
export function standsOn(device: string, rawImage: ByteString): boolean {
  return [1, 2].some((depth) => backing(device, depth, presentFile) === rawImage);
}

/** @returns whether a mount shows what it serves: its file system, or an overlay of it */
export function shows(entry: MountEntry, { id, device }: Readonly<Record<string, unknown>>): boolean {
  if (entry.type === 'overlay') return layersIn(entry).some((layer) => layer.id === id);
  return entry.type === 'ext4' ? device === entry.source : entry.source === treeSourceOf(String(id));
}

/** @returns where what a server serves is shown, as often as it is */
export function placesOf(server: Readonly<Record<string, unknown>>, table: readonly MountEntry[] = readMountTable()): ByteString[] {
  return table.filter((entry) => shows(entry, server)).map(({ target }) => target);
}

/** @returns the file behind a device, or behind the loop device behind it; '' when there is none */
function backing(device: string, depth: number, look = backingFile): ByteString {
  let file = device;
  for (let i = 0; i < depth; i++) file = look(/^\/dev\/(loop\d+)$/.exec(file)?.[1] ?? '');
  return file;
}

/** The kernel writes space, tab, newline and backslash as octal. */
function unescape(text: string): ByteString {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
