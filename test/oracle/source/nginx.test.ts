/** A real web server as judge of our requests, and of the fake server that all other tests believe. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { openSource } from '../../../src/source/open-source.js';
import { withNginx } from '../../helpers/nginx.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));

/** @param body receives the server's URL and its document root, which holds `app.img.zst` */
async function withServer(body: (url: string, root: string) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const root = join(directory, 'root');
    mkdirSync(root);
    writeFileSync(join(root, 'app.img.zst'), content);
    const locations = `
      location /moved/ { return 302 /app.img.zst; }
      location /secret/ { return 401; }
      location /whole/ { alias ${root}/; max_ranges 0; }`;
    await withNginx(directory, root, locations, (port) => body(`http://127.0.0.1:${port}`, root));
  });
}

interface Told { readonly status: number; readonly range: string | null; readonly length: string | null; readonly body: string }

async function tell(url: string, range: string): Promise<Told> {
  const response = await fetch(url, { headers: { range } });
  return {
    status: response.status, range: response.headers.get('content-range'), length: response.headers.get('content-length'),
    body: response.status === 416 ? '' : Buffer.from(await response.arrayBuffer()).toString('latin1'),
  };
}

describe('nginx', () => {
  oracleTest(['nginx'], 'serves us ranges, redirects and refusals', async () => {
    await withServer(async (url) => {
      for (const path of ['/app.img.zst', '/moved/app.img.zst']) {
        const { source, opening } = await openSource(url + path, 65536);
        expect(source.size).toBe(content.length);
        expect(source.identity).toMatch(/^"[0-9a-f]+-[0-9a-f]+"$/);
        expect(Buffer.compare(opening, content.subarray(0, 65536))).toBe(0);
        for (const [offset, length] of [[0, 1], [65536, 200_000], [299_999, 1]] as const) {
          expect(Buffer.compare(await source.read(offset, length), content.subarray(offset, offset + length))).toBe(0);
        }
        await source.close();
      }
      await expect(openSource(`${url}/none`, 1)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
      await expect(openSource(`${url}/secret/a`, 1)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
      await expect(openSource(`${url}/whole/app.img.zst`, 65536)).rejects.toMatchObject({ code: 'RANGE_NOT_SUPPORTED' });
    });
  });

  oracleTest(['nginx'], 'a file replaced on the server is found out', async () => {
    await withServer(async (url, root) => {
      const { source } = await openSource(`${url}/app.img.zst`, 1000);
      writeFileSync(join(root, 'new'), content.subarray(0, 299_000));
      renameSync(join(root, 'new'), join(root, 'app.img.zst'));
      await expect(source.read(1000, 1000)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
      await source.close();
    });
  });

  oracleTest(['nginx'], 'and our fake server answer ranges alike', async () => {
    await withServer((url) => withRangeServer(content, {}, async (fake) => {
      for (const range of ['bytes=0-0', 'bytes=5-100', 'bytes=299999-400000', 'bytes=299990-', 'bytes=-7', 'bytes=300000-300001']) {
        expect([range, await tell(fake.url, range)]).toEqual([range, { ...await tell(`${url}/app.img.zst`, range), ...(range.includes('300001') ? { length: '0' } : {}) }]);
      }
    }));
  });
});
