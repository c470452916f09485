/** Writable and stacked views, and what ordinary users can do. Through the library's front, as the commands use it. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import Mount from '../../commands/mount.js';
import { mountHelperArguments } from '../../src/cli/mount-helper.js';
import { buildImage } from '../../src/image/build.js';
import { mountImages, pushImage } from '../../src/mount/mount-image.js';
import { pushFiles } from '../../src/mount/push.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, differences, withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { statusOf, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['loop', 'fuse', 'overlay', 'losetup', 'diff'];
const run = promisify(execFile);

interface Front { readonly image: string; readonly directory: string; readonly options: Parameters<typeof mountImages>[2]; readonly runtimeFolder: string }

function frontOf({ folder, cache }: LazyFixture, backend: 'block' | 'tree'): Front {
  const directory = `${folder}/merged`;
  mkdirSync(directory);
  const runtimeFolder = `${folder}/run`;
  return { image: `${folder}/app.img.zst`, directory, runtimeFolder, options: { trust: anybody, cache, backend, fill: false, runtimeFolder, upper: `${folder}/upper` } };
}

oracleTest(needs, 'a working directory on another file system is BAD_ARGUMENT, and nothing is left', () => withLazyFixture({}, async (fixture) => {
  const { directory, options, image } = frontOf(fixture, 'block');
  const work = mkdtempSync('/dev/shm/thawfs-work-');
  try {
    await expect(mountImages([image], directory, { ...options, work })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(mountImages([directory], 'https://example.org/app.img.zst', options)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(mountImages([image], directory, { ...options, work: `${options.upper!}/work` })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await untilNothingLeft(fixture.folder);
  } finally {
    rmSync(work, { recursive: true });
  }
}), 60_000);

describe.each(['block', 'tree'] as const)('overlay over the %s back-end', (backend) => {
  oracleTest(needs, 'an image above itself, and pushed once more upon others: as if it were there once', () => withLazyFixture({}, async (fixture) => {
    const { folder, tree } = fixture;
    const { directory, options: { upper, ...options }, runtimeFolder, image } = frontOf(fixture, backend);
    mkdirSync(`${folder}/plugin/d1`, { recursive: true });
    writeFileSync(`${folder}/plugin/d1/f1`, 'plugin');
    await buildImage({ source: `${folder}/plugin`, output: `${folder}/plugin.img.zst`, name: 'plugin' });
    await mountImages([image, image], directory, options);
    expect(await differences(tree, directory)).toBe('');
    for (const [pushed, content] of [['plugin.img.zst', Buffer.from('plugin')], ['plugin.img.zst', Buffer.from('plugin')], ['app.img.zst', readFileSync(`${tree}/d1/f1`)]] as const) {
      await pushImage(directory, `${folder}/${pushed}`, options);
      expect(readFileSync(`${directory}/d1/f1`)).toEqual(content);
    }
    expect(await differences(tree, directory)).toBe('');
    await mountImages([image, image], directory, { ...options, upper: upper!, replace: true });
    expect(await differences(tree, directory)).toBe('');
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
  }), 180_000);

  oracleTest(needs, 'write, append, rename, delete, push; the image stays as it is; umount leaves nothing', () => withLazyFixture({}, async (fixture) => {
    const { folder, tree } = fixture;
    const { directory, options, runtimeFolder, image } = frontOf(fixture, backend);
    await mountImages([image], directory, options);
    expect(await differences(tree, directory)).toBe('');
    await run('bash', ['-ec', 'echo new > new; echo more >> d1/f1; rm d2/f2; mv d3/f3 moved; mkdir folder; setfattr -n user.a -v 1 d4/f4 2>/dev/null || true'], { cwd: directory });
    expect(readFileSync(`${directory}/new`, 'utf8')).toBe('new\n');
    expect(readFileSync(`${directory}/d1/f1`).subarray(0, 4096)).toEqual(readFileSync(`${tree}/d1/f1`));
    expect(existsSync(`${directory}/d2/f2`)).toBe(false);
    expect(statSync(`${folder}/upper/d2/f2`).isCharacterDevice()).toBe(true); // a whiteout
    expect(readFileSync(`${directory}/moved`)).toEqual(readFileSync(`${tree}/d3/f3`));
    writeFileSync(`${folder}/pushed.conf`, 'pushed\n');
    const push = (to: string): ReturnType<typeof pushFiles> => pushFiles(directory, [`${folder}/pushed.conf`], to, runtimeFolder);
    expect(await push('/folder')).toEqual({ pushed: [`${directory}/folder/pushed.conf`] });
    // Symlinks mean what they mean inside: nothing gets out of the mount.
    mkdirSync(`${folder}/outside`);
    await run('bash', ['-ec', 'ln -s /folder inside; ln -s "$0" outside; ln -s ../../../../folder up; ln -s round round; ln -s "$0/f" file', `${folder}/outside`], { cwd: directory });
    expect(await push('/inside/linked')).toEqual({ pushed: [`${directory}/folder/linked`] });
    expect(await push('../up')).toEqual({ pushed: [`${directory}/folder/pushed.conf`] });
    expect(await push('/file')).toEqual({ pushed: [`${directory}/file`] });
    await expect(push('/outside/f')).rejects.toMatchObject({ code: 'PATH_MISSING' });
    await expect(push('/round/f')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(readdirSync(`${folder}/outside`)).toEqual([]);
    await expect(pushFiles(`${folder}/outside`, [`${folder}/pushed.conf`], '/f', runtimeFolder)).rejects.toMatchObject({ code: 'NOT_MOUNTED' });
    expect(readFileSync(`${directory}/folder/pushed.conf`, 'utf8')).toBe('pushed\n');
    // What was copied up is whole in the upper layer: it is read without the server.
    expect(readFileSync(`${folder}/upper/moved`)).toEqual(readFileSync(`${tree}/d3/f3`));
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
    // The upper layer stays, and fits the next mount.
    await mountImages([image], directory, options);
    expect(readFileSync(`${directory}/new`, 'utf8')).toBe('new\n');
    await unmountImage(directory, { runtimeFolder });
  }), 180_000);

  oracleTest(needs, 'images in a stack: the first is on top', () => withLazyFixture({}, async (fixture) => {
    const { folder, tree } = fixture;
    const { image, directory, options: { upper, ...options }, runtimeFolder } = frontOf(fixture, backend);
    expect(upper).toBeDefined();
    mkdirSync(`${folder}/second/d1`, { recursive: true });
    writeFileSync(`${folder}/second/d1/f1`, 'over');
    writeFileSync(`${folder}/second/only`, 'here');
    await buildImage({ source: `${folder}/second`, output: `${folder}/second.img.zst`, name: `${basename(folder)}-second` });
    await mountImages([`${folder}/second.img.zst`, image], directory, options);
    expect(readFileSync(`${directory}/d1/f1`, 'utf8')).toBe('over');
    expect(readFileSync(`${directory}/only`, 'utf8')).toBe('here');
    await run('cmp', [`${tree}/d1/f11`, `${directory}/d1/f11`]);
    await expect(run('touch', [`${directory}/x`])).rejects.toThrow(/Read-only/);
    expect((await statusOf(directory, runtimeFolder)).map(({ state }) => state)).toEqual(['served', 'served']);
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
  }), 180_000);
});

describe('front', () => {
  oracleTest(needs, 'a stack whose second image cannot be had leaves nothing', () => withLazyFixture({}, async (fixture) => {
    const { image, directory, options } = frontOf(fixture, 'block');
    await expect(mountImages([image], directory, { ...options, mirrors: ['ftp://example.org/app.img.zst'] })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(mountImages([image, `${fixture.folder}/none`], directory, options)).rejects.toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
    await untilNothingLeft(fixture.folder);
  }), 180_000);

  oracleTest(needs, 'a busy unmount says who; a lazy one waits for nobody; what is not ours is refused', () => withLazyFixture({}, async (fixture) => {
    const { image, directory, options: { upper, ...options }, runtimeFolder } = frontOf(fixture, 'block');
    expect(upper).toBeDefined();
    await mountImages([image], directory, options);
    const holder = execFile('sleep', ['60'], { cwd: directory });
    try {
      await expect(unmountImage(directory, { runtimeFolder })).rejects.toThrow(expect.objectContaining({ code: 'MOUNT_BUSY', message: expect.stringContaining(`sleep (${holder.pid!})`) as unknown }));
      await unmountImage(directory, { runtimeFolder, lazy: true });
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      holder.kill();
    }
    await untilNothingLeft(fixture.folder);
    await expect(unmountImage(directory, { runtimeFolder })).rejects.toThrow(expect.objectContaining({ code: 'NOT_MOUNTED' }));
    await expect(unmountImage('/proc', { runtimeFolder })).rejects.toThrow(expect.objectContaining({ code: 'NOT_MOUNTED' }));
  }), 180_000);

  oracleTest([...needs, 'unshare', 'setpriv'], 'an ordinary user runs a program from an image, and writes over it', () => withLazyFixture({}, async ({ folder, tree, image }) => {
    chmodSync(folder, 0o755);
    mkdirSync(`${folder}/home`, { mode: 0o777 });
    chmodSync(`${folder}/home`, 0o777);
    writeFileSync(`${folder}/home/app.img.zst`, image);
    execFileSync('mknod', ['-m', '666', `${folder}/fuse`, 'c', '10', '229']);
    const program = new URL('../../../bin/run.js', import.meta.url).pathname;
    const script = `mount --bind ${folder}/fuse /dev/fuse; cd ${folder}/home; exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=${folder}/home XDG_RUNTIME_DIR= `
      + `${process.execPath} ${program} run app.img.zst --allow-unsigned -- sh -c 'id -u; diff -r ${tree} . && echo same; exit 7'`;
    await expect(run('unshare', ['-m', 'bash', '-c', script])).rejects.toMatchObject({ code: 7, stdout: '0\nsame\n' });
    await untilNothingLeft(folder);
  }), 180_000);
});

describe('mount.thawfs', () => {
  test('takes what mount(8) and fstab give', () => {
    expect(mountHelperArguments(['https://h/a.img.zst', '/srv/a', '-n', '-o', 'ro,_netdev,trust=/k.pem,cache_size=1G,no_fill,x-systemd.automount', '-t', 'thawfs']))
      .toEqual(['mount', '--once', '--trust=/k.pem', '--cache-size=1G', '--no-fill', 'https://h/a.img.zst', '/srv/a']);
    expect(mountHelperArguments(['a', '/b', '-o', 'profile=/p,no-prefetch'])).toEqual(['mount', '--once', '--profile=/p', '--no-prefetch', 'a', '/b']);
    expect(mountHelperArguments(['a', '/b', '-o', 'nosuid,nodev,noexec'])).toEqual(['mount', '--once', '--nosuid', '--nodev', '--noexec', 'a', '/b']);
    expect(mountHelperArguments(['a', '/b', '-o', 'sync,nodiratime,lazytime,strictatime,noiversion,_rnetdev,silent'])).toEqual(['mount', '--once', 'a', '/b']);
    // autofs gives -s: what is not known is left out.
    expect(mountHelperArguments(['a', '/b', '-sn', '-o', 'noexecc,nodev'])).toEqual(['mount', '--once', '--nodev', 'a', '/b']);
    expect(mountHelperArguments(['a', '/b', '-o', 'ro,rw,upper=/u'])).toEqual(['mount', '--once', '--upper=/u', 'a', '/b']);
    // mount --fake: mounts nothing.
    expect(mountHelperArguments(['a', '/b', '-fn'])).toBeUndefined();
  });

  oracleTest(['linux'], 'ends with the statuses of mount(8)', async () => {
    const helper = new URL('../../../bin/mount.thawfs.js', import.meta.url).pathname;
    const status = (...args: string[]): Promise<unknown> => run(process.execPath, [helper, ...args]).then(() => 0, (error: unknown) => (error as { code: unknown }).code);
    expect(await status('/nowhere.img.zst', '/tmp', '-o', 'no-such-option')).toBe(1);
    expect(await status('/nowhere.img.zst', '/tmp', '-o', 'threshold=none')).toBe(1);
    expect(await status('/nowhere.img.zst', '/tmp')).toBe(32);
    expect(await status('/nowhere.img.zst', '/tmp', '-f')).toBe(0);
  });

  test('takes every flag of thawfs mount, but those that only a terminal or a script has a use for', () => {
    const flags = Object.entries(Mount.flags).filter(([name, { hidden }]) => !hidden && !['foreground', 'replace'].includes(name));
    const options = flags.flatMap(([name, flag]) => flag.type !== 'boolean' ? [`${name}=1`] : flag.allowNo ? [name, `no-${name}`] : [name]);
    expect(options.length).toBeGreaterThan(25);
    expect(mountHelperArguments(['a', '/b', '-o', options.join(',')])).toEqual(['mount', '--once', ...options.filter((option) => option !== 'once').map((option) => `--${option}`), 'a', '/b']);
  });

  test.each([['a', '/b', '-o', 'noexecc'], ['a', '/b', '-o', 'trust'], ['a', '/b', '-o', 'rw,ro,upper=/u'], ['a']])('refuses %j', (...argv) => {
    expect(() => mountHelperArguments(argv)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});
