/** What is packed: the raw file system image, made from a tree or taken as it is. */
import { resolve } from 'node:path';
import { fromText } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { layOutExt4, type BaseUse, type Ext4Layout, type Unfit } from '../ext4/writer/writer.js';
import type { Content, HostFile } from '../model/content.js';
import type { DirectoryNode } from '../model/tree.js';
import { states } from '../format/ext4/superblock.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { dataRanges } from '../sys/seek.js';
import { applyFilters, type TreeFilters } from '../tree/filters.js';
import { demandLocal, namedFileSystem, openTree, type OpenTreeOptions } from '../tree/open-source.js';
import { BLOCK_SIZE, roundUp } from '../units.js';
import { wholeContent } from './content-reader.js';
import type { BaseImage } from './base.js';
import { findDuplicates } from './duplicates.js';
import { removeOwnOutput } from './own-output.js';
import { byProfile } from './profile/order.js';
import type { Profile } from './profile/profile.js';
import { verityTreesOf } from './verity-files.js';

export interface RawSourceOptions extends TreeFilters, OpenTreeOptions {
  /** Of the file system; default derived from the tree, so that equal trees have equal images. */
  readonly uuid?: Uint8Array;
  /** Volume name of the file system, at most 16 bytes; default none. */
  readonly volumeName?: string;
  /** Bytes of the file system; default just what is needed. */
  readonly size?: number;
  /** Bytes left free; default 0. */
  readonly freeBytes?: number;
  /** Make every regular file an fs-verity file; default false. */
  readonly fsVerity?: boolean;
  /** Give the file system a journal; default false, as images are mounted read-only. */
  readonly journal?: boolean;
  /** Keep tiny files inside their inodes; default false. */
  readonly inlineData?: boolean;
  /** The image that is being made. Where it lies in the source, it is no part of it. */
  readonly output?: string;
  /** Let files of equal content share their blocks; default true. The file system can then only be mounted read-only. */
  readonly share?: boolean;
  /** What was read first when programs started from an earlier image: it is laid out first, in that order. */
  readonly profile?: Profile;
}

export interface RawSource {
  /** The file system, `fileSystemSize` bytes. */
  readonly image: Content;
  /** A multiple of 4096. */
  readonly fileSystemSize: number;
  readonly uuid: Uint8Array;
  /** Absent when an existing file system is taken as it is. */
  readonly tree?: { readonly inodes: number; readonly metadataBytes: number; readonly sharedFiles: number };
  /** What has come of the base, or why it was not continued. Absent without one. */
  readonly base?: BaseUse | Unfit;
  readonly warnings: readonly string[];
  /** Removes spool files; the image cannot be read afterwards. */
  dispose(): void;
}

/**
 * @param spec as {@link BuildOptions.source}
 * @param base the image that is continued, if any; must stay open as long as the source is used
 * @throws what opening and laying out the source throw; BAD_ARGUMENT for options that an existing file system cannot follow
 */
export async function openRawSource(spec: string, options: RawSourceOptions, base?: BaseImage): Promise<RawSource> {
  const file = namedFileSystem(spec);
  if (file !== undefined) return existingFileSystem(file, options, base);
  const source = await openTree(spec, options);
  try {
    const warnings = options.output !== undefined && removeOwnOutput(source.root, spec, options.output)
      ? [...source.warnings, 'The image that is written lies in the source; it is left out, but the time of its directory changes with every build.'] : source.warnings;
    applyFilters(source.root, options);
    const shared = options.share ?? true ? findDuplicates(source.root, options.signal) : undefined;
    const layout = layOut(source.root, shared, options, base);
    if (base !== undefined && layout.base !== undefined && !('unfit' in layout.base)) await base.fetchFreed(layout.base, options);
    return {
      image: layout.image, fileSystemSize: layout.size, uuid: layout.uuid, warnings,
      tree: { inodes: layout.inodeCount, metadataBytes: layout.metadataBlocks * BLOCK_SIZE, sharedFiles: shared?.size ?? 0 },
      ...(layout.base === undefined ? {} : { base: layout.base }),
      dispose: () => { source.dispose(); },
    };
  } catch (error) {
    source.dispose();
    throw error;
  }
}

function layOut(root: DirectoryNode, shared: ReturnType<typeof findDuplicates> | undefined, options: RawSourceOptions, base: BaseImage | undefined): Ext4Layout {
  const { uuid, volumeName, size, freeBytes, profile, signal } = options;
  const { journal = base?.features.journal, inlineData = base?.features.inlineData, fsVerity = base?.features.fsVerity } = options;
  return layOutExt4(root, {
    ...(uuid === undefined ? {} : { uuid }),
    ...(volumeName === undefined ? {} : { volumeName }),
    ...(size === undefined ? {} : { size }),
    ...(freeBytes === undefined ? {} : { freeBytes }),
    ...(journal === undefined ? {} : { journal }),
    ...(inlineData === true ? { inlineData: wholeContent } : {}),
    ...(fsVerity === true ? { verityTrees: verityTreesOf(root, signal) } : {}),
    ...(shared === undefined ? {} : { shared }),
    ...(base === undefined ? {} : { base: base.options }),
    ...(profile === undefined ? {} : { order: byProfile(root, profile, shared) }),
  });
}

/** Its bytes are kept, filled up with zeros to a whole block. */
async function existingFileSystem(path: string, options: RawSourceOptions, base: BaseImage | undefined): Promise<RawSource> {
  const asked = (['exclude', 'oneFileSystem', 'platform', 'owner', 'clampMtime', 'uuid', 'volumeName', 'size', 'freeBytes', 'fsVerity', 'journal', 'inlineData'] as const)
    .find((name) => options[name] !== undefined && options[name] !== false && (!Array.isArray(options[name]) || options[name].length > 0));
  if (asked !== undefined || base !== undefined) {
    throw new ThawfsError('BAD_ARGUMENT', `ext4:${path} is taken as it is, it cannot be changed (${asked ?? 'base'})`, {
      detail: { option: asked ?? 'base' }, suggestion: 'Leave the option out, or mount the file system and build from its directory.',
    });
  }
  demandLocal(`ext4:${path}`);
  using opened = LocalBytes.open(path);
  const { fd, size, stat } = opened;
  if (!stat.isFile()) throw new ThawfsError('BAD_ARGUMENT', `${path}: not a regular file`, { detail: { path }, suggestion: 'Copy the device into a file first.' });
  const { Ext4Reader } = await import('../ext4/reader/reader.js'); // no other source needs it
  const { uuid, volume: { superblock: { state } } } = new Ext4Reader(opened);
  const file: HostFile = { kind: 'host-file', path: fromText(resolve(path)), seen: { size, mtimeMs: stat.mtimeMs } };
  const pieces = [...dataRanges(fd, size)].map(({ start, end }) => ({ offset: start, length: end - start, source: file, sourceOffset: start }));
  return { image: { size, pieces }, fileSystemSize: roundUp(size, BLOCK_SIZE), uuid: Uint8Array.from(uuid), warnings: warningsOf(state), dispose: () => undefined };
}

/** Without a journal nothing else tells that a file system was copied while it was mounted: the copy may be sound by chance, and lack contents. */
function warningsOf(state: number): string[] {
  return [
    ...(states.has(state, 'valid') ? [] : ['The file system was not unmounted cleanly, or was mounted while it was copied: files may lack content. Unmount it before it is copied, or run e2fsck -fy on the copy.']),
    ...(states.has(state, 'error') ? ['The kernel found errors in the file system: run e2fsck -fy on it.'] : []),
  ];
}
