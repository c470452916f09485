/** Image files, and the patches that lie beside them, into a container registry (distribution-spec 1.1, "Pushing"): each as the one layer of an artifact. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { decodeHead } from '../chunk/head.js';
import { fromErrno, ThawfsError, type ErrorDetail } from '../errors.js';
import { HEAD_MAX_SIZE } from '../format/container.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { patchSuffixForm } from '../format/patch.js';
import type { HttpClientOptions } from '../source/http-client.js';
import { openSource } from '../source/open-source.js';
import { IMAGE_MEDIA_TYPE } from '../source/registry.js';
import { RegistryClient, type RegistryAnswer } from '../source/registry-client.js';
import { besideReference, blobDigest, parseReference } from '../source/registry-reference.js';
import { MiB } from '../units.js';

const PATCH_MEDIA_TYPE = 'application/vnd.thawfs.patch.v1';
const MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
/** image-spec 1.1, "Guidance for an Empty Descriptor". */
const EMPTY_MEDIA_TYPE = 'application/vnd.oci.empty.v1+json';
const empty = Buffer.from('{}');
const emptyDigest = blobDigest(empty);
/** Registries look at a blob once more when it is there, and some move it to where it stays. */
const COMMIT_PATIENCE = 300_000;

export interface PublishOptions extends Pick<HttpClientOptions, 'ca' | 'idleTimeout'> {
  readonly signal?: AbortSignal;
  /** Bytes of all files read to know their digests, then sent. */
  readonly onProgress?: (stage: 'reading' | 'sending', done: number, total: number) => void;
}

export interface PublishedFile {
  /** Under what name it can be had now, and the name that never means anything else. */
  readonly location: string;
  readonly pinned: string;
  readonly size: number;
  /** False when the registry had these bytes. */
  readonly sent: boolean;
}

export interface PublishReport extends PublishedFile {
  readonly name: string;
  readonly rootHash: string;
  readonly patches: readonly PublishedFile[];
}

/**
 * Publishes an image under a name, then each patch beside it (`IMAGE.from-XXXX.thawpatch`) where `pull` looks for it. The name of the image is set
 * when all its bytes are there; what was interrupted leaves nothing that anybody sees.
 *
 * Cost: each file is read twice, and sent unless the registry has it.
 *
 * @param image path of an image file
 * @param location `oci://HOST/REPOSITORY[:TAG]`
 * @throws BAD_ARGUMENT for the name; PATH_MISSING, NOT_PERMITTED, BAD_MAGIC … for the file; SOURCE_CHANGED when it changes meanwhile; AUTH_REQUIRED; HTTP_STATUS,
 *   SOURCE_UNREACHABLE, TIMEOUT
 */
export async function publishImage(image: string, location: string, options: PublishOptions = {}): Promise<PublishReport> {
  const registry = new RegistryClient(location, options);
  const { digest } = registry.reference;
  if (digest !== undefined) throw new ThawfsError('BAD_ARGUMENT', `${location}: a digest cannot be published to`, { suggestion: 'Name a tag: oci://HOST/REPOSITORY:TAG.' });
  try {
    const { name, sequence, verity: { rootHash } } = await manifestOf(image);
    const beside = patchesBeside(image);
    const publisher = new Publisher(registry, options, [image, ...beside.map(({ path }) => path)]);
    const annotations = { 'org.opencontainers.image.title': basename(image), 'dev.thawfs.name': name, 'dev.thawfs.sequence': String(sequence), 'dev.thawfs.root-hash': rootHash };
    await publisher.sendConfiguration();
    const published = await publisher.publish({ path: image, location, mediaType: IMAGE_MEDIA_TYPE, annotations });
    const patches: PublishedFile[] = [];
    for (const { path, suffix } of beside) {
      patches.push(await publisher.publish({ path, location: besideReference(location, suffix), mediaType: PATCH_MEDIA_TYPE, annotations: { 'org.opencontainers.image.title': basename(path) } }));
    }
    return { name, rootHash, ...published, patches };
  } finally {
    await registry.close();
  }
}

async function manifestOf(image: string): Promise<Manifest> {
  const { source, opening } = await openSource(image, HEAD_MAX_SIZE);
  await source.close();
  return decodeManifest(decodeHead(opening).manifest);
}

/** @returns the patches that `diff --publish` and `build --publish` put beside an image */
function patchesBeside(image: string): { readonly path: string; readonly suffix: string }[] {
  const [folder, name] = [dirname(image), basename(image)];
  return readdirSync(folder).filter((file) => file.startsWith(name) && patchSuffixForm.test(file.slice(name.length))).sort()
    .map((file) => ({ path: join(folder, file), suffix: file.slice(name.length) }));
}

