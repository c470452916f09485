/** Pulling from a web server that counts its bytes: what is fetched, what is written, what is refused. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { fillCache } from '../../../src/image/fill-cache.js';
import { EXT4_MAGIC, superblock, SUPERBLOCK_OFFSET } from '../../../src/format/ext4/superblock.js';
import { decodeManifest, encodeManifest } from '../../../src/format/manifest.js';
import { encodeSignatures } from '../../../src/format/signatures.js';
import { makeSignature } from '../../../src/trust/dsse.js';
import { generateKey, loadPrivateKey, loadTrustedKeys, type SigningKey } from '../../../src/trust/keys.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { pullImage, type PullOptions, type PullReport } from '../../../src/update/pull.js';
import type { PullCost } from '../../../src/update/pull-cost.js';
import { noise } from '../../helpers/make-tree.js';
import { packBytes } from '../../helpers/packed-image.js';
import { withRangeServer, type RangeServer, type RangeServerOptions } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const CHUNK = 16384;
let key: SigningKey;
let trust: TrustPolicy;
let oldRaw: Buffer;
let oldImage: Buffer;
let newImage: Buffer;

/** 40 chunks of noise, one of them three times, and zeros. */
function content(): Buffer {
  const bytes = Buffer.alloc(48 * CHUNK);
  for (let i = 0; i < 40; i++) bytes.set(noise(CHUNK, 100 + i), i * CHUNK);
  bytes.writeUInt16LE(EXT4_MAGIC, SUPERBLOCK_OFFSET + superblock.offsetOf('magic')); // for those who look
  for (const i of [41, 43]) bytes.set(noise(CHUNK, 103), i * CHUNK);
  return bytes;
}

beforeAll(async () => {
  const pair = generateKey('ed25519');
  key = loadPrivateKey(pair.privatePem);
  trust = { keys: loadTrustedKeys([pair.publicPem], 'test'), now: 0 };
  oldRaw = content();
  oldImage = await packBytes(oldRaw, key);
  const changed = Buffer.from(oldRaw);
  changed.set(noise(3 * CHUNK, 7), 10 * CHUNK); // three chunks replaced
  newImage = await packBytes(changed, key);
});

interface Setting { readonly server: RangeServer; readonly path: (name: string) => string; readonly pull: (options?: Partial<PullOptions>) => Promise<PullReport> }

const code = (value: string): unknown => expect.objectContaining({ code: value });

function setting(body: (setting: Setting) => Promise<void>, served = newImage, options: RangeServerOptions = {}): Promise<void> {
  return withTempDir((folder) => withRangeServer(served, options, async (server) => {
    const path = (name: string): string => join(folder, name);
    writeFileSync(path('old'), oldImage);
    await body({ server, path, pull: (more = {}) => pullImage(server.url, path('new'), { trust, ...more }) });
  }));
}

