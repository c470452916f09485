import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openRegistrySource } from '../../../src/source/registry.js';

const content = Buffer.alloc(5000, 'registry');
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const blob = sha256(content);
const image = { mediaType: 'application/vnd.thawfs.image.v1', digest: blob };

interface Seen { readonly url: string; readonly authorization: string | undefined }

/** A registry that gives out tokens for `reader:sesame`; its blobs lie on another server, unless it has them itself. */
class FakeRegistry {
  readonly seen: Seen[] = [];
  readonly manifests: Record<string, unknown> = { 1: { layers: [image] } };
  tokens = 0;
  expired = true;
  private readonly servers: readonly Server[];

  constructor(private readonly redirects = true, private readonly password = 'sesame') {
    this.servers = [createServer((request, response) => { this.answer(request, response); }), createServer((request, response) => { this.serveBlob(request, response); })];
  }

  async listen(): Promise<void> {
    await Promise.all(this.servers.map((server) => new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); })));
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => {
      const closed = new Promise((resolve) => { server.close(resolve); });
      server.closeAllConnections();
      return closed;
    }));
  }

  get host(): string { return `127.0.0.1:${this.port(0)}`; }

  private port(of: number): number { return (this.servers[of]!.address() as AddressInfo).port; }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers: { authorization } } = request;
    this.seen.push({ url, authorization });
    if (url.startsWith('/token')) {
      if (authorization !== `Basic ${Buffer.from(`reader:${this.password}`).toString('base64')}`) response.writeHead(401).end();
      else {
        this.expired = false;
        response.end(JSON.stringify({ token: `t${++this.tokens}` }));
      }
    } else if (authorization !== `Bearer t${this.tokens}` || this.expired) {
      response.writeHead(401, { 'www-authenticate': `Basic realm="no, \\"thanks\\"", Bearer realm="http://${this.host}/token",service="fake",scope="repository:team/app:pull"` }).end('{}');
    } else if (url.startsWith('/v2/team/app/manifests/')) {
      const manifest = this.manifests[url.slice('/v2/team/app/manifests/'.length)];
      if (manifest === undefined) response.writeHead(404).end('{}');
      else response.end(typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
    } else if (!this.redirects) this.serveBlob(request, response);
    else response.writeHead(307, { location: `http://127.0.0.1:${this.port(1)}${url}` }).end();
  }

  private serveBlob({ url, headers: { range = '', authorization } }: IncomingMessage, response: ServerResponse): void {
    this.seen.push({ url: `blob ${url ?? ''}`, authorization });
    const [first, last] = /\d+-\d+/.exec(range)![0].split('-').map(Number) as [number, number];
    const end = Math.min(last, content.length - 1);
    response.writeHead(206, { 'content-range': `bytes ${first}-${end}/${content.length}` }).end(content.subarray(first, end + 1));
  }
}

async function withRegistry(body: (registry: FakeRegistry, location: string) => Promise<void>, registry = new FakeRegistry()): Promise<void> {
  await registry.listen();
  try {
    writeFileSync(`${folder}/auth.json`, JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('reader:sesame').toString('base64') } } }));
    await body(registry, `oci://${registry.host}/team/app:1`);
  } finally {
    await registry.close();
  }
}

let folder: string;
const before = process.env['REGISTRY_AUTH_FILE'];

beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/thawfs-registry-`);
  process.env['REGISTRY_AUTH_FILE'] = `${folder}/auth.json`;
});

afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env['REGISTRY_AUTH_FILE'];
  else process.env['REGISTRY_AUTH_FILE'] = before;
});

describe('an image in a registry', () => {
  test('is read by ranges, with one token, which the server of its blobs does not see', () => withRegistry(async (registry, location) => {
    const { source, opening } = await openRegistrySource(location, 100);
    expect(source.location).toBe(location);
    expect(Buffer.from(opening)).toEqual(content.subarray(0, 100));
    expect(Buffer.from(await source.read(4000, 1000))).toEqual(content.subarray(4000));
    await source.close();
    expect(registry.tokens).toBe(1);
    expect(registry.seen.find(({ url }) => url.startsWith('/token'))?.url).toBe('/token?service=fake&scope=repository%3Ateam%2Fapp%3Apull');
    expect(registry.seen.filter(({ url }) => url.startsWith('blob')).map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  }));

  test('stays readable when tokens expire; reads that are refused together share the next', () => withRegistry(async (registry, location) => {
    const { source } = await openRegistrySource(location, 100);
    for (let round = 0; round < 3; round++) {
      registry.expired = true;
      const parts = await Promise.all(Array.from({ length: 8 }, (_, i) => source.read(i * 100, 100)));
      expect(Buffer.concat(parts)).toEqual(content.subarray(0, 800));
    }
    await source.close();
    expect(registry.tokens).toBe(4);
  }, new FakeRegistry(false)));

  test('whom it refuses is told to log in; the password is in no message', () => withRegistry(async (_, location) => {
    const failure = await openRegistrySource(location, 100).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(JSON.stringify(failure)).not.toContain('sesame');
  }, new FakeRegistry(true, 'another')));

  test('of an index is the one for this machine', () => withRegistry(async (registry, location) => {
    const manifest = { layers: [image] };
    const other = JSON.stringify({ layers: [] });
    const digest = sha256(Buffer.from(JSON.stringify(manifest)));
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    registry.manifests[digest] = manifest;
    registry.manifests['1'] = { manifests: [{ digest: sha256(Buffer.from(other)), platform: { os: 'plan9', architecture } }, { digest, platform: { os: process.platform, architecture } }] };
    await (await openRegistrySource(location, 100)).source.close();
    registry.manifests['1'] = { manifests: [{ digest, platform: { os: 'plan9', architecture } }] };
    await expect(openRegistrySource(location, 100)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
  }));

  test.each([
    ['nothing under the name', undefined, 'OBJECT_MISSING'],
    ['a container image of two layers', { layers: [{ digest: blob }, { digest: blob }] }, 'OBJECT_MISSING'],
    ['two images', { layers: [image, image] }, 'OBJECT_MISSING'],
    ['no layer', {}, 'OBJECT_MISSING'],
    ['a digest that leads elsewhere', { layers: [{ ...image, digest: '../../../secret' }] }, 'OBJECT_MISSING'],
    ['no JSON', '<html>', 'OBJECT_MISSING'],
    ['no object', '3', 'OBJECT_MISSING'],
    ['endless', 'x'.repeat(5_000_000), 'LIMIT_EXCEEDED'],
  ])('%s is refused', (_, manifest, code) => withRegistry(async (registry, location) => {
    registry.manifests['1'] = manifest;
    await expect(openRegistrySource(location, 100)).rejects.toMatchObject({ code });
  }));

  test('one layer of any type will do, and of several the one that is called the image', () => withRegistry(async (registry, location) => {
    for (const layers of [[{ mediaType: 'application/octet-stream', digest: blob }], [{ mediaType: 'text/plain', digest: sha256(Buffer.from('x')) }, image]]) {
      registry.manifests['1'] = { layers };
      await (await openRegistrySource(location, 100)).source.close();
    }
  }));

  test('by digest it is that manifest or nothing', () => withRegistry(async (registry) => {
    const manifest = { layers: [image] };
    const digest = sha256(Buffer.from(JSON.stringify(manifest)));
    registry.manifests[digest] = manifest;
    await (await openRegistrySource(`oci://${registry.host}/team/app@${digest}`, 100)).source.close();
    registry.manifests[digest] = { layers: [image], other: true };
    await expect(openRegistrySource(`oci://${registry.host}/team/app@${digest}`, 100)).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
  }));

  test('aborting ends with the reason', () => withRegistry(async (_, location) => {
    const reason = new Error('enough');
    await expect(openRegistrySource(location, 100, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  }));
});