interface Artifact {
  readonly path: string;
  readonly location: string;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

class Publisher {
  private readonly signal: AbortSignal;
  private readonly total: number;
  private readonly done = { reading: 0, sending: 0 };

  constructor(private readonly registry: RegistryClient, private readonly options: PublishOptions, paths: readonly string[]) {
    this.signal = options.signal ?? new AbortController().signal;
    this.total = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  }

  /** All artifacts have the same, which is none. */
  async sendConfiguration(): Promise<void> {
    if (!await this.hasBlob(emptyDigest)) await this.send(emptyDigest, empty.length, empty, 'the empty configuration');
  }

  async publish({ path, location, mediaType, annotations }: Artifact): Promise<PublishedFile> {
    const { registry, signal } = this;
    const { digest, size } = await this.digestOf(path);
    const sent = await this.hasBlob(digest);
    if (sent) this.progress('sending', size);
    else await this.send(digest, size, Readable.from(this.parts(path, 'sending')), path);
    const manifest = Buffer.from(JSON.stringify({
      schemaVersion: 2, mediaType: MANIFEST_MEDIA_TYPE, artifactType: mediaType,
      config: { mediaType: EMPTY_MEDIA_TYPE, digest: emptyDigest, size: empty.length }, layers: [{ mediaType, digest, size, annotations }],
    }));
    const answer = await registry.request({ method: 'PUT', to: `manifests/${parseReference(location).tag}`, headers: { 'content-type': MANIFEST_MEDIA_TYPE }, body: manifest, signal, patience: COMMIT_PATIENCE });
    this.expect(answer, 201);
    const { host, repository } = registry.reference;
    return { location, pinned: `oci://${host}/${repository}@${blobDigest(manifest)}`, size, sent: !sent };
  }

  private async digestOf(path: string): Promise<{ readonly digest: string; readonly size: number }> {
    const hash = createHash('sha256');
    let size = 0;
    for await (const part of this.parts(path, 'reading')) {
      hash.update(part);
      size += part.length;
    }
    return { digest: `sha256:${hash.digest('hex')}`, size };
  }

  private async *parts(path: string, stage: 'reading' | 'sending'): AsyncGenerator<Buffer> {
    try {
      for await (const part of createReadStream(path, { highWaterMark: MiB, signal: this.signal }) as AsyncIterable<Buffer>) {
        this.progress(stage, part.length);
        yield part;
      }
    } catch (error) {
      this.signal.throwIfAborted();
      throw fromErrno(error, path);
    }
  }

  private async hasBlob(digest: string): Promise<boolean> {
    const answer = await this.registry.request({ method: 'HEAD', to: `blobs/${digest}`, signal: this.signal });
    if (answer.statusCode !== 200 && answer.statusCode !== 404) this.registry.refuse(answer);
    return answer.statusCode === 200;
  }

  private async send(digest: string, size: number, body: Uint8Array | Readable, what: string): Promise<void> {
    const { registry, signal } = this;
    const session = await registry.request({ method: 'POST', to: 'blobs/uploads/', signal });
    this.expect(session, 202);
    const place = session.headers['location'];
    if (typeof place !== 'string' || !URL.canParse(place, registry.urlOf('').href)) {
      throw new ThawfsError('HTTP_STATUS', `${registry.reference.location}: the registry does not say where to send to`, { detail: { status: session.statusCode, retryable: false }, suggestion: 'Check that it is a registry.' });
    }
    const url = registry.urlOf(place);
    url.searchParams.set('digest', digest);
    const changed = (detail: ErrorDetail): ThawfsError => new ThawfsError('SOURCE_CHANGED', `${what}: changed while it was being published`, {
      detail: { ...detail, expected: digest, retryable: false }, suggestion: 'Publish a file that nobody is writing to.',
    });
    const answer = await registry.request({
      method: 'PUT', to: url.href, headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) }, body, signal, patience: COMMIT_PATIENCE,
    }).catch((error: unknown) => {
      throw error instanceof ThawfsError && error.detail.errno === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' ? changed({ size }) : error;
    });
    if (answer.statusCode === 400) throw changed({ status: 400 }); // DIGEST_INVALID
    this.expect(answer, 201);
  }

  private expect(answer: RegistryAnswer, status: number): void {
    if (answer.statusCode !== status) this.registry.refuse(answer);
  }

  private progress(stage: 'reading' | 'sending', bytes: number): void {
    this.done[stage] += bytes;
    this.options.onProgress?.(stage, this.done[stage], this.total);
  }
}