describe('pull', () => {
  test('without seeds: everything, each frame once, bit for bit', () => setting(async ({ server, path, pull }) => {
    const { cost, fetched } = await pull();
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(cost).toMatchObject({ seeded: 0, kept: 0, fileSize: newImage.length });
    expect(cost.repeated).toBeGreaterThan(2 * CHUNK); // the two copies of a chunk of noise
    expect(fetched).toBe(cost.opened + cost.fetch);
    expect(server.bytesSent).toBe(fetched);
    expect(readdirSync(path('.')).sort()).toEqual(['new', 'old']);
  }));

  test('with a raw image, of which some is damaged and what is left out is a hole', () => setting(async ({ server, path, pull }) => {
    const raw = Buffer.from(oldRaw);
    raw.set(noise(CHUNK, 1), 20 * CHUNK);
    writeFileSync(path('raw'), raw.subarray(0, 44 * CHUNK));
    truncateSync(path('raw'), 400 * CHUNK);
    const { cost } = await pull({ seeds: [path('raw')] });
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(cost.fetch).toBeGreaterThan(4 * CHUNK); // three that changed, one that is damaged
    expect(cost.fetch).toBeLessThan(6 * CHUNK);
    expect(server.bytesSent).toBe(cost.opened + cost.fetch);
    // It changed after it was looked at.
    rmSync(path('new'));
    const again = await pull({ seeds: [path('raw')], onPlan: () => { truncateSync(path('raw'), 20 * CHUNK); } });
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(again.fetched).toBeGreaterThan(again.cost.opened + again.cost.fetch + 10 * CHUNK);
  }));

  test('with the cache of mounts, that has frames of another compressor, and damaged ones', () => setting(async ({ server, path, pull }) => {
    writeFileSync(path('other'), await packBytes(oldRaw, key, { level: 19 }));
    for (const name of ['other', 'old']) {
      await withRangeServer(readFileSync(path(name)), {}, (origin) => fillCache(origin.url, { trust, cache: path('cache') }));
    }
    const objects = readdirSync(path('cache/objects'), { recursive: true, encoding: 'utf8' }).map((name) => path(`cache/objects/${name}`)).filter((name) => statSync(name).isFile());
    const large = objects.filter((name) => statSync(name).size >= CHUNK && statSync(name).size < CHUNK + 100); // frames of noise, not pages
    writeFileSync(large[0]!, 'damaged');
    const { cost, fetched } = await pull({ seeds: [path('cache')] });
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(cost.fetch).toBeLessThan(5 * CHUNK);
    expect(server.bytesSent).toBe(fetched);
    expect(readFileSync(large[0]!, 'utf8')).toBe('damaged'); // it is others' to repair
  }));

  test('refuses seeds that are none: what is far away, no file system, another folder', () => setting(async ({ server, path, pull }) => {
    writeFileSync(path('text'), Buffer.alloc(5000, 'a'));
    await expect(pull({ seeds: [server.url] })).rejects.toEqual(code('BAD_ARGUMENT'));
    await expect(pull({ seeds: [path('text')] })).rejects.toEqual(code('BAD_MAGIC'));
    await expect(pull({ seeds: [path('.')] })).rejects.toEqual(code('BAD_ARGUMENT'));
    await expect(pull({ seeds: [path('none')] })).rejects.toEqual(code('PATH_MISSING'));
    expect(server.seen).toEqual([]);
  }));

  test('with a seed: what changed, and what was announced is what comes', () => setting(async ({ server, path, pull }) => {
    let announced: PullCost | undefined;
    let before = 0;
    await pull({ seeds: [path('old')], onPlan: (cost) => { announced = cost; before = server.bytesSent; } });
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(announced!.fetch).toBe(server.bytesSent - before);
    expect(announced!.fetch).toBeGreaterThan(3 * CHUNK);
    expect(announced!.fetch).toBeLessThan(6 * CHUNK); // three chunks of data, and those with the hash tree
  }));

  test('what stands in the place of the output is a seed', () => setting(async ({ path, pull }) => {
    writeFileSync(path('new'), oldImage);
    expect((await pull()).cost.fetch).toBeLessThan(6 * CHUNK);
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect((await pull()).cost.fetch).toBe(0);
  }));

  test('a damaged seed costs its chunk, not the result', () => setting(async ({ path, pull }) => {
    const damaged = Buffer.from(oldImage);
    damaged[decodeHead(oldImage).headSize + 20 * CHUNK]! ^= 1;
    writeFileSync(path('old'), damaged);
    const { cost, fetched } = await pull({ seeds: [path('old')] });
    expect(readFileSync(path('new')).equals(newImage)).toBe(true);
    expect(fetched - cost.opened - cost.fetch).toBeGreaterThan(CHUNK - 1);
  }));

  test('frames of a seed of another level are made anew', async () => {
    const letters = Buffer.from(noise(24 * CHUNK, 5).map((byte) => 97 + byte % 8));
    const image = await packBytes(letters, key, { level: 3 });
    await setting(async ({ path, pull }) => {
      letters.set(noise(CHUNK, 9), 10 * CHUNK);
      const seed = await packBytes(letters, key, { level: 19 });
      expect(seed.length).not.toBe(image.length);
      // Damage in one of its frames costs that chunk.
      seed[decodeHead(seed).headSize + 1000]! ^= 1;
      writeFileSync(path('old'), seed);
      const { cost, fetched } = await pull({ seeds: [path('old')] });
      expect(readFileSync(path('new')).equals(image)).toBe(true);
      expect(cost.foreignSeeds).toEqual([]);
      expect(cost.fetch).toBeLessThan(2 * CHUNK);
      expect(fetched).toBeGreaterThan(cost.opened + cost.fetch);
    }, image);
  });

  test('where this machine has not the zstd of the new image, a seed that another made is named and left alone', async () => {
    const head = decodeHead(newImage);
    const manifest = encodeManifest({ ...decodeManifest(head.manifest), codec: { name: 'zstd', level: 3, implementation: 'of another machine' } });
    const other = Buffer.concat([encodeHead({ ...head, manifest, signatures: encodeSignatures([makeSignature(manifest, key)]) }), newImage.subarray(head.headSize)]);
    await setting(async ({ path, pull }) => {
      const { cost } = await pull({ seeds: [path('old')] });
      expect(cost).toMatchObject({ seeded: 0, foreignSeeds: [path('old')] });
      expect(readFileSync(path('new')).equals(other)).toBe(true);
    }, other);
  });

  test('max-bytes refuses before anything is written', () => setting(async ({ path, pull }) => {
    await expect(pull({ maxBytes: 100_000 })).rejects.toEqual(code('FETCH_LIMIT_EXCEEDED'));
    expect(readdirSync(path('.'))).toEqual(['old']);
    await pull({ maxBytes: 100_000, seeds: [path('old')] });
  }));

  test('dry run: says the cost, writes nothing', () => setting(async ({ path, pull }) => {
    expect(await pull({ dryRun: true })).toMatchObject({ complete: false });
    expect(readdirSync(path('.'))).toEqual(['old']);
  }));

  test('the trust policy comes first', () => setting(async ({ path, pull }) => {
    const other = generateKey('ed25519');
    await expect(pull({ trust: { keys: loadTrustedKeys([other.publicPem], 'test'), now: 0 } })).rejects.toEqual(code('KEY_UNTRUSTED'));
    await expect(pull({ trust: { ...trust, minimumSequence: 2 } })).rejects.toEqual(code('SEQUENCE_ROLLBACK'));
    expect(readdirSync(path('.'))).toEqual(['old']);
  }));
});

