/** `diff`: what changed between two images, or an image and a source, and what fetching it costs. */
import { display, type ByteString } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import { readTree } from '../ext4/reader/tree.js';
import type { Image } from '../image/image.js';
import { openImage, type OpenOptions } from '../image/open.js';
import type { Content } from '../model/content.js';
import { walk, type DirectoryNode, type FileNode, type NodeKind, type TreeNode } from '../model/tree.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { namedFileSystem, openTree } from '../tree/open-source.js';
import { ChunkTable } from './chunk-table.js';
import { compareTrees, type ChangedField, type ChangeKind, type Contents, type TreeChange } from './compare-trees.js';
import { keysOfImage, keysOfSource, type ContentKeys } from './content-keys.js';
import { divideCost, lackedChunks, type DownloadCost } from './download-cost.js';
import { readImageTree } from './image-tree.js';
import { DigestShelf } from './page-shelf.js';
import { sizeOfPublishedPatch } from './published-patch.js';
import { describeSide, isImage } from './side-kind.js';

export type DiffOptions = Omit<OpenOptions, 'pages'>;

/** Paths begin with a slash; bytes that are not UTF-8 are `\xHH`. */
export interface Change {
  readonly change: ChangeKind;
  readonly path: string;
  readonly kind: NodeKind;
  readonly from?: string;
  readonly fields: readonly ChangedField[];
  /** Of a file, bytes. */
  readonly size?: number;
  /** Bytes of frames that are fetched because of it; 0 where nothing is known. A file with several names counts once, under the first that is listed. */
  readonly download: number;
}

export interface DiffReport {
  readonly before: string;
  readonly after: string;
  readonly equal: boolean;
  readonly changes: readonly Change[];
  readonly counts: Readonly<Record<ChangeKind, number>>;
  /** Everything that costs something below each directory, the root first; only those that cost. */
  readonly directories: readonly { readonly path: string; readonly download: number }[];
  /** Adaptive fetch of the second image by a host that has the first; absent unless both are images. */
  readonly fetch?: {
    readonly total: number;
    /** Of that: for changed and added files; files that are as they were but lie elsewhere; metadata. */
    readonly changed: number;
    readonly relocated: number;
    readonly metadata: number;
    /** Not in the total: frames of the hash area, which `pull` computes where it has the image's libzstd. */
    readonly computed: number;
    readonly fileSize: number;
    /** Bytes of the patch between the two that lies beside the second, see published-patch.ts; absent without one. */
    readonly patch?: number;
  };
  /** Bytes read from the two images to find out. */
  readonly cost: { readonly requests: number; readonly bytes: number };
}

/** Something with a tree. */
interface Side {
  readonly location: string;
  readonly root: DirectoryNode;
  readonly image?: Image;
  close(): Promise<void>;
}

/**
 * Contents are told apart by the leaf digests in the hash trees; of images only index, metadata and hash tree are fetched, and of
 * files that lie where they lay, in chunks that are the same, not even the leaves.
 *
 * @param before, after image (path or URL), directory, tar or whatever `build` takes; `ext4:` may name a block device too
 * @throws what openImage and openTree throw; what reading throws
 */
export async function diffTrees(before: string, after: string, options: DiffOptions): Promise<DiffReport> {
  const shelf = new DigestShelf();
  const sides: Side[] = [];
  try {
    for (const location of [before, after]) sides.push(await openSide(location, shelf, options));
    return await compareSides(sides[0]!, sides[1]!, after, options);
  } finally {
    for (const side of sides) await side.close();
  }
}

async function openSide(location: string, shelf: DigestShelf, options: DiffOptions): Promise<Side> {
  const fileSystem = namedFileSystem(location);
  if (fileSystem !== undefined) return openFileSystem(fileSystem);
  if (!isImage(location)) {
    const { signal } = options;
    const source = await openTree(location, signal === undefined ? {} : { signal });
    return { location: describeSide(location), root: source.root, close: () => { source.dispose(); return Promise.resolve(); } };
  }
  const image = await openImage(location, { ...options, pages: shelf });
  shelf.keepRoot(image.head.rootPage);
  try {
    return { location: image.location, root: await readImageTree(image, options), image, close: () => image.close() };
  } catch (error) {
    await image.close();
    throw error;
  }
}

