/** `thawfs pull` as users run it: killed anywhere, run again; in the end the file is what was published. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PullReport } from '../../src/update/pull.js';
import { Cli, finished, type FailureJson } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { withRangeServer } from '../helpers/range-server.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  for (let i = 0; i < 40; i++) writeFileSync(cli.path(`tree/${i}`), noise(200_000, i + 1));
  await cli.json(['key', 'generate', '-o', 'ci.pem']);
  await cli.json(['build', 'tree', '-o', 'old.img.zst', '--key', 'ci.pem', '--name', 'app', '--sequence', '1']);
  writeFileSync(cli.path('tree/39'), noise(200_000, 99));
  await cli.json(['build', 'tree', '-o', 'new.img.zst', '--key', 'ci.pem', '--name', 'app', '--sequence', '2']);
});
afterAll(() => { cli.remove(); });

const trust = ['--trust', 'ci.pub'];

describe('pull', () => {
  test('says what it will fetch before it does', async () => {
    const published = readFileSync(cli.path('new.img.zst'));
    await withRangeServer(published, {}, async (server) => {
      const { status, stderr, stdout } = await cli.run(['pull', server.url, '-o', 'got.img.zst', '--seed', 'old.img.zst', ...trust]);
      expect([status, stderr]).toEqual([0, expect.stringMatching(/^to fetch: .*\(\d{6} bytes\) in \d+ requests/)]);
      expect(stdout).toContain('written');
      expect(readFileSync(cli.path('got.img.zst')).equals(published)).toBe(true);
      expect(server.bytesSent).toBeLessThan(700_000);
    });
  });

  test('--json: the plan and what came of it; --max-bytes: a status and a code of its own', async () => {
    const { cost, fetched, complete } = await cli.json<PullReport>(['pull', 'new.img.zst', '-o', 'json.img.zst', ...trust]);
    expect([complete, cost.fetch + cost.opened]).toEqual([true, fetched]);
    const { error } = await cli.json<FailureJson>(['pull', 'new.img.zst', '-o', 'none.img.zst', '--max-bytes', '1M', ...trust], 7);
    expect(error).toMatchObject({ code: 'FETCH_LIMIT_EXCEEDED', detail: { limit: 1 << 20 } });
    expect(existsSync(cli.path('none.img.zst'))).toBe(false);
  });

  test('killed with SIGKILL again and again: goes on, fetches hardly anything twice', async () => {
    const published = readFileSync(cli.path('new.img.zst'));
    let children = 0;
    await withRangeServer(published, { interfere: (request, response, server) => {
      const { status, headers, body } = server.answer(request.headers.range);
      server.bytesSent += body.length;
      response.writeHead(status, headers);
      let at = 0;
      const drip = (): void => { // 10 MB/s
        if (response.destroyed) return;
        response.write(body.subarray(at, at + 100_000));
        at += 100_000;
        if (at < body.length) setTimeout(drip, 10);
        else response.end();
      };
      drip();
      return true;
    } }, async (server) => {
      for (let result: number | null = null; result !== 0;) {
        expect(++children).toBeLessThan(12);
        const child = cli.start(['pull', server.url, '-o', 'killed.img.zst', ...trust]);
        const timer = setTimeout(() => child.kill('SIGKILL'), 300 + 300 * children);
        result = (await finished(child)).status;
        clearTimeout(timer);
        if (result !== 0) expect(existsSync(cli.path('killed.img.zst'))).toBe(false);
      }
      expect(children).toBeGreaterThan(2);
      expect(readFileSync(cli.path('killed.img.zst')).equals(published)).toBe(true);
      expect(existsSync(cli.path('.killed.img.zst.pull'))).toBe(false);
    });
  }, 60_000);
});
