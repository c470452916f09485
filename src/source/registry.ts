/**
 * Images in container registries: each is the one layer of an artifact (image-spec 1.1, "Guidelines for Artifact Usage"), a blob that is read by ranges
 * like any file on a web server.
 */
import { ThawfsError } from '../errors.js';
import { imageArchitecture } from '../sys/image-architecture.js';
import { openHttpFile, type HttpOptions } from './http.js';
import type { OpenedSource } from './range-source.js';
import { RegistryClient } from './registry-client.js';
import { blobDigest } from './registry-reference.js';

/** The layer that is the image, where an artifact has several. */
export const IMAGE_MEDIA_TYPE = 'application/vnd.thawfs.image.v1';

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

interface Descriptor { readonly mediaType?: string; readonly digest?: string; readonly platform?: { readonly architecture?: string; readonly os?: string } }
/** Of an artifact, or of an index of them. */
interface Manifest { readonly layers?: readonly Descriptor[]; readonly manifests?: readonly Descriptor[] }

/**
 * As openHttpSource, of `oci://HOST/REPOSITORY[:TAG][@DIGEST]`. Who has logged in with docker, podman, skopeo or oras is known. Costs the requests for
 * a token and for the manifest besides.
 *
 * @throws BAD_ARGUMENT for the name; OBJECT_MISSING where there is no image under it; BLOB_DIGEST_MISMATCH for a manifest that is not the one that was
 *   named; LIMIT_EXCEEDED; as openHttpSource
 */
export async function openRegistrySource(location: string, openingLength: number, options: HttpOptions = {}): Promise<OpenedSource> {
  const registry = new RegistryClient(location, options);
  try {
    const digest = await new Lookup(registry, options.signal ?? new AbortController().signal).imageDigest();
    return await openHttpFile(registry.urlOf(`blobs/${digest}`), openingLength, options, { client: registry.client, authorizer: registry.authorizer, location });
  } catch (error) {
    await registry.close();
    throw error;
  }
}

class Lookup {
  constructor(private readonly registry: RegistryClient, private readonly signal: AbortSignal) {}

  async imageDigest(): Promise<string> {
    const { digest, tag } = this.registry.reference;
    let manifest = await this.manifest(digest ?? tag);
    if (manifest.manifests !== undefined) manifest = await this.manifest(this.digestOf(forThisMachine(manifest.manifests), 'is an index without exactly one image for this machine'));
    const layers = manifest.layers ?? [];
    const images = layers.filter(({ mediaType }) => mediaType === IMAGE_MEDIA_TYPE);
    return this.digestOf(images.length > 0 || layers.length > 1 ? images : layers, `has ${layers.length} layers, and not exactly one is called the image`);
  }

  private digestOf([only, ...others]: readonly Descriptor[], otherwise: string): string {
    const { location } = this.registry.reference;
    if (only?.digest !== undefined && others.length === 0 && /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(only.digest)) return only.digest;
    throw new ThawfsError('OBJECT_MISSING', `${location}: ${otherwise}`, {
      detail: { location, retryable: false }, suggestion: 'Publish an image file there with thawfs publish; a container image has to be built into one first.',
    });
  }

  private async manifest(name: string): Promise<Manifest> {
    const { registry, registry: { reference: { location } }, signal } = this;
    const answer = await registry.request({ to: `manifests/${name}`, headers: { accept: manifestTypes }, signal });
    if (answer.statusCode !== 200) registry.refuse(answer);
    const actual = blobDigest(answer.bytes);
    if (name.startsWith('sha256:') && actual !== name) {
      throw new ThawfsError('BLOB_DIGEST_MISMATCH', `${location}: the registry gives another manifest than ${name}`, { detail: { location, expected: name, actual }, suggestion: 'Ask another registry, or try again.' });
    }
    try {
      const value: unknown = JSON.parse(answer.bytes.toString());
      if (typeof value === 'object' && value !== null) return value;
    } catch {
      // Said below.
    }
    throw new ThawfsError('OBJECT_MISSING', `${location}: the server gives no manifest`, { detail: { location, retryable: false }, suggestion: 'Check that it is a registry.' });
  }
}

function forThisMachine(manifests: readonly Descriptor[]): readonly Descriptor[] {
  const own = manifests.filter(({ platform }) => platform?.os === process.platform && platform.architecture === imageArchitecture);
  return own.length > 0 ? own : manifests.filter(({ platform }) => platform === undefined);
}
