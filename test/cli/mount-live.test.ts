/** What is done to a live mount, as a user does it: replace, push, umount that is in the way. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { Cli, finished, program, type FailureJson } from '../helpers/cli.js';
import { makeFiles } from '../helpers/lazy-mount.js';
import { tearDown, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

const needs = ['loop', 'fuse', 'overlay'];

interface Report { readonly layers: readonly { readonly name: string; readonly rootHash: string }[]; readonly previousInUse?: boolean; readonly upper?: string }
interface Statuses { readonly mounts: readonly { readonly target: string; readonly state: string; readonly name: string; readonly sequence: number; readonly rootHash: string }[] }

describe('a live mount', () => {
  let cli: Cli;
  let directory: string;
  const flags = (): string[] => ['--trust', 'k.pub', '--cache', cli.path('cache'), '--no-fill'];

  beforeAll(async () => {
    cli = new Cli();
    directory = cli.path('mounted');
    mkdirSync(directory);
    await cli.json(['key', 'generate', '-o', 'k.pem']);
    for (const [i, name] of ['one', 'two', 'plugin'].entries()) {
      mkdirSync(cli.path(name));
      writeFileSync(cli.path(`${name}/${name === 'plugin' ? 'plugin' : 'version'}`), name);
      await cli.json(['build', name, '-o', `${name}.img.zst`, '--key', 'k.pem', '--name', name === 'plugin' ? `${basename(cli.folder)}-plugin` : basename(cli.folder), '--sequence', String(i + 1)]);
    }
  });
  afterAll(() => {
    tearDown(cli.folder);
    cli.remove();
  });

  oracleTest(needs, 'on a directory that is not ASCII is shown by its name', async () => {
    const place = cli.path('Bücher');
    mkdirSync(place);
    await cli.json(['mount', 'one.img.zst', place, ...flags()]);
    expect((await cli.json<Statuses>(['status', place])).mounts).toMatchObject([{ target: place, state: 'served' }]);
    expect((await cli.run(['status', 'Bücher'])).stdout).toContain(`directory  ${place}\n`);
    await cli.json(['umount', place]);
    expect((await cli.json<FailureJson>(['status', place], 6)).error).toMatchObject({ code: 'NOT_MOUNTED', suggestion: 'thawfs status lists what is mounted.' });
  }, 60_000);

  oracleTest(needs, 'on a directory that is not UTF-8 is found by its bytes, and by what stands in a listing', async () => {
    const script = `place=${cli.folder}/$'\\xffa'; mkdir "$place"; thawfs mount one.img.zst "$place" ${flags().join(' ')} >/dev/null; cat "$place/version"; echo
      thawfs status "$place" | head -1; thawfs mount --once one.img.zst "$place" ${flags().join(' ')} | head -1; thawfs umount '${cli.folder}/\\xffa'; ls -A "$place"`;
    const { stdout } = await promisify(execFile)('bash', ['-ec', `thawfs() { '${process.execPath}' ${program} "$@"; }; ${script}`], { cwd: cli.folder, env: { ...process.env, XDG_STATE_HOME: cli.path('state') } });
    expect(stdout).toBe(`one\ndirectory  ${cli.folder}/\\xffa\nmounted already  ${cli.folder}/\\xffa\n`);
  }, 60_000);

  oracleTest(needs, 'is replaced, rolled back, pushed upon; each says what it did', async () => {
    const nothing = await cli.json<FailureJson>(['mount', '--replace', 'two.img.zst', directory, ...flags()], 6);
    expect(nothing.error.code).toBe('NOT_MOUNTED');
    const first = await cli.run(['mount', 'one.img.zst', directory, ...flags()]);
    expect([first.status, first.stderr]).toEqual([0, '']);
    const holder = spawn('sleep', ['60'], { cwd: directory });
    try {
      const second = await cli.run(['mount', '--replace', 'two.img.zst', directory, ...flags()]);
      expect(second).toMatchObject({ status: 0, stderr: expect.stringContaining('Files of the old image are still open') as unknown });
      expect(readFileSync(`${directory}/version`, 'utf8')).toBe('two');
      // All mounts: those of other tests too.
      const { mounts } = await cli.json<Statuses>(['status', directory]);
      expect(mounts.map(({ state, sequence }) => [state, sequence]).sort()).toEqual([['detached', 1], ['served', 2]]);
      const refused = await cli.json<FailureJson>(['mount', '--replace', 'one.img.zst', directory, ...flags()], 3);
      expect(refused.error.code).toBe('SEQUENCE_ROLLBACK');
    } finally {
      holder.kill();
    }
    const back = await cli.json<Report>(['mount', '--replace', 'one.img.zst', directory, ...flags(), '--any-sequence']);
    expect(back.layers.map(({ name }) => name)).toEqual([basename(cli.folder)]);
    expect(readFileSync(`${directory}/version`, 'utf8')).toBe('one');
    const pushed = await cli.run(['push', directory, 'plugin.img.zst', ...flags()]);
    expect(pushed).toMatchObject({ status: 0, stderr: '' });
    expect(pushed.stdout).toMatch(/^on top of +\S+mounted\n[^]*image +thawfs-cli-\w+-plugin\n/);
    expect([readFileSync(`${directory}/version`, 'utf8'), readFileSync(`${directory}/plugin`, 'utf8')]).toEqual(['one', 'plugin']);
    expect((await cli.json<FailureJson>(['push', directory, 'one.img.zst', 'two.img.zst', ...flags()], 2)).error.code).toBe('BAD_ARGUMENT');
    const busy = spawn('sleep', ['60'], { cwd: directory });
    try {
      const { error } = await cli.json<FailureJson>(['umount', directory], 6);
      expect(error).toMatchObject({ code: 'MOUNT_BUSY', message: expect.stringContaining(`sleep (${busy.pid!})`) as unknown });
    } finally {
      busy.kill();
    }
    await new Promise((resolve) => { busy.once('close', resolve); });
    expect(await cli.run(['umount', directory])).toMatchObject({ status: 0, stderr: '' });
    await untilNothingLeft(cli.folder);
  }, 180_000);

  oracleTest(needs, 'is none where its folders cannot be made', async () => {
    for (const folders of [['--upper', '/proc/x'], ['--upper', 'upper', '--work', '/proc/x']]) {
      expect((await cli.json<FailureJson>(['mount', 'two.img.zst', directory, ...flags(), ...folders], 7)).error.code).toBe('NOT_PERMITTED');
    }
    await untilNothingLeft(cli.folder);
  }, 60_000);

  oracleTest(needs, 'is waited for while it is filled until somebody interrupts that', async () => {
    makeFiles(cli.path('large'));
    await cli.json(['build', 'large', '-o', 'large.img.zst', '--name', `${basename(cli.folder)}-large`]);
    await withRangeServer(readFileSync(cli.path('large.img.zst')), {}, async (server) => {
      await cli.json(['mount', server.url, directory, '--allow-unsigned', ...flags(), '--fill-rate', '1']);
      const filling = cli.start(['fill', directory, '--json']);
      const ended = finished(filling);
      await until(async () => (await cli.json<{ mounts: { completion: { state: string } }[] }>(['status', directory])).mounts[0]!.completion.state === 'filling', 'it is being filled');
      filling.kill('SIGINT');
      const { status, stdout } = await ended;
      expect([status, (JSON.parse(stdout) as FailureJson).error.code]).toEqual([130, 'INTERRUPTED']);
      expect((await cli.run(['umount', directory])).status).toBe(0);
      await untilNothingLeft(cli.folder);
    });
  }, 180_000);
});
