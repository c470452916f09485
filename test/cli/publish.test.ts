/** publish, and the commands that read from a registry, against Debian's docker-registry. */
import { spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type { PublishReport } from '../../src/publish/publish-image.js';
import type { PullReport } from '../../src/update/pull.js';
import { Cli } from '../helpers/cli.js';
import { freePort } from '../helpers/free-port.js';
import { until } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

interface FailureJson { readonly error: { readonly code: string } }

/** `sesame`, as bcrypt(5) has it: the registry takes no other form. */
const passwords = 'ci:$2b$05$TVT1hIq3CglEQWocxj5Toe.7C/daJE1qGBPu4He1puHXhk2NOrQGe\n';

/** @param body receives host and port of a registry that knows `ci` with the password `sesame` only */
async function withDockerRegistry(cli: Cli, body: (host: string) => Promise<void>): Promise<void> {
  const host = `127.0.0.1:${await freePort()}`;
  writeFileSync(cli.path('passwords'), passwords);
  writeFileSync(cli.path('registry.yml'), JSON.stringify({
    version: '0.1', log: { level: 'error' }, storage: { filesystem: { rootdirectory: cli.path('registry') } }, http: { addr: host }, auth: { htpasswd: { realm: 'test', path: cli.path('passwords') } },
  }));
  const registry = spawn('docker-registry', ['serve', cli.path('registry.yml')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { registry.on('exit', resolve); });
  try {
    await until(() => fetch(`http://${host}/v2/`).then(({ status }) => status === 401, () => false), 'docker-registry answers');
    await body(host);
  } finally {
    registry.kill();
    await ended;
  }
}

describe('a registry', () => {
  let cli: Cli;
  const anybody = '--allow-unsigned';

  beforeAll(async () => {
    cli = new Cli();
    mkdirSync(cli.path('tree'));
    const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(3_000_000));
    writeFileSync(cli.path('tree/a'), noise);
    writeFileSync(cli.path('tree/hello'), 'hello\n');
    await cli.json(['build', 'tree', '-o', 'app-1.img.zst', '--name', 'app']);
    writeFileSync(cli.path('tree/a'), Buffer.concat([Buffer.from('moved'), noise])); // every chunk differs, and a patch is small
    await cli.json(['build', 'tree', '-o', 'app-2.img.zst', '--name', 'app', '--sequence', '2', '--base', 'app-1.img.zst', anybody]);
    await cli.json(['diff', 'app-1.img.zst', 'app-2.img.zst', '--publish', anybody]);
  });

  afterAll(() => { cli.remove(); });

  oracleTest(['docker-registry'], 'takes images with their patches, and every reading command reads from it', () => withDockerRegistry(cli, async (host) => {
    const name = (tag: string): string => `oci://${host}/team/app${tag}`;
    expect((await cli.json<FailureJson>(['publish', 'app-1.img.zst', name(':1')], 4)).error.code).toBe('AUTH_REQUIRED');
    mkdirSync(cli.path('home/.docker'), { recursive: true });
    writeFileSync(cli.path('home/.docker/config.json'), JSON.stringify({ auths: { [host]: { auth: Buffer.from('ci:sesame').toString('base64') } } }));

    const first = await cli.json<PublishReport>(['publish', 'app-1.img.zst', name(':1')]);
    expect(first).toMatchObject({ name: 'app', location: name(':1'), sent: true, patches: [] });
    expect(await cli.json<PublishReport>(['publish', 'app-1.img.zst', name(':again')])).toMatchObject({ sent: false });
    const second = await cli.json<PublishReport>(['publish', 'app-2.img.zst', name(':2')]);
    expect(second.patches).toMatchObject([{ location: `${name(':2')}.from-${first.rootHash.slice(0, 16)}.thawpatch` }]);

    for (const location of [name(':1'), first.pinned]) {
      expect(await cli.json(['verify', location, anybody])).toMatchObject({ manifest: { verity: { rootHash: first.rootHash } } });
      expect((await cli.run(['cat', location, '/hello', anybody])).stdout).toBe('hello\n');
    }
    expect(await cli.json(['inspect', name(':2'), anybody])).toMatchObject({ manifest: { sequence: 2 } });
    expect((await cli.json<{ counts: { changed: number } }>(['diff', 'app-1.img.zst', name(':2'), anybody], 1)).counts).toMatchObject({ changed: 1 });
    const pulled = await cli.json<PullReport>(['pull', name(':2'), '-o', 'new.img.zst', '--seed', 'app-1.img.zst', anybody]);
    expect(readFileSync(cli.path('new.img.zst'))).toEqual(readFileSync(cli.path('app-2.img.zst')));
    expect(pulled.fetched).toBeLessThan(200_000);
    await cli.json(['fill', name(':1'), '--cache', cli.path('cache'), anybody]);

    expect((await cli.json<FailureJson>(['verify', name(':3'), anybody], 8)).error.code).toBe('OBJECT_MISSING');
    expect((await cli.json<FailureJson>(['publish', 'tree/a', name(':3')], 5)).error.code).toBe('BAD_MAGIC');
    expect((await cli.json<FailureJson>(['publish', 'app-1.img.zst', first.pinned], 2)).error.code).toBe('BAD_ARGUMENT');
    expect((await cli.json<FailureJson>(['publish', 'app-1.img.zst', `http://${host}/app`], 2)).error.code).toBe('BAD_ARGUMENT');
    // What was refused has left nothing behind.
    expect(readdirSync(cli.path('registry/docker/registry/v2/repositories/team/app/_manifests/tags')).sort()).toEqual(['1', '2', `2.from-${first.rootHash.slice(0, 16)}.thawpatch`, 'again']);
  }), 120_000);

  oracleTest(['docker-registry', 'fuse', 'loop'], 'is mounted from', () => withDockerRegistry(cli, async (host) => {
    mkdirSync(cli.path('home/.docker'), { recursive: true });
    writeFileSync(cli.path('home/.docker/config.json'), JSON.stringify({ auths: { [host]: { auth: Buffer.from('ci:sesame').toString('base64') } } }));
    await cli.json(['publish', 'app-1.img.zst', `oci://${host}/team/app`]);
    mkdirSync(cli.path('mnt'));
    await cli.json(['mount', `oci://${host}/team/app`, 'mnt', anybody, '--cache', cli.path('cache2'), '--no-fill']);
    try {
      expect(readFileSync(cli.path('mnt/hello'), 'latin1')).toBe('hello\n');
      expect(readFileSync(cli.path('mnt/a')).subarray(-3_000_000)).toEqual(readFileSync(cli.path('tree/a')).subarray(-3_000_000));
      await cli.json(['fill', 'mnt']);
    } finally {
      await cli.json(['umount', 'mnt']);
    }
  }), 120_000);
});
