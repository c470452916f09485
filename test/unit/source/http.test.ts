import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, request, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openHttpSource, type HttpOptions } from '../../../src/source/http.js';
import type { OpenedSource, RequestRecord } from '../../../src/source/range-source.js';
import { withRangeServer, type Interference } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const code = (name: string): unknown => expect.objectContaining({ code: name });

async function withOpened<T>(url: string, options: HttpOptions, body: (opened: OpenedSource) => Promise<T>): Promise<T> {
  const opened = await openHttpSource(url, 100, options);
  try {
    return await body(opened);
  } finally {
    await opened.source.close();
  }
}

describe('reading', () => {
  test('opening is one closed range and tells size and identity', async () => {
    await withRangeServer(content, {}, async (server) => {
      await withOpened(server.url, {}, ({ source, opening }) => {
        expect(Buffer.compare(opening, content.subarray(0, 100))).toBe(0);
        expect(source).toMatchObject({ size: 5000, identity: '"v1"', location: server.url });
        expect(server.seen).toEqual([expect.objectContaining({ method: 'GET', range: 'bytes=0-99' })]);
        return Promise.resolve();
      });
    });
  });

  test('reads exact ranges, also at the very end', async () => {
    await withRangeServer(content, {}, async (server) => {
      await withOpened(server.url, {}, async ({ source }) => {
        for (const [offset, length] of [[0, 1], [100, 900], [4999, 1], [0, 5000], [5000, 0]] as const) {
          expect(Buffer.compare(await source.read(offset, length), content.subarray(offset, offset + length))).toBe(0);
        }
        expect(server.seen.map(({ range }) => range)).toEqual(['bytes=0-99', 'bytes=0-0', 'bytes=100-999', 'bytes=4999-4999', 'bytes=0-4999']);
      });
    });
  });

  test('what lies beyond the end is refused without asking', async () => {
    await withRangeServer(content, {}, async (server) => {
      await withOpened(server.url, {}, async ({ source }) => {
        await expect(source.read(4999, 2)).rejects.toEqual(code('TRUNCATED'));
        expect(server.seen).toHaveLength(1);
      });
    });
  });

  test('a file shorter than the opening read', async () => {
    await withRangeServer(content.subarray(0, 40), {}, async (server) => {
      await withOpened(server.url, {}, ({ source, opening }) => {
        expect(opening).toHaveLength(40);
        expect(source.size).toBe(40);
        return Promise.resolve();
      });
    });
  });

  test('an empty file is TRUNCATED', async () => {
    await withRangeServer(new Uint8Array(0), {}, async (server) => {
      await expect(openHttpSource(server.url, 100)).rejects.toEqual(code('TRUNCATED'));
    });
  });

  test('a server without ranges serves what is no larger than the opening read', async () => {
    const ignoresRanges = (_: unknown, response: ServerResponse): boolean => {
      response.writeHead(200, { 'content-length': 40 }).end(content.subarray(0, 40));
      return true;
    };
    await withRangeServer(content, { interfere: ignoresRanges }, async (server) => {
      await withOpened(server.url, {}, async ({ source, opening }) => {
        expect(opening).toHaveLength(40);
        expect(Buffer.compare(await source.read(10, 5), content.subarray(10, 15))).toBe(0);
        expect(server.seen).toHaveLength(1);
      });
    });
  });

  test('requests are reported with the bytes that came', async () => {
    await withRangeServer(content, {}, async (server) => {
      const records: RequestRecord[] = [];
      await withOpened(server.url, { onRequest: (record) => records.push(record) }, ({ source }) => source.read(200, 50));
      expect(records).toEqual([
        { location: server.url, offset: 0, length: 100, bytesReceived: 100 },
        { location: server.url, offset: 200, length: 50, bytesReceived: 50 },
      ]);
    });
  });

  test('connections are kept', async () => {
    let connections = 0;
    const server = createServer((request, response) => {
      const [first, last] = /\d+-\d+/.exec(request.headers.range!)![0].split('-').map(Number) as [number, number];
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/5000` }).end(content.subarray(first, last + 1));
    }).on('connection', () => { connections++; });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    try {
      await withOpened(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {}, async ({ source }) => {
        for (let i = 0; i < 10; i++) await source.read(i * 100, 100);
      });
      expect(connections).toBe(1);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('another ETag', () => {
  test('of the same bytes, as each node of a server has its own, is looked into once and then believed no more', async () => {
    let node = 0;
    const ofNodes: Interference = (_, __, server) => {
      server.etag = `"node${node++ % 3}"`;
      return false;
    };
    await withRangeServer(content, { interfere: ofNodes }, async (server) => {
      const failures: unknown[] = [];
      await withOpened(server.url, { onFailure: (failure) => { failures.push(failure); } }, async ({ source }) => {
        const reads = [200, 300, 400].map((offset) => source.read(offset, 10));
        for (const [i, bytes] of (await Promise.all(reads)).entries()) expect(Buffer.compare(bytes, content.subarray(200 + i * 100, 210 + i * 100))).toBe(0);
        for (let i = 0; i < 5; i++) await source.read(600, 10);
      });
      expect(failures.every((failure) => (failure as { readonly code: string }).code === 'SOURCE_CHANGED')).toBe(true);
      expect(server.seen.filter(({ range }) => range === 'bytes=0-99')).toHaveLength(2); // opening, and the one look
      expect(server.seen.filter(({ range }) => range === 'bytes=600-609')).toHaveLength(5);
    });
  });

  test('of other bytes is SOURCE_CHANGED, and so is another size', async () => {
    await withRangeServer(content, {}, async (server) => {
      await withOpened(server.url, {}, async ({ source }) => {
        server.etag = '"v2"';
        const other = Buffer.from(content).fill(1, 50, 60);
        server.served = { size: other.length, read: (offset, length) => other.subarray(offset, offset + length) };
        for (let i = 0; i < 2; i++) await expect(source.read(200, 10)).rejects.toEqual(code('SOURCE_CHANGED'));
        server.served = { size: 4999, read: (offset, length) => content.subarray(offset, offset + length) };
        await expect(source.read(200, 10)).rejects.toEqual(code('SOURCE_CHANGED'));
      });
    });
  });
});

describe('redirects', () => {
  test('are followed and remembered, and resolved again when the target expires', async () => {
    await withRangeServer(content, {}, async (storage) => {
      let link = 1;
      const toStorage: Interference = (_, response) => {
        response.writeHead(307, { location: `${storage.origin}/signed?link=${link}` }).end();
        return true;
      };
      await withRangeServer(content, { interfere: toStorage }, async (front) => {
        await withOpened(front.url, { headers: { authorization: 'Bearer secret' } }, async ({ source }) => {
          await source.read(200, 10);
          await source.read(300, 10);
          expect(front.seen).toHaveLength(1);
          expect(front.seen[0]!.authorization).toBe('Bearer secret');
          expect(storage.seen.map(({ path }) => path)).toEqual(['/signed?link=1', '/signed?link=1', '/signed?link=1']);
          expect(storage.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);

          link = 2;
          const honest = storage.answer.bind(storage);
          storage.answer = (range) => storage.seen.at(-1)!.path.endsWith('link=1') ? { status: 403, headers: {}, body: new Uint8Array(0) } : honest(range);
          expect(Buffer.compare(await source.read(400, 10), content.subarray(400, 410))).toBe(0);
          expect(front.seen).toHaveLength(2);
          expect(storage.seen.at(-1)!.path).toBe('/signed?link=2');
        });
      });
    });
  });

  test('five are followed, six are not', async () => {
    const chain = (count: number): Interference => (request, response) => {
      const at = Number(/\d+$/.exec(request.url ?? '')?.[0] ?? 0);
      if (at === count) return false;
      response.writeHead(302, { location: `/hop${at + 1}` }).end();
      return true;
    };
    await withRangeServer(content, { interfere: chain(5) }, (server) => withOpened(server.origin, {}, () => Promise.resolve()));
    await withRangeServer(content, { interfere: chain(6) }, async (server) => {
      await expect(openHttpSource(server.origin, 100)).rejects.toEqual(code('SOURCE_UNREACHABLE'));
      expect(server.seen).toHaveLength(6);
    });
  });
});

describe('secrets', () => {
  test('credentials of the URL become a header and are in no message', async () => {
    await withRangeServer(content, {}, async (server) => {
      const url = server.url.replace('http://', 'http://us%40er:pa%zz@');
      await withOpened(`${url}?signature=hidden`, {}, ({ source }) => {
        expect(server.seen[0]!.authorization).toBe(`Basic ${Buffer.from('us@er:pa%zz').toString('base64')}`);
        expect(source.location).toBe(`${server.url}?…`);
        return Promise.resolve();
      });
    });
  });

  test.each(['http://user:hunter2@127.0.0.1:1/a?token=hunter2', 'http://user:hunter2@[bad/a', 'http://user:hunter2@no.such.host.invalid/a'])('%s fails without telling', async (url) => {
    const error: unknown = await openHttpSource(url, 100).catch((reason: unknown) => reason);
    expect(error).toEqual(expect.objectContaining({ name: 'ThawfsError' }));
    const { message, detail, suggestions, cause, stack } = error as Error & { detail: object; suggestions: string[] };
    const causeText = cause instanceof Error ? `${cause.stack ?? ''}${JSON.stringify(cause)}` : '';
    expect(message + (stack ?? '') + causeText + JSON.stringify([detail, suggestions])).not.toContain('hunter2');
  });
});

async function withCertificate(body: (tls: { readonly key: string; readonly cert: string }) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
      '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
    await body({ key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') });
  });
}

describe('https', () => {
  test('with a private authority works, without it fails at once; https never leads to http', async () => {
    await withCertificate(async (tls) => {
      const { cert: ca } = tls;
      await withRangeServer(content, { tls }, async (server) => {
        await withOpened(server.url, { ca }, async ({ source }) => {
          expect(Buffer.compare(await source.read(50, 50), content.subarray(50, 100))).toBe(0);
        });
        await expect(openHttpSource(server.url, 100)).rejects.toMatchObject({
          code: 'SOURCE_UNREACHABLE', detail: { retryable: false }, suggestions: [expect.stringContaining('NODE_EXTRA_CA_CERTS')],
        });
      });
      await withRangeServer(content, {}, async (plain) => {
        const down: Interference = (_, response) => {
          response.writeHead(302, { location: plain.url }).end();
          return true;
        };
        await withRangeServer(content, { tls, interfere: down }, async (server) => {
          await expect(openHttpSource(server.url, 100, { ca })).rejects.toEqual(code('SOURCE_UNREACHABLE'));
          expect(plain.seen).toEqual([]);
        });
      });
    });
  });
});

describe('proxy', () => {
  const names = ['http_proxy', 'https_proxy'];

  afterEach(() => { for (const name of [...names, 'no_proxy']) Reflect.deleteProperty(process.env, name); });

  /** Takes tunnels and requests, and writes down what for. */
  async function withProxy(body: (asked: string[]) => Promise<void>): Promise<void> {
    const asked: string[] = [];
    const proxy = createServer((incoming, response) => {
      asked.push(`${incoming.method!} ${incoming.url!}`);
      request(incoming.url!, { headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }).on('error', () => { response.destroy(); }).end();
    }).on('connect', (incoming, socket) => {
      asked.push(`CONNECT ${incoming.url!}`);
      const upstream = connect(Number(new URL(`http://${incoming.url!}`).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });
    for (const name of names) process.env[name] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      await body(asked);
    } finally {
      proxy.close();
    }
  }

  test('from the environment is asked for the URL, and by the server\'s rules', async () => {
    await withRangeServer(content, {}, (server) => withProxy(async (asked) => {
      await withOpened(server.url, {}, async ({ source }) => {
        expect(Buffer.from(await source.read(4000, 1000)).equals(content.subarray(4000))).toBe(true);
      });
      expect(asked).toEqual([`GET ${server.url}`, `GET ${server.url}`]);
      expect(server.seen.map(({ range }) => range)).toEqual(['bytes=0-99', 'bytes=4000-4999']);
      process.env['no_proxy'] = '127.0.0.1';
      await withOpened(server.url, {}, () => Promise.resolve());
      expect(asked.length).toBe(2);
    }));
  });

  test('is an address alone, as curl takes it', async () => {
    await withRangeServer(content, {}, (server) => withProxy(async (asked) => {
      process.env['http_proxy'] = process.env['http_proxy']!.replace('http://', '');
      await withOpened(server.url, {}, () => Promise.resolve());
      expect(asked).toEqual([`GET ${server.url}`]);
    }));
  });

  test.each(['ftp://user:secret@proxy:1', 'http://', 'proxy:99999'])('%j is BAD_ARGUMENT that names the variable, not its value', async (value) => {
    process.env['http_proxy'] = value;
    const opening = openHttpSource('http://127.0.0.1:9/', 100);
    await expect(opening).rejects.toMatchObject({ code: 'BAD_ARGUMENT', message: 'http_proxy: names no proxy' });
  });

  test('is tunnelled through where there is TLS: it sees nothing', async () => {
    await withCertificate(async (tls) => {
      await withRangeServer(content, { tls }, (server) => withProxy(async (asked) => {
        await withOpened(server.url, { ca: tls.cert }, () => Promise.resolve());
        expect(asked).toEqual([`CONNECT ${new URL(server.url).host}`]);
      }));
    });
  });

  test('that is silent is not waited for', async () => {
    await withRangeServer(content, { interfere: () => true }, (server) => withProxy(async () => {
      await expect(openHttpSource(server.url, 100, { idleTimeout: 50 })).rejects.toEqual(code('TIMEOUT'));
    }));
  });
});

describe('aborting', () => {
  test('rejects with the reason, unwrapped, before and during a request', async () => {
    const silent: Interference = (_request, _response, _server, count) => count > 1;
    await withRangeServer(content, { interfere: silent }, async (server) => {
      await withOpened(server.url, {}, async ({ source }) => {
        const reason = new Error('enough');
        await expect(source.read(0, 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
        const controller = new AbortController();
        const read = source.read(0, 1, { signal: controller.signal });
        setTimeout(() => { controller.abort(reason); }, 20);
        await expect(read).rejects.toBe(reason);
      });
    });
  });

  test('what ends because it is closed is no failure of the server', async () => {
    const failures: unknown[] = [];
    const silent: Interference = (_request, _response, _server, count) => count > 1;
    await withRangeServer(content, { interfere: silent }, async (server) => {
      const { source } = await openHttpSource(server.url, 100, { onFailure: (failure) => { failures.push(failure); } });
      const failing = expect(source.read(0, 100)).rejects.toEqual(code('SOURCE_UNREACHABLE'));
      await source.close();
      await failing;
      expect(failures).toEqual([]);
    });
  });

  test('a closed source fails at once', async () => {
    await withRangeServer(content, {}, async (server) => {
      const { source } = await openHttpSource(server.url, 100);
      await source.close();
      await expect(source.read(0, 1)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', detail: { retryable: false } });
    });
  });
});
