/** Opens whatever a user names as the source of a tree; loads the code of that kind only, for loading is a good part of a small build. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import { MiB } from '../units.js';
import type { Platform } from './oci-json.js';
import { openStream } from './open-stream.js';
import type { TreeSource } from './tree-source.js';

/** What names another source than a directory or a tar: the kind, and what follows it. */
export const treeScheme = /^(oci|oci-archive|docker-archive|dump):(.*)$/s;

/** @returns the path in `ext4:PATH`, a file system that is taken as it is; undefined for what names something else */
export function namedFileSystem(spec: string): string | undefined {
  return /^ext4:(.*)$/s.exec(spec)?.[1];
}

/** @returns the path in a source of whatever kind: what is read, but for the tag that may follow it */
export function pathIn(spec: string): string {
  return namedFileSystem(spec) ?? treeScheme.exec(spec)?.[2] ?? spec;
}

/** Of a dump, which is held as one text: V8 has none of 512 MiB. */
const DUMP_MAX = 500 * MiB;

export interface OpenTreeOptions {
  /** Patterns of entries that need not be read; {@link applyFilters} removes the same from any tree. Default none. */
  readonly exclude?: readonly string[];
  /** Of a directory: take what other file systems are mounted on as empty directories; default false. */
  readonly oneFileSystem?: boolean;
  /** Full names of extended attributes kept beside the portable ones; default none. */
  readonly extraXattrs?: readonly ByteString[];
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: Readable;
  /** Where contents go that cannot stay in an archive; default `TMPDIR`, else /tmp. */
  readonly spoolDirectory?: string;
  /** Which image of an OCI index; default linux on this machine's architecture. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

/**
 * @param spec a directory; a tar archive, compressed or not, `-` for one on standard input; `oci:DIR[:TAG]`;
 *   `oci-archive:FILE[:TAG]`, `docker-archive:FILE` and `dump:FILE`, where FILE may be `-` too
 * @throws BAD_ARGUMENT for what names nothing here, PATH_MISSING, and what the kind of source throws
 */
export async function openTree(spec: string, options: OpenTreeOptions = {}): Promise<TreeSource> {
  options.signal?.throwIfAborted();
  demandLocal(spec);
  const [, scheme, rest = ''] = treeScheme.exec(spec) ?? [];
  if (scheme === 'oci' || scheme === 'oci-archive') return (await import('./from-oci.js')).readOciLayout(rest, options);
  if (scheme === 'docker-archive') return (await import('./from-docker-archive.js')).readDockerArchive(rest, options);
  if (scheme === 'dump') return { root: (await import('./dump.js')).parseDump(await readText(rest, options)), warnings: [], dispose: () => undefined };
  if (spec === '-' || !isDirectory(spec)) return withContainerHint(await (await import('./from-tar.js')).readTar(spec, options), 'archive');
  const { exclude = [], extraXattrs = [], oneFileSystem = false } = options;
  const { scanDirectory } = await import('./from-directory.js');
  return withContainerHint(scanDirectory(spec, { extraXattrs, oneFileSystem, ...(exclude.length > 0 ? { skip: (await import('./glob.js')).compileGlobs(exclude) } : {}) }), 'directory');
}

/**
 * `oci://HOST/…` names images of ours in a registry; there a container image has to be fetched by those who can.
 *
 * @throws BAD_ARGUMENT for what cannot be the name of anything on this machine
 */
export function demandLocal(spec: string): void {
  const refuse = (why: string, suggestion: string): ThawfsError => new ThawfsError('BAD_ARGUMENT', `${spec}${why}`, { detail: { source: spec }, suggestion });
  if (pathIn(spec) === '') throw refuse(`${spec === '' ? 'the source' : ''} names nothing`, 'Name a directory or a file.');
  const [, scheme, path = ''] = /^(https?|docker|oci):(\/\/[^/].*)$/is.exec(spec) ?? [];
  if (scheme === undefined || existsSync(scheme === 'oci' ? path : spec)) return;
  if (/^http/i.test(scheme)) throw refuse(': an image cannot be built from a URL', 'Fetch it first, or pipe it: curl -fL URL | thawfs build - -o IMAGE.img.zst');
  throw refuse(': an image cannot be built from a registry', 'Fetch the container image first: skopeo copy docker://HOST/REPOSITORY:TAG oci:DIR:TAG, then build oci:DIR:TAG.');
}

/** A container image is easily named without its scheme; what comes out then are the files that it is kept in. */
function withContainerHint(source: TreeSource, kind: 'archive' | 'directory'): TreeSource {
  const has = (name: string): boolean => source.root.children.has(name);
  const isDocker = kind === 'archive' && has('manifest.json') && (has('repositories') || has('oci-layout'));
  const isLayout = has('oci-layout') && has('index.json') && has('blobs');
  if (!isDocker && !isLayout) return source;
  const prefix = isDocker ? 'docker-archive:' : kind === 'archive' ? 'oci-archive:' : 'oci:';
  return { ...source, warnings: [...source.warnings, `The source is a container image, taken as the files it is kept in; with ${prefix} before its name it is taken as what it contains.`] };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
}

async function readText(path: string, { stdin = process.stdin, signal }: OpenTreeOptions): Promise<string> {
  try {
    const stream = path === '-' ? stdin : openText(path);
    if (signal !== undefined) addAbortSignal(signal, stream);
    const parts: string[] = [];
    let size = 0;
    for await (const part of stream.setEncoding('latin1') as AsyncIterable<string>) {
      size += part.length;
      // Said now, not after 500 MiB of a device or a disk image.
      if (part.includes('\0')) throw new ThawfsError('BAD_FIELD', `${path}: holds a byte 0: a dump is text`, { detail: { path, record: 'dump' } });
      if (size > DUMP_MAX) throw new ThawfsError('LIMIT_EXCEEDED', `${path}: a dump has at most ${DUMP_MAX} bytes`, { detail: { path, limit: DUMP_MAX } });
      parts.push(part);
    }
    return parts.join('');
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ThawfsError ? error : fromErrno(error, `reading ${path}`);
  }
}

function openText(path: string): Readable {
  const stats = statSync(path);
  return stats.isFile() || stats.isDirectory() ? createReadStream(path) : openStream(path, stats);
}
