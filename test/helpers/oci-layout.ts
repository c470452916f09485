/** Container images on disk for tests: OCI layouts and docker archives, from layers that GNU tar made. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface BlobDescriptor { mediaType: string; digest: string; size: number; annotations?: Record<string, string>; platform?: { os: string; architecture: string; variant?: string } }

export const LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';

/** Writes a blob into the layout at `directory`. */
export function putBlob(directory: string, bytes: Uint8Array | string, mediaType: string): BlobDescriptor {
  const digest = createHash('sha256').update(bytes).digest('hex');
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true });
  writeFileSync(join(directory, 'blobs', 'sha256', digest), bytes);
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(bytes) };
}

/** An image whose config is right for layers that are not compressed; we read none of it. */
export function putImage(directory: string, layers: readonly BlobDescriptor[]): BlobDescriptor {
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const config = putBlob(directory, JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs, history: [] }), 'application/vnd.oci.image.config.v1+json');
  return putBlob(directory, JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers }), MANIFEST);
}

export function putIndex(directory: string, manifests: readonly BlobDescriptor[]): void {
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
}

/**
 * A layer from a script that fills the working directory, then names the entries in order.
 *
 * @param script shell, run in an empty directory `scratch`
 * @param entries in the order in which the layer has them; default all, by find
 */
export function layerOf(scratch: string, script: string, entries?: readonly string[]): Buffer {
  mkdirSync(scratch, { recursive: true });
  execFileSync('sh', ['-ec', script], { cwd: scratch });
  const list = entries ?? ['.'];
  return execFileSync('tar', ['-C', scratch, '-c', '--format=pax', '--numeric-owner', ...(entries === undefined ? [] : ['--no-recursion']), ...list], { maxBuffer: 1 << 28 });
}
