/** Start-up profiles as a user goes about them: record a start, build by it, and the next start finds what it needs. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { makeFiles } from '../helpers/lazy-mount.js';
import { tearDown, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

interface Built { readonly profile: { readonly visits: number; readonly gone: number; readonly changed: number; readonly chunks: number }; readonly manifest: { readonly profile?: { readonly chunks: string } } }
interface Statuses { readonly mounts: readonly { readonly target: string; readonly fetched: number; readonly faults: readonly { readonly at: number }[] }[] }

const hot = ['d3/f3', 'd4/f59', 'd1/f51'];
const rootHash = 'ab'.repeat(32);

describe('start-up profiles', () => {
  let cli: Cli;
  let directory: string;
  beforeAll(async () => {
    cli = new Cli();
    directory = cli.path('mounted');
    mkdirSync(directory);
    makeFiles(cli.path('tree'));
    await cli.json(['build', 'tree', '-o', 'one.img.zst', '--name', basename(cli.folder)]);
  });
  afterAll(() => {
    tearDown(cli.folder);
    cli.remove();
  });

  const read = async (): Promise<void> => { for (const path of hot) await promisify(execFile)('cat', [`${directory}/${path}`], { encoding: 'buffer' }); };
  const status = async (): Promise<Statuses['mounts'][number]> => (await cli.json<Statuses>(['status', directory])).mounts.find(({ target }) => target === directory)!;

  test.each([
    ['no profile', 'hello\n', 'BAD_MAGIC'], ['a later version', `thawfs-profile 2 ${rootHash}\n`, 'VERSION_UNSUPPORTED'], ['a damaged line', `thawfs-profile 1 ${rootHash}\n/a 7-3 -\n`, 'BAD_FIELD'],
  ])('%s is refused by build', async (_, text, code) => {
    writeFileSync(cli.path('bad.profile'), text);
    const { error } = await cli.json<FailureJson>(['build', 'tree', '-o', 'bad.img.zst', '--profile', 'bad.profile'], 5);
    expect(error.code).toBe(code);
  });

  test('a profile is a layout: the same bytes each time; what is gone or changed is counted', async () => {
    writeFileSync(cli.path('hand.profile'), `thawfs-profile 1 ${rootHash}\n/d0/f55 0-199999 ${rootHash}\n/d0/gone 0-4095 -\n`);
    const [first, second] = ['a', 'b'];
    for (const name of [first, second]) {
      const { profile } = await cli.json<Built>(['build', 'tree', '-o', `${name}.img.zst`, '--profile', 'hand.profile', '--name', 'same']);
      expect(profile).toMatchObject({ visits: 2, gone: 1, changed: 1 });
      expect(profile.chunks).toBeGreaterThan(3);
    }
    expect(readFileSync(cli.path(`${first}.img.zst`)).equals(readFileSync(cli.path(`${second}.img.zst`)))).toBe(true);
    const shown = await cli.run(['inspect', `${first}.img.zst`]);
    expect(shown.stdout).toMatch(/start-up profile +\d+ chunks of [\d.]+ \w+.*, sha256 [0-9a-f]{64}/);
    expect((await cli.run(['verify', `${first}.img.zst`, '--allow-unsigned'])).status).toBe(0);
  });

  oracleTest(['loop', 'fuse'], 'record, build by it, and a mount has what the start reads before it is read', async () => {
    writeFileSync(cli.path('notes.txt'), 'mine');
    const refused = await cli.json<FailureJson>(['mount', 'one.img.zst', directory, '--allow-unsigned', '--cache', cli.path('cache'), '--record', 'notes.txt'], 2);
    expect([refused.error.code, readFileSync(cli.path('notes.txt'), 'utf8')]).toEqual(['BAD_ARGUMENT', 'mine']);

    await cli.json(['mount', 'one.img.zst', directory, '--allow-unsigned', '--cache', cli.path('cache'), '--record', 'start.profile']);
    await read();
    await cli.json(['umount', directory]);
    const lines = readFileSync(cli.path('start.profile'), 'utf8').split('\n');
    const visited = lines.flatMap((line) => /^\/(d\d\/f\d+) 0-199999 [0-9a-f]{64}$/.exec(line)?.[1] ?? []);
    expect(visited).toEqual(hot);
    const { profile } = await cli.json<Built>(['build', 'tree', '-o', 'two.img.zst', '--name', basename(cli.folder), '--sequence', '2', '--profile', 'start.profile']);
    expect(profile).toMatchObject({ gone: 0, changed: 0 });

    for (const [image, flags, knows] of [['two', [], true], ['one', ['--profile', 'start.profile'], true], ['one', ['--no-prefetch'], false]] as const) {
      await withRangeServer(readFileSync(cli.path(`${image}.img.zst`)), {}, async (server) => {
        await cli.json(['mount', server.url, directory, '--allow-unsigned', '--any-sequence', '--no-fill', '--cache', cli.path(`cache-${image}-${flags.length}`), ...flags]);
        if (knows) await until(async () => (await status()).fetched >= 10, 'what the profile names is fetched');
        let before = -1; // what is under way arrives
        await until(async () => before === (before = (await status()).fetched), 'it is quiet');
        const start = Date.now();
        await read();
        // What is read ahead of a reader is fetched still, but nobody waits for it. Loose: the kernel may look at metadata in another way than it was recorded.
        const waited = (await status()).faults.filter((fault) => fault.at >= start).length;
        if (knows) expect(waited).toBeLessThan(3);
        else expect(waited).toBeGreaterThan(2);
        await cli.json(['umount', directory]);
      });
    }
    await untilNothingLeft(cli.folder);
  }, 180_000);

  test('a profile that is not there', async () => {
    rmSync(cli.path('none.profile'), { force: true });
    const { error } = await cli.json<FailureJson>(['build', 'tree', '-o', 'bad.img.zst', '--profile', 'none.profile'], 8);
    expect(error.code).toBe('PATH_MISSING');
  });
});