function openFileSystem(path: string): Side {
  const opened = LocalBytes.open(path);
  try {
    return { location: path, root: readTree(new Ext4Reader(opened)), close: () => { opened[Symbol.dispose](); return Promise.resolve(); } };
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

/** @param location of `after`, as it was given */
async function compareSides(before: Side, after: Side, location: string, options: DiffOptions): Promise<DiffReport> {
  if (before.image === undefined || after.image === undefined) for (const { root } of [before, after]) dropLostAndFound(root);
  const tables = before.image === undefined || after.image === undefined ? undefined
    : { old: await ChunkTable.read(before.image, options), now: await ChunkTable.read(after.image, options) };
  const changes = await compareTrees(before.root, after.root, contentsOf(before, after, tables, options));
  if (tables === undefined) return describe(before, after, changes);
  const cost = costOf(after.root, tables, changes, after.image!.manifest.verity.hashOffset);
  return describe(before, after, changes, cost, await sizeOfPublishedPatch(location, before.image!.manifest.verity.rootHash, options));
}

/** Made by mkfs, not by anybody's tree. */
function dropLostAndFound({ children }: DirectoryNode): void {
  const node = children.get('lost+found');
  if (node?.kind === 'directory' && node.children.size === 0) children.delete('lost+found');
}

interface Tables { readonly old: ChunkTable; readonly now: ChunkTable }

function contentsOf(before: Side, after: Side, tables: Tables | undefined, options: DiffOptions): Contents {
  const { image } = after.image === undefined ? before : after;
  const salt = parseHex(image?.manifest.verity.salt ?? '', 'manifest.verity.salt');
  const keyBefore = remembered(before, salt, options);
  const keyAfter = remembered(after, salt, options);
  return {
    keyBefore, keyAfter,
    equal: async (a, b) => (tables !== undefined && inSamePlace(a.content, b.content, tables)) || await keyBefore(a) === await keyAfter(b),
  };
}

function remembered({ image }: Side, salt: Uint8Array, options: DiffOptions): (file: FileNode) => Promise<string> {
  const keys: ContentKeys = image === undefined ? keysOfSource(salt) : keysOfImage(image, salt);
  const known = new Map<FileNode, string>();
  return async (file) => {
    let key = known.get(file);
    if (key === undefined) known.set(file, key = await keys.keyOf(file.content, options));
    return key;
  };
}

/** Whether two contents lie in the same blocks, in chunks that are the same. */
function inSamePlace(before: Content, after: Content, { old, now }: Tables): boolean {
  const [pieces, others] = [[...before.pieces], [...after.pieces]];
  return old.chunkSize === now.chunkSize && pieces.length === others.length && pieces.every(({ offset, length, source, sourceOffset }, i) => {
    const other = others[i]!;
    if (source instanceof Uint8Array || other.source instanceof Uint8Array) return false;
    if (other.offset !== offset || other.length !== length || other.sourceOffset !== sourceOffset) return false;
    for (let number = Math.floor(sourceOffset / now.chunkSize); number * now.chunkSize < sourceOffset + length; number++) {
      if (number >= old.count || number >= now.count || !old.sameChunk(number, now)) return false;
    }
    return true;
  });
}

interface Cost extends DownloadCost { readonly changed: number; readonly relocated: number; readonly computed: number }

function costOf(root: DirectoryNode, { old, now }: Tables, changes: readonly TreeChange[], hashOffset: number): Cost {
  const changed = new Set(changes.filter(({ change, fields }) => change === 'added' || fields.includes('content') || fields.includes('kind')).map(({ node }) => node));
  const cost = divideCost(root, now, (file) => changed.has(file), lackedChunks(old, now, hashOffset));
  let computed = 0;
  for (let number = Math.ceil(hashOffset / now.chunkSize); number < now.count; number++) computed += now.frameSize(number);
  const forChanged = [...cost.files].reduce((sum, [file, bytes]) => sum + (changed.has(file) ? bytes : 0), 0);
  return { ...cost, computed, changed: forChanged, relocated: cost.total - cost.metadata - forChanged };
}

function describe(before: Side, after: Side, changes: readonly TreeChange[], cost?: Cost, patch?: number): DiffReport {
  const counts: Record<ChangeKind, number> = { added: 0, removed: 0, changed: 0, moved: 0, metadata: 0 };
  for (const { change } of changes) counts[change]++;
  const images = [before.image, after.image].filter((image) => image !== undefined);
  const payers = payersOf(after.root, changes, cost?.files ?? new Map<FileNode, number>());
  const sum = (pick: (image: Image) => number): number => images.reduce((total, image) => total + pick(image), 0);
  return {
    before: before.location, after: after.location, equal: changes.length === 0,
    changes: changes.map(({ change, path, node, from, fields }) => ({
      change, path: shown(path), kind: node.kind, ...(from === undefined ? {} : { from: shown(from) }), fields,
      ...(node.kind === 'file' ? { size: node.content.size } : {}),
      download: payers.get(path) ?? 0,
    })),
    counts,
    directories: directoryCosts(payers),
    ...(cost === undefined ? {} : { fetch: { total: cost.total, changed: cost.changed, relocated: cost.relocated, metadata: cost.metadata, computed: cost.computed, fileSize: after.image!.fileSize, ...(patch === undefined ? {} : { patch }) } }),
    cost: { requests: sum(({ statistics }) => statistics.requests), bytes: sum(({ statistics }) => statistics.bytesFetched) },
  };
}

function shown(path: ByteString): string {
  return `/${display(path)}`;
}

/** @returns what files cost, each under one of its names, so that it adds up: the first that is listed, else the first */
function payersOf(root: DirectoryNode, changes: readonly TreeChange[], files: ReadonlyMap<FileNode, number>): Map<ByteString, number> {
  const names = new Map<TreeNode, ByteString>();
  const note = (path: ByteString, node: TreeNode): void => { if (!names.has(node)) names.set(node, path); };
  for (const { change, path, node } of changes) if (change !== 'removed') note(path, node);
  for (const { path, node } of walk(root)) note(path, node);
  return new Map([...files].map(([file, download]) => [names.get(file)!, download] as const).filter(([, download]) => download > 0));
}

/** Of every directory with something below it that costs. */
function directoryCosts(payers: ReadonlyMap<ByteString, number>): { path: string; download: number }[] {
  const costs = new Map<ByteString, number>();
  for (const [path, download] of payers) {
    for (let directory = path; directory !== '';) {
      directory = directory.slice(0, Math.max(0, directory.lastIndexOf('/')));
      costs.set(directory, (costs.get(directory) ?? 0) + download);
    }
  }
  return [...costs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, download]) => ({ path: shown(path), download }));
}