describe('a run that ends early', () => {
  const interrupted = async ({ path, pull }: Setting): Promise<Buffer> => {
    const stop = new AbortController();
    const ending = pull({ signal: stop.signal, onProgress: (_, done, total) => { if (done > total / 2) stop.abort(new Error('enough')); } });
    await expect(ending).rejects.toThrow('enough');
    expect(existsSync(path('new'))).toBe(false);
    return readFileSync(path('.new.pull'));
  };

  test('goes on from there', () => setting(async (at) => {
    await interrupted(at);
    const { cost } = await at.pull();
    expect(cost.kept).toBeGreaterThan(newImage.length / 3);
    expect(cost.kept + cost.fetch + cost.repeated + cost.made).toBe(decodeHead(newImage).indexOffset - decodeHead(newImage).headSize);
    expect(readFileSync(at.path('new')).equals(newImage)).toBe(true);
    expect(existsSync(at.path('.new.pull'))).toBe(false);
  }));

  test('whatever it left: torn, damaged, cut off, of another image, too long', () => setting(async (at) => {
    const left = await interrupted(at);
    const { headSize } = decodeHead(newImage);
    const damaged = Buffer.from(left);
    damaged.fill(0x55, headSize + CHUNK / 2, headSize + 3 * CHUNK);
    const remains = [damaged, left.subarray(0, headSize + 5 * CHUNK + 77), left.subarray(0, 10), Buffer.alloc(0), oldImage, Buffer.concat([newImage, Buffer.alloc(999_999)]), noise(50_000, 1)];
    for (const remain of remains) {
      writeFileSync(at.path('.new.pull'), remain);
      await at.pull();
      expect(readFileSync(at.path('new')).equals(newImage)).toBe(true);
      truncateSync(at.path('new'), 0); // no seed for the next one
    }
  }));

  test('a server that breaks off in the middle: the error says that it goes on', async () => {
    let broken = true;
    await setting(async ({ path, pull }) => {
      await expect(pull({ retry: { attempts: 1 } })).rejects.toEqual(expect.objectContaining({ suggestions: [expect.stringContaining('again')] }));
      broken = false;
      await pull();
      expect(statSync(path('new')).size).toBe(newImage.length);
    }, newImage, { interfere: (_, response, __, count) => {
      if (!broken || count < 2) return false;
      response.destroy();
      return true;
    } });
  });
});

describe('a server that lies', () => {
  test('once: the chunk is fetched again; always: the file does not appear', async () => {
    for (const times of [1, 1000]) {
      let lies = 0;
      await setting(async ({ path, pull }) => {
        const pulled = pull();
        if (times === 1) {
          await pulled;
          expect(readFileSync(path('new')).equals(newImage)).toBe(true);
        } else {
          await expect(pulled).rejects.toEqual(code('CHUNK_DIGEST_MISMATCH'));
          expect(existsSync(path('new'))).toBe(false);
        }
      }, newImage, { interfere: (request, response, server, count) => {
        if (count < 2 || lies >= times) return false;
        lies++;
        const { status, headers, body } = server.answer(request.headers.range);
        const bad = Buffer.from(body);
        bad[100]! ^= 1;
        response.writeHead(status, headers).end(bad);
        return true;
      } });
    }
  });
});
