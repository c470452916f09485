/** Sources that never end, that nobody writes to, and that change while they are read: a typed error or a right image, and nothing left behind. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { buildImage, type BuildOptions } from '../../../src/image/build.js';
import { openTree } from '../../../src/tree/open-source.js';
import { readTar } from '../../../src/tree/from-tar.js';
import { noise } from '../../helpers/make-tree.js';
import { archive, entry } from '../../helpers/tar-writer.js';
import { withTempDir } from '../../helpers/temp-dir.js';

function build(folder: string, source: string, options: Partial<BuildOptions> = {}): ReturnType<typeof buildImage> {
  mkdirSync(join(folder, 'out'), { recursive: true });
  return buildImage({ source, output: join(folder, 'out/image'), jobs: 1, ...options });
}

const left = (folder: string): string[] => readdirSync(join(folder, 'out'));

/** A stream of `start`, then zeros for ever. @returns also whether it was ended */
function endless(start: Uint8Array): { stream: Readable; readonly ended: () => boolean } {
  let ended = false;
  const zeros = new Uint8Array(1 << 20);
  function* bytes(): Generator<Uint8Array> {
    try {
      yield start;
      for (;;) yield zeros;
    } finally {
      ended = true;
    }
  }
  return { stream: Readable.from(bytes(), { objectMode: false }), ended: () => ended };
}

describe('what never ends', () => {
  test.each([['/dev/zero', 'BAD_MAGIC'], ['docker-archive:/dev/zero', 'BAD_MAGIC'], ['dump:/dev/zero', 'BAD_FIELD'], ['ext4:/dev/zero', 'BAD_ARGUMENT']])(
    '%s is %s', (source, code) => withTempDir(async (folder) => {
      await expect(build(folder, source)).rejects.toMatchObject({ code });
      expect(left(folder)).toEqual([]);
    }), 60_000);

  test('zeros behind an archive are left, and their writer let go', async () => {
    const { stream, ended } = endless(archive(entry({ name: 'a', data: 'text' })));
    const source = await readTar(stream);
    source.dispose();
    expect([...source.root.children.keys()]).toEqual(['a']);
    expect(source.warnings).toEqual([expect.stringContaining('What follows the end')]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended()).toBe(true);
  });

  test('a directory that holds devices, pipes and sockets is packed without reading them', () => withTempDir(async (folder) => {
    mkdirSync(join(folder, 'tree'));
    execFileSync('mkfifo', [join(folder, 'tree/pipe')]);
    expect(await build(folder, join(folder, 'tree'))).toMatchObject({ tree: { inodes: 2 } });
  }));
});

describe('a pipe with a name', () => {
  test.each(['', 'dump:', 'docker-archive:', 'oci:'])('%s: an abort ends the wait for a writer', (scheme) => withTempDir(async (folder) => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reason = new Error('enough');
    const stop = new AbortController();
    setTimeout(() => { stop.abort(reason); }, 50);
    await expect(build(folder, scheme + pipe, { signal: stop.signal })).rejects.toBe(reason);
    expect(left(folder)).toEqual([]);
  }));

  test('is read when somebody writes', () => withTempDir(async (folder) => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const data = noise(200_000, 1);
    setTimeout(() => { createWriteStream(pipe).end(archive(entry({ name: 'a', data }))); }, 50);
    const source = await openTree(pipe);
    expect(source.root.children.get('a')).toMatchObject({ kind: 'file', content: { size: data.length } });
    source.dispose();
    setTimeout(() => { createWriteStream(pipe).end('/ directory 0755 0 0 0.000000000 - - - -\n'); }, 50);
    expect((await openTree(`dump:${pipe}`)).root).toMatchObject({ kind: 'directory', permissions: 0o755 });
  }));

  test('is no file system', () => withTempDir(async (folder) => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await expect(build(folder, `ext4:${join(folder, 'pipe')}`)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  }));
});

describe('a directory that changes while it is packed', () => {
  const FILES = 12;
  const changes: Record<string, (tree: string) => void> = {
    'a file grows': (tree) => { appendFileSync(`${tree}/z/last`, 'more'); },
    'a file shrinks': (tree) => { truncateSync(`${tree}/z/last`, 5000); },
    'a file is written over': (tree) => { writeFileSync(`${tree}/z/last`, noise(1 << 20, 99)); },
    'a file goes': (tree) => { unlinkSync(`${tree}/z/last`); },
    'a file becomes a symlink': (tree) => { unlinkSync(`${tree}/z/last`); symlinkSync('../a0', `${tree}/z/last`); },
    'a file becomes a pipe': (tree) => { unlinkSync(`${tree}/z/last`); execFileSync('mkfifo', [`${tree}/z/last`]); },
    'a file becomes a directory': (tree) => { unlinkSync(`${tree}/z/last`); mkdirSync(`${tree}/z/last`); },
    'a directory goes': (tree) => { rmSync(`${tree}/z`, { recursive: true }); },
    'a directory is renamed': (tree) => { renameSync(`${tree}/z`, `${tree}/y`); },
    'a directory becomes a file': (tree) => { rmSync(`${tree}/z`, { recursive: true }); writeFileSync(`${tree}/z`, 'file'); },
  };

  test.each(Object.keys(changes))('%s: SOURCE_CHANGED', (name) => withTempDir(async (folder) => {
    const tree = join(folder, 'tree');
    mkdirSync(`${tree}/z`, { recursive: true });
    for (let i = 0; i < FILES; i++) writeFileSync(`${tree}/a${i}`, noise(1 << 20, i));
    writeFileSync(`${tree}/z/last`, noise(1 << 20, FILES));
    let changed = false;
    const onProgress: BuildOptions['onProgress'] = (stage) => {
      if (stage !== 'pack' || changed) return;
      changed = true;
      changes[name]!(tree);
    };
    await expect(build(folder, tree, { onProgress })).rejects.toMatchObject({ code: 'SOURCE_CHANGED', detail: { path: expect.stringContaining('/z/last') as unknown } });
    expect(changed).toBe(true);
    expect(left(folder)).toEqual([]);
  }));
});
