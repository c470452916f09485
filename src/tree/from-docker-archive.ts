/** What `docker save` writes, and `podman save --format docker-archive`: a tar with manifest.json and the layers, as a tree. */
import { display, fromText } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import type { DirectoryNode } from '../model/tree.js';
import { fileAt } from './archive-files.js';
import { contentBytes } from './content-feed.js';
import { readTar } from './from-tar.js';
import type { ReadTarOptions } from './from-tar.js';
import { flattenArchive } from './layers.js';
import type { Layer } from './layers.js';
import { MANIFEST_MAX, verifyDigest } from './oci-blobs.js';
import { JsonRecord } from './oci-json.js';
import type { TreeSource } from './tree-source.js';

/**
 * @param path of the archive, compressed or not; `-` for standard input
 * @throws BAD_FIELD when it is no such archive, BAD_ARGUMENT when it holds several images, OBJECT_MISSING for an absent layer,
 *   BLOB_DIGEST_MISMATCH for a layer that is named by its digest and differs; what reading a tar throws
 */
export async function readDockerArchive(path: string, options: ReadTarOptions = {}): Promise<TreeSource> {
  return flattenArchive(await readTar(path, options), (root) => layersOf(root, path, options.signal), options);
}

function layersOf(root: DirectoryNode, path: string, signal?: AbortSignal): Layer[] {
  const manifest = fileAt(root, 'manifest.json');
  if (manifest === undefined) {
    throw new ThawfsError('BAD_FIELD', `${path}: there is no manifest.json in it`, {
      detail: { path },
      suggestion: fileAt(root, 'index.json') === undefined ? 'Make it with docker save; build a plain root file system without the prefix docker-archive:.' : 'It is an OCI layout: name it as oci-archive:FILE.',
    });
  }
  const images = JsonRecord.parse(contentBytes(manifest, MANIFEST_MAX, 'manifest.json'), 'manifest.json').items();
  const [image, ...others] = images;
  if (image === undefined || others.length > 0) {
    const tags = images.flatMap((each) => each.field('RepoTags')?.items().map((tag) => tag.text()) ?? []);
    throw new ThawfsError('BAD_ARGUMENT', `${path}: ${images.length} images, one is needed`, { detail: { tags }, suggestion: 'Save one image only: docker save IMAGE -o FILE.' });
  }
  return image.required('Layers').items().map((record) => {
    const name = record.text();
    const content = fileAt(root, fromText(name));
    if (content === undefined) throw new ThawfsError('OBJECT_MISSING', `${path}: layer ${display(fromText(name))} is not in it`, { detail: { path, layer: name } });
    const [, digest] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? [];
    if (digest !== undefined) verifyDigest(content, `sha256:${digest}`, `layer ${name}`, signal);
    return { label: `layer ${name}`, content };
  });
}
