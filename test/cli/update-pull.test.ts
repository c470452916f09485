/** `thawfs pull` as users run it: killed anywhere, run again; in the end the file is what was published. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DiffReport } from '../../src/update/diff.js';
import type { MakePatchReport } from '../../src/update/make-patch.js';
import type { PullReport } from '../../src/update/pull.js';
import { Cli, finished, type CliResult, type FailureJson } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { until } from '../helpers/mounted.js';
import { withRangeServer, type Interference } from '../helpers/range-server.js';

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

  test('a patch that diff --publish has put beside the image is found, and left alone with --no-patch', async () => {
    mkdirSync(cli.path('moved'));
    for (let i = 0; i < 10; i++) writeFileSync(cli.path(`moved/${i}`), Buffer.concat([noise(1000, 77), noise(200_000, i + 1)]));
    await cli.json(['build', 'moved', '-o', 'moved.img.zst', '--key', 'ci.pem', '--name', 'app', '--sequence', '2']);
    const { patch, size } = await cli.json<MakePatchReport>(['diff', 'old.img.zst', 'moved.img.zst', '--publish', ...trust]);
    expect(patch).toMatch(/^moved\.img\.zst\.from-[0-9a-f]{16}\.thawpatch$/);
    const { stderr } = await cli.run(['pull', 'moved.img.zst', '-o', 'by-patch.img.zst', '--seed', 'old.img.zst', ...trust]);
    expect(stderr).toMatch(/^to fetch: .* a patch of .* from old\.img\.zst, instead of /);
    expect(readFileSync(cli.path('by-patch.img.zst')).equals(readFileSync(cli.path('moved.img.zst')))).toBe(true);
    const without = await cli.json<PullReport>(['pull', 'moved.img.zst', '-o', 'no.img.zst', '--seed', 'old.img.zst', '--no-patch', '--dry-run', ...trust]);
    expect([without.cost.patch, without.cost.fetch > 5 * size]).toEqual([undefined, true]);
    const { fetch } = await cli.json<DiffReport>(['diff', 'old.img.zst', 'moved.img.zst', '--stat', ...trust], 1);
    expect(fetch).toMatchObject({ patch: size, total: without.cost.fetch });
  });

  test('killed with SIGKILL again and again: goes on, what was written is not fetched again', async () => {
    const published = readFileSync(cli.path('new.img.zst'));
    const partial = cli.path('.killed.img.zst.pull');
    const written = (): number => (existsSync(partial) ? framesIn(readFileSync(partial), published) : 0);
    const drip = new Drip();
    await withRangeServer(published, { interfere: drip.answer }, async (server) => {
      const args = (): string[] => ['pull', `${server.url}?run=${drip.run}`, '-o', 'killed.img.zst', ...trust];
      let kept = 0;
      for (const bytes of [10_000, 200_000, 4_600_000, 1_000_000]) {
        drip.start(bytes);
        const child = cli.start(args());
        const ended = finished(child);
        let early: CliResult | undefined;
        void ended.then((result) => { early = result; });
        await until(() => drip.allowance === 0 || early !== undefined, 'the child has got its bytes');
        expect(early).toBeUndefined();
        // One request of the third child is whole by then, whichever came first: written as soon as it is checked.
        if (bytes > 4_300_000) await until(() => written() > kept, 'it is written');
        child.kill('SIGKILL');
        expect((await ended).signal).toBe('SIGKILL');
        expect(existsSync(cli.path('killed.img.zst'))).toBe(false);
        expect(written()).toBeGreaterThanOrEqual(kept);
        kept = written();
      }
      drip.start(Infinity);
      await cli.json(args());
      expect(drip.sent).toBeLessThan(published.length - kept + 300_000); // and the opening
      expect(readFileSync(cli.path('killed.img.zst')).equals(published)).toBe(true);
      expect(existsSync(partial)).toBe(false);
    });
  }, 120_000);
});

/** @returns bytes of `whole` that are in their places in `partial`, in pieces of 4 KiB: what a killed run has left */
function framesIn(partial: Uint8Array, whole: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < partial.length; at += 4096) if (Buffer.compare(partial.subarray(at, at + 4096), whole.subarray(at, at + 4096)) === 0) count += 4096;
  return count;
}

/** A server that gives each run so many bytes in all and then falls silent: one answer after another, so that the first is whole before the second begins. */
class Drip {
  run = 0;
  /** Bytes that the run still gets, and those that it got. */
  allowance = 0;
  sent = 0;
  private turn = Promise.resolve();

  start(bytes: number): void {
    this.run++;
    [this.allowance, this.sent, this.turn] = [bytes, 0, Promise.resolve()];
  }

  readonly answer: Interference = (request, response, server) => {
    const { status, headers, body } = server.answer(request.headers.range);
    const run = Number(new URL(request.url!, server.origin).searchParams.get('run'));
    response.writeHead(status, headers);
    this.turn = this.turn.then(() => new Promise((done) => {
      response.once('close', () => { done(); });
      const give = (from: number): void => {
        if (run !== this.run || response.closed) { done(); return; } // of a run that was killed: it must not use up what the next one gets
        const piece = body.subarray(from, from + Math.min(65_536, this.allowance));
        this.allowance -= piece.length;
        this.sent += piece.length;
        if (from + piece.length === body.length) response.end(piece, () => { done(); });
        else if (piece.length > 0) response.write(piece, () => { give(from + piece.length); });
      };
      give(0);
    }));
    return true;
  };
}
