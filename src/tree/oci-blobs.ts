/** The files of an OCI layout, a directory or an archive of one, and its blobs. No byte of one is used before all of it matched its digest. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fromText } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { Content, HostFile } from '../model/content.js';
import type { DirectoryNode } from '../model/tree.js';
import { MiB } from '../units.js';
import { fileAt } from './archive-files.js';
import { ContentFeed, contentBytes } from './content-feed.js';
import { JsonRecord } from './oci-json.js';
import type { Descriptor } from './oci-json.js';

/** The files of a layout by their paths in it. @throws OBJECT_MISSING */
export type LayoutFiles = (path: string, label: string) => Content;

/** Manifests and indexes are read whole. */
export const MANIFEST_MAX = 4 * MiB;

function absent(label: string, path: string, cause?: unknown): ThawfsError {
  return new ThawfsError('OBJECT_MISSING', `${label} is not there`, { detail: { path }, cause, suggestion: 'Copy the image again, with all its layers.' });
}

/** @returns the files of a layout in an archive that was read as a tree */
export function archiveFiles(root: DirectoryNode): LayoutFiles {
  return (path, label) => {
    const content = fileAt(root, path);
    if (content === undefined) throw absent(label, path);
    return content;
  };
}

/** @returns a file of this machine as a content. Symlinks are followed: Bazel and Nix make layouts of them, and a digest vouches for each blob. */
export function fileContent(path: string, label: string): Content {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const typed = fromErrno(error, `opening ${label}`);
    if (typed.code !== 'PATH_MISSING') throw typed;
    throw absent(label, path, error);
  }
  if (!stats.isFile()) throw new ThawfsError('BAD_FIELD', `${label} is not a regular file`, { detail: { path } });
  const { size, mtimeMs } = stats;
  const source: HostFile = { kind: 'host-file', path: fromText(path), seen: { size, mtimeMs } };
  return { size, pieces: size === 0 ? [] : [{ offset: 0, length: size, source, sourceOffset: 0 }] };
}

/** @throws BLOB_DIGEST_MISMATCH */
export function verifyDigest(content: Content, digest: string, label: string, signal?: AbortSignal): void {
  const hash = createHash('sha256');
  const feed = new ContentFeed(content, signal);
  try {
    const buffer = Buffer.allocUnsafe(MiB);
    for (let count = feed.fill(buffer); count > 0; count = feed.fill(buffer)) hash.update(buffer.subarray(0, count));
  } finally {
    feed.close();
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual === digest) return;
  throw new ThawfsError('BLOB_DIGEST_MISMATCH', `${label}: its bytes have the digest ${actual}`, {
    detail: { expected: digest, actual }, suggestion: 'Copy the image again.',
  });
}

export class OciBlobs {
  constructor(private readonly files: LayoutFiles, private readonly signal?: AbortSignal) {}

  /** @throws OBJECT_MISSING, BLOB_DIGEST_MISMATCH */
  open({ digest, size }: Descriptor): Content {
    const label = `blob ${digest}`;
    const content = this.files(`blobs/sha256/${digest.slice('sha256:'.length)}`, label);
    if (content.size !== size) {
      throw new ThawfsError('BLOB_DIGEST_MISMATCH', `${label}: it has ${content.size} bytes, the manifest says ${size}`, { detail: { expected: size, actual: content.size } });
    }
    verifyDigest(content, digest, label, this.signal);
    return content;
  }

  json(descriptor: Descriptor): JsonRecord {
    const label = `blob ${descriptor.digest}`;
    if (descriptor.size > MANIFEST_MAX) throw new ThawfsError('LIMIT_EXCEEDED', `${label}: ${descriptor.size} bytes, at most ${MANIFEST_MAX} are read`, { detail: { length: descriptor.size } });
    return JsonRecord.parse(contentBytes(this.open(descriptor), MANIFEST_MAX, label), label);
  }
}
