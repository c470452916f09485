/** What somebody without any rights can do on the machine itself: mount through fusermount3, as libfuse's programs do. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { program } from '../helpers/cli.js';
import { withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['root', 'fuse', 'fusermount3', 'unshare', 'setpriv'];
const NOBODY = 65534;
const run = promisify(execFile);

/** A shell script of user 65534 in his home, where the image is `app.img.zst`; `$thawfs` is the program. */
async function asNobody({ folder, image }: LazyFixture, script: string): Promise<string> {
  const home = `${folder}/home`;
  chmodSync(folder, 0o755);
  mkdirSync(`${home}/mounted`, { recursive: true });
  writeFileSync(`${home}/app.img.zst`, image);
  for (const path of [home, `${home}/mounted`]) chownSync(path, NOBODY, NOBODY);
  execFileSync('mknod', ['-m', '666', `${folder}/fuse`, 'c', '10', '229']);
  // A mount namespace, because /dev/fuse may be root's on this machine.
  const prepare = `mount --bind ${folder}/fuse /dev/fuse; cd ${home}; exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups env HOME=${home} XDG_RUNTIME_DIR=${home} bash -euc "$1"`;
  const { stdout } = await run('unshare', ['-m', 'bash', '-ec', prepare, 'bash', `thawfs='${process.execPath} ${program}'; ${script}`]);
  return stdout;
}

describe('an ordinary user', () => {
  oracleTest(needs, 'mounts, reads, is told who holds it, unmounts; everything belongs to him', () => withLazyFixture({}, async (fixture) => {
    const { tree } = fixture;
    const output = await asNobody(fixture, `
      $thawfs mount app.img.zst mounted --allow-unsigned >/dev/null
      diff -r ${tree} mounted && stat -c '%u %g' mounted/d1 && stat -f -c %T mounted
      $thawfs status mounted --json | jq -c '.mounts[] | [.backend, .state]'
      sleep 60 < mounted/d1/f1 & holder=$!
      $thawfs umount mounted --json | jq -r .error.code || true
      kill $holder; wait $holder || true
      $thawfs umount mounted; ls mounted; ls thawfs; grep -c " $PWD/mounted " /proc/self/mountinfo || true`);
    expect(output.split('\n')).toEqual([`${NOBODY} ${NOBODY}`, 'fuseblk', '["tree","served"]', 'MOUNT_BUSY', '0', '']);
    await untilNothingLeft(fixture.folder);
  }), 180_000);

  oracleTest(needs, 'may not push an image, has no business with mounts of others, and uses no runtime folder of theirs', () => withLazyFixture({}, async (fixture) => {
    const output = await asNobody(fixture, `
      code() { "$@" --json | jq -r .error.code; }
      mkdir other; $thawfs mount app.img.zst mounted --allow-unsigned >/dev/null
      code $thawfs push mounted app.img.zst --allow-unsigned || true
      code env XDG_RUNTIME_DIR=$PWD/other $thawfs status mounted || true
      ls thawfs | grep layers || true
      unshare -Urm --map-user=5 bash -euc '"$@" --json | jq -r .error.code' bash env XDG_RUNTIME_DIR=$PWD/other $thawfs status mounted || true
      $thawfs umount mounted; rmdir other
      mkdir -m 777 other other/thawfs; chmod 777 other/thawfs
      code env XDG_RUNTIME_DIR=$PWD/other $thawfs mount app.img.zst mounted --allow-unsigned || true
      ls mounted; ls other/thawfs`);
    expect(output.split('\n')).toEqual(['NOT_PERMITTED', 'MOUNT_FAILED', 'NOT_PERMITTED', 'NOT_PERMITTED', '']);
    await untilNothingLeft(fixture.folder);
  }), 180_000);

  oracleTest(needs, 'in the foreground, and what he may not do', () => withLazyFixture({}, async (fixture) => {
    const output = await asNobody(fixture, `
      code() { "$@" --allow-unsigned --json | jq -r .error.code; }
      code $thawfs mount app.img.zst mounted --upper up || true
      code $thawfs mount app.img.zst app.img.zst mounted || true
      code $thawfs mount app.img.zst /usr || true
      $thawfs mount app.img.zst mounted --allow-unsigned --foreground >/dev/null & server=$!
      until [ -e mounted/d1/f1 ]; do sleep 0.1; done
      kill -TERM $server; wait $server || true
      ls mounted; ls thawfs`);
    expect(output.split('\n')).toEqual(['NOT_PERMITTED', 'NOT_PERMITTED', 'NOT_PERMITTED', '']);
    await untilNothingLeft(fixture.folder);
  }), 180_000);
});
