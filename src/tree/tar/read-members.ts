/** Reads the members of a tar archive, one after the other, into a tree: ustar, GNU and pax, as tar, bsdtar, star, Go and Python write them. */
import { display } from '../../bytes/byte-string.js';
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { TAR_BLOCK_SIZE } from '../../format/tar.js';
import type { Content, HostFile } from '../../model/content.js';
import { fileNode, type TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE, roundUp } from '../../units.js';
import { READ_MAX } from '../archive-reader.js';
import type { ArchiveReader, DataSink } from '../archive-reader.js';
import { PieceList } from '../pieces.js';
import { dataRuns } from '../zero-blocks.js';
import { hostNames } from './acl-text.js';
import { decodeHeader, noArchive } from './header.js';
import type { Header } from './header.js';
import { attributesOf, linkPathOf, pathOf, sizeOf } from './member.js';
import type { GnuNames, MemberOptions } from './member.js';
import { overlayPax, parsePax } from './pax.js';
import type { PaxRecord } from './pax.js';
import { readOldSparseMap, readPaxSparseMap } from './sparse.js';
import type { SparseMap } from './sparse.js';

/** What entries are given to, with their paths as the archive has them. */
export interface EntryTarget {
  put(path: ByteString, node: TreeNode): unknown;
  link(path: ByteString, target: ByteString): unknown;
}

/** Where contents stay. */
export interface ContentStore {
  readonly file: HostFile;
  /** @returns where `bytes`, met at `archiveOffset`, can be read in `file` */
  keep(bytes: Uint8Array, archiveOffset: number): number;
}

export interface TarOptions {
  /** Full names of extended attributes kept beside the portable ones; default none. */
  readonly extraXattrs?: readonly ByteString[];
  /** Accept an archive that just stops after a member, its padding left out too, as umoci leaves layers. Only where something else vouches for its length; default false. */
  readonly endOptional?: boolean;
  /** Receives what the user should know, each sentence once. */
  readonly warn: (warning: string) => void;
}

/** Extended headers and long names are held in memory whole. */
const EXTENDED_MAX = READ_MAX;
const SYMLINK_MAX = 4095;
/** Of every symlink on Linux; archivers elsewhere write others, which no system call could set. */
const SYMLINK_PERMISSIONS = 0o777;

/**
 * @throws TRUNCATED, CHECKSUM_MISMATCH, BAD_FIELD, LIMIT_EXCEEDED, FEATURE_UNSUPPORTED, and what target and store throw
 */
export async function readMembers(reader: ArchiveReader, target: EntryTarget, store: ContentStore, options: TarOptions): Promise<void> {
  await new MemberReader(reader, target, store, options).run();
}

class MemberReader {
  #global: ReadonlyMap<ByteString, ByteString> = new Map();
  /** Of the member that comes next. */
  #records: readonly PaxRecord[] = [];
  #gnu: GnuNames = {};
  readonly #attributes: MemberOptions;

  constructor(private readonly reader: ArchiveReader, private readonly target: EntryTarget, private readonly store: ContentStore, private readonly options: TarOptions) {
    const lookup = hostNames((name) => options.warn(`The ACL entry of ${display(name)} was given the id that this machine has for the name; tar --xattrs --xattrs-include='*' keeps ids.`));
    this.#attributes = { lookup, extraXattrs: options.extraXattrs ?? [] };
  }

  async run(): Promise<void> {
    for (;;) {
      const offset = this.reader.offset;
      const block = await this.reader.readUnlessEnded(TAR_BLOCK_SIZE);
      if (block === undefined) {
        if (this.options.endOptional === true) return;
        throw new ThawfsError('TRUNCATED', `the archive stops at byte ${offset} without its end mark of zeros`, {
          detail: { offset }, suggestion: offset === 0 ? 'See why nothing was written to it.' : 'Copy or download the archive again; or, if it never had an end mark, add one: (cat FILE; head -c 1024 /dev/zero) | thawfs build - …',
        });
      }
      if (dataRuns(block, 0).length === 0) {
        const nothingFollows = await this.reader.drain();
        // File systems begin with zeros, and are not to pass for an archive of nothing.
        if (offset === 0 && !nothingFollows) throw noArchive();
        if (!nothingFollows) this.options.warn('What follows the end of the archive was not read, as tar does not read it.');
        return;
      }
      const header = decodeHeader(block, offset);
      if (!(await this.#extension(header))) {
        // The view of the block goes with the next read.
        await this.#member(header, header.type === 'S' ? block.slice() : undefined);
        this.#records = [];
        this.#gnu = {};
      }
    }
  }

  /** @returns false when the header is a member of its own */
  async #extension(header: Header): Promise<boolean> {
    switch (header.type) {
      case 'x': case 'X':
        this.#records = parsePax(await this.#text(header));
        return true;
      case 'g':
        this.#global = overlayPax(this.#global, parsePax(await this.#text(header)));
        return true;
      case 'L':
        this.#gnu = { ...this.#gnu, path: upToNul(await this.#text(header)) };
        return true;
      case 'K':
        this.#gnu = { ...this.#gnu, linkPath: upToNul(await this.#text(header)) };
        return true;
      case 'V': // The label of a volume.
        await this.#skip(header.size);
        return true;
      default:
        return false;
    }
  }

