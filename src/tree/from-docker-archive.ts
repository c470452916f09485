/** What `docker save` writes, and `podman save --format docker-archive`: a tar with manifest.json and the layers, as a tree. */
import { posix } from 'node:path';
import { display, fromText } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import type { Content } from '../model/content.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';
import { contentBytes } from './content-feed.js';
import { readTar } from './from-tar.js';
import type { ReadTarOptions } from './from-tar.js';
import { flattenLayers } from './layers.js';
import { MANIFEST_MAX, verifyDigest } from './oci-blobs.js';
import { JsonRecord } from './oci-json.js';
import type { TreeSource } from './tree-source.js';

const SYMLINKS_MAX = 8;

/**
 * @param path of the archive, compressed or not
 * @throws BAD_FIELD when it is no such archive, BAD_ARGUMENT when it holds several images, OBJECT_MISSING for an absent layer,
 *   BLOB_DIGEST_MISMATCH for a layer that is named by its digest and differs; what reading a tar throws
 */
export async function readDockerArchive(path: string, options: ReadTarOptions = {}): Promise<TreeSource> {
  const archive = await readTar(path, options);
  try {
    const flat = await flattenLayers(layersOf(archive.root, path, options.signal), options);
    return {
      root: flat.root, warnings: [...archive.warnings, ...flat.warnings],
      dispose: () => {
        flat.dispose();
        archive.dispose();
      },
    };
  } catch (error) {
    archive.dispose();
    throw error;
  }
}

function layersOf(root: DirectoryNode, path: string, signal?: AbortSignal): { label: string; content: Content }[] {
  const manifest = fileAt(root, 'manifest.json');
  if (manifest === undefined) {
    throw new ThawfsError('BAD_FIELD', `${path}: there is no manifest.json in it`, { detail: { path }, suggestion: 'Make it with docker save; build a plain root file system without the prefix docker-archive:.' });
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

/** Layers that are alike are symlinks to one another in older archives: `../ID/layer.tar`. */
function fileAt(root: DirectoryNode, path: ByteString): Content | undefined {
  let place = path;
  for (let followed = 0; followed < SYMLINKS_MAX; followed++) {
    let node: TreeNode | undefined = root;
    for (const name of place.split('/')) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
    if (node?.kind !== 'symlink') return node?.kind === 'file' ? node.content : undefined;
    place = posix.join(posix.dirname(place), node.target);
  }
  return undefined;
}
