/** An OCI image layout, a directory or a tar of one, as a tree: index, manifest, layers (OCI image specification 1.1). */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ThawfsError, hasCode } from '../errors.js';
import type { Content } from '../model/content.js';
import { imageArchitecture } from '../sys/image-architecture.js';
import { readTar } from './from-tar.js';
import type { ReadTarOptions } from './from-tar.js';
import { flattenArchive, flattenLayers } from './layers.js';
import type { Layer } from './layers.js';
import { MANIFEST_MAX, OciBlobs, archiveFiles, fileContent } from './oci-blobs.js';
import type { LayoutFiles } from './oci-blobs.js';
import { JsonRecord, parseDescriptor } from './oci-json.js';
import type { Descriptor, Platform } from './oci-json.js';
import { contentBytes } from './content-feed.js';
import type { TreeSource } from './tree-source.js';

export interface ReadOciOptions extends ReadTarOptions {
  /** Which of several images; default linux on this machine's architecture. */
  readonly platform?: Platform;
}

/** What an index leads to through further indexes; nobody nests deeper. */
const INDEX_DEPTH_MAX = 4;
const indexTypes = new Set(['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']);
const manifestTypes = new Set(['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']);
const layerType = /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.gzip|\.zstd)?)$/;

/**
 * @param spec `DIR` or `DIR:TAG`; in place of DIR a tar of one, compressed or not, `-` for standard input
 * @throws PATH_MISSING, OBJECT_MISSING, BLOB_DIGEST_MISMATCH; BAD_ARGUMENT when no image fits, or several; BAD_FIELD, FEATURE_UNSUPPORTED for
 *   what is no such image; what reading a tar throws
 */
export async function readOciLayout(spec: string, options: ReadOciOptions = {}): Promise<TreeSource> {
  const { path, tag } = splitSpec(spec);
  if (path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return flattenLayers(layersOf((file, label) => fileContent(join(path, file), label), 'oci', path, tag, options), options);
  }
  return flattenArchive(await readTar(path, options), (root) => layersOf(archiveFiles(root), 'oci-archive', path, tag, options), options);
}

function layersOf(files: LayoutFiles, scheme: 'oci' | 'oci-archive', path: string, tag: string | undefined, options: ReadOciOptions): Layer[] {
  const spec = [scheme, path, ...(tag === undefined ? [] : [tag])].join(':');
  const blobs = new OciBlobs(files, options.signal);
  const index = JsonRecord.parse(contentBytes(indexOf(files, path), MANIFEST_MAX, 'index.json'), 'index.json');
  const tagged = manifestsOf(index).filter((descriptor) => tag === undefined || descriptor.tag === tag);
  if (tagged.length === 0) {
    const tags = manifestsOf(index).flatMap(({ tag: name }) => name ?? []);
    const suggestion = tags.length > 0 ? `Name one of: ${tags.join(', ')}.` : tag === undefined ? `Copy one into it: skopeo copy IMAGE ${spec}:TAG.` : `None is tagged: name it ${scheme}:${path}.`;
    throw new ThawfsError('BAD_ARGUMENT', `${spec}: there is no image${tag === undefined ? '' : ` with the tag ${tag}`}`, { detail: { tags }, suggestion });
  }
  const manifest = findManifest(tagged, blobs, options.platform, spec);
  const config = manifest.field('config');
  if (config !== undefined) blobs.open(parseDescriptor(config));
  return manifest.required('layers').items().map(parseDescriptor).map((descriptor) => {
    if (!layerType.test(descriptor.mediaType)) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', `layer ${descriptor.digest}: media type "${descriptor.mediaType.slice(0, 100)}" is not read`, { detail: { mediaType: descriptor.mediaType } });
    }
    return { label: `layer ${descriptor.digest}`, content: blobs.open(descriptor) };
  });
}

function indexOf(files: LayoutFiles, path: string): Content {
  try {
    return files('index.json', `${path}/index.json`);
  } catch (cause) {
    if (!hasCode(cause, 'OBJECT_MISSING')) throw cause;
    throw new ThawfsError('OBJECT_MISSING', `${path}: there is no index.json in it, so it is no OCI layout`, {
      detail: { path }, cause, suggestion: 'skopeo copy IMAGE oci:DIR makes one; name what docker save writes as docker-archive:FILE.',
    });
  }
}

/** Both parts may hold colons, tags as in `docker.io/library/debian:12`: the path is the shortest that is there. */
function splitSpec(spec: string): { path: string; tag: string | undefined } {
  const colons = existsSync(spec) ? [] : [...spec.matchAll(/:/g)].map(({ index }) => index);
  const colon = colons.find((at) => spec.slice(0, at) === '-' || existsSync(spec.slice(0, at))) ?? colons[0];
  return colon === undefined ? { path: spec, tag: undefined } : { path: spec.slice(0, colon), tag: spec.slice(colon + 1) };
}

function manifestsOf(index: JsonRecord): Descriptor[] {
  return index.required('manifests').items().map(parseDescriptor);
}

function findManifest(start: readonly Descriptor[], blobs: OciBlobs, wanted: Platform | undefined, spec: string): JsonRecord {
  let candidates = start;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
    const chosen = choose(candidates, wanted, spec);
    const record = blobs.json(chosen);
    const type = chosen.mediaType || record.field('mediaType')?.text() || '';
    if (manifestTypes.has(type) || (type === '' && record.field('layers') !== undefined)) return record;
    if (!indexTypes.has(type) && !(type === '' && record.field('manifests') !== undefined)) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', `${record.label}: media type "${type.slice(0, 100)}" is no image`, { detail: { mediaType: type } });
    }
    candidates = manifestsOf(record);
  }
  throw new ThawfsError('LIMIT_EXCEEDED', `${spec}: indexes inside indexes, more than ${INDEX_DEPTH_MAX}`, { detail: { limit: INDEX_DEPTH_MAX } });
}

/** A lone image is taken whatever it says it is for, unless a platform was asked for. */
function choose(candidates: readonly Descriptor[], wanted: Platform | undefined, spec: string): Descriptor {
  const { os, architecture, variant } = wanted ?? { os: 'linux', architecture: imageArchitecture };
  const images = candidates.filter(({ platform }) => platform?.os !== 'unknown'); // Attestations of BuildKit.
  const fitting = images.filter(({ platform }) => platform === undefined || (platform.os === os && platform.architecture === architecture && (variant ?? platform.variant) === platform.variant));
  const from = fitting.length === 0 && wanted === undefined && images.length === 1 ? images : fitting;
  if (from.length === 1) return from[0]!;
  const offered = images.map(({ platform, tag, digest }) => [tag ?? digest.slice(0, 19), ...(platform === undefined ? [] : [platformName(platform)])].join(' '));
  throw new ThawfsError('BAD_ARGUMENT', `${spec}: ${from.length === 0 ? 'no image is' : 'several images are'} for ${platformName({ os, architecture, variant })}`, {
    detail: { images: offered }, suggestion: `There are: ${offered.join(', ') || 'none'}. Choose by a tag behind the path, or by --platform.`,
  });
}

function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}