  async #text(header: Header): Promise<ByteString> {
    if (header.size > EXTENDED_MAX) {
      throw new ThawfsError('LIMIT_EXCEEDED', `tar header of type ${header.type}: ${header.size} bytes, at most ${EXTENDED_MAX} are read`, { detail: { length: header.size, limit: EXTENDED_MAX } });
    }
    const bytes = await this.reader.read(header.size);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    await this.#skip(0, header.size);
    return text;
  }

  async #member(header: Header, block: Uint8Array | undefined): Promise<void> {
    const pax = overlayPax(this.#global, this.#records);
    const path = pathOf(header, this.#gnu, pax);
    if (path.startsWith('/')) this.options.warn('Leading slashes were removed from member names.');
    const attributes = attributesOf(path, header, pax, this.#attributes);
    const size = sizeOf(header, pax);
    const directory = (): TreeNode => ({ kind: 'directory', ...attributes, children: new Map<ByteString, TreeNode>() });
    switch (header.type) {
      case '0': case '7': case 'S': {
        if (path.endsWith('/') && header.type !== 'S') { // How the format of 1979 marks directories.
          this.target.put(path, directory());
          return this.#skip(size);
        }
        const map = block === undefined
          ? await readPaxSparseMap(path, pax, this.#records, size, this.reader)
          : await readOldSparseMap(path, block, size, this.reader);
        this.target.put(path, fileNode(attributes, await this.#content(size, map)));
        return;
      }
      // Links, devices and directories have no data, whatever their size field says (GNU tar, Go).
      case '1':
        this.target.link(path, linkPathOf(header, this.#gnu, pax));
        return;
      case '2': {
        const to = linkPathOf(header, this.#gnu, pax);
        if (to === '' || to.length > SYMLINK_MAX || to.includes('\0')) {
          throw new ThawfsError('BAD_FIELD', `${display(path)}: a symlink's target has 1 to ${SYMLINK_MAX} bytes and no NUL`, { detail: { path: display(path), length: to.length } });
        }
        this.target.put(path, { kind: 'symlink', ...attributes, permissions: SYMLINK_PERMISSIONS, target: to });
        return;
      }
      case '3': case '4': {
        const { deviceMajor: major, deviceMinor: minor } = header;
        if (!(major >= 0 && major < 1 << 12 && minor >= 0 && minor < 1 << 20)) {
          throw new ThawfsError('BAD_FIELD', `${display(path)}: there is no device ${major}:${minor}`, { detail: { path: display(path) } });
        }
        this.target.put(path, { kind: header.type === '3' ? 'character-device' : 'block-device', ...attributes, major, minor });
        return;
      }
      case '5':
        this.target.put(path, directory());
        return;
      case '6':
        this.target.put(path, { kind: 'fifo', ...attributes });
        return;
      case 'D': // GNU tar's incremental form: the data list what was in the directory.
        this.target.put(path, directory());
        return this.#skip(size);
      default:
        throw new ThawfsError('FEATURE_UNSUPPORTED', `${display(path)}: tar member of type "${display(header.type)}"`, {
          detail: { path: display(path), type: display(header.type) }, suggestion: 'Make the archive with tar --format=pax, in one volume.',
        });
    }
  }

  async #content(dataBytes: number, map: SparseMap | undefined): Promise<Content> {
    const size = map?.size ?? dataBytes;
    const pieces = new PieceList();
    const keep: DataSink = (bytes, fileOffset, archiveOffset) => {
      const runs = size < BLOCK_SIZE ? [{ start: fileOffset, end: fileOffset + bytes.length }] : dataRuns(bytes, fileOffset);
      for (const { start, end } of runs) {
        const [from, to] = [start - fileOffset, end - fileOffset];
        pieces.add(start, end - start, this.store.file, this.store.keep(bytes.subarray(from, to), archiveOffset + from));
      }
    };
    for (const { offset, length } of map?.runs ?? [{ offset: 0, length: dataBytes }]) await this.reader.pass(length, offset, keep);
    await this.#skip(0, dataBytes);
    return { size, pieces: pieces.finish(size) };
  }

  /** Passes over `length` bytes and the padding after them. @param read bytes of the same member that were read before */
  async #skip(length: number, read = 0): Promise<void> {
    const ignore = (): void => undefined;
    await this.reader.pass(length, 0, ignore);
    if (this.options.endOptional === true && await this.reader.ended()) return;
    const total = read + length;
    await this.reader.pass(roundUp(total, TAR_BLOCK_SIZE) - total, 0, ignore);
  }
}

function upToNul(text: ByteString): ByteString {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
