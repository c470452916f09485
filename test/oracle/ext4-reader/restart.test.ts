/** Reading under ChunkMissing: fetch and run again gives what a whole image gives; and paths, which need an image. */
import { mkdirSync, symlinkSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { ChunkMissing, type RandomAccess } from '../../../src/bytes/random-access.js';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { readTree } from '../../../src/ext4/reader/tree.js';
import { formatDump } from '../../../src/tree/dump.js';
import { makeCopyableTree, makeImage } from '../../helpers/ext4-image.js';
import { memoryImage } from '../../helpers/file-image.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const CHUNK = 65_536;

/** An image of which nothing is here at first; all answers come in one buffer, which the next answer overwrites. */
class LazyImage implements RandomAccess {
  readonly here = new Set<number>();
  faults = 0;
  private readonly scratch = new Uint8Array(4 << 20);
  constructor(private readonly bytes: Uint8Array) {}
  get size(): number { return this.bytes.length; }

  read(offset: number, length: number): Uint8Array {
    const missing: number[] = [];
    for (let chunk = Math.floor(offset / CHUNK); chunk * CHUNK < offset + length; chunk++) if (!this.here.has(chunk)) missing.push(chunk);
    if (missing.length > 0) throw new ChunkMissing(missing);
    const answer = this.scratch.subarray(0, length);
    answer.set(this.bytes.subarray(offset, offset + length));
    return answer;
  }

  /** The outer loop of a lazy mount. */
  retry<T>(body: () => T): T {
    for (;;) {
      try {
        return body();
      } catch (error) {
        if (!(error instanceof ChunkMissing)) throw error;
        expect(error.chunks.some((chunk) => !this.here.has(chunk))).toBe(true);
        this.faults++;
        for (const chunk of error.chunks) this.here.add(chunk);
      }
    }
  }
}

describe('an image that comes in chunks', () => {
  for (const options of ['-b 4096', '-b 1024 -O ^extents,^64bit', '-b 1024 -O inline_data']) {
    oracleTest(['mkfs.ext4'], `${options}: tree, check and content are as of the whole image`, () => withTempDir((temp) => {
      const source = join(temp, 'source');
      mkdirSync(source);
      makeCopyableTree(source);
      writeFileSync(join(source, 'large'), noise(3 << 20, 4));
      makeImage(join(temp, 'image'), options, source, 32 << 20);
      const bytes = readFileSync(join(temp, 'image'));
      const whole = new Ext4Reader(memoryImage(bytes));
      const lazy = new LazyImage(bytes);
      const reader = lazy.retry(() => new Ext4Reader(lazy));

      const content = lazy.retry(() => reader.read(reader.resolve('/large').inode, 100, 1 << 20));
      expect(Buffer.from(content)).toEqual(noise(3 << 20, 4).subarray(100, (1 << 20) + 100));
      // The misses of one read come together: a few for the way there, then one for a megabyte.
      expect(lazy.faults).toBeLessThan(12);
      expect(lazy.here.size).toBeLessThan(40);
      expect(formatDump(lazy.retry(() => readTree(reader)))).toBe(formatDump(readTree(whole)));
      expect(lazy.retry(() => checkStructure(reader))).toEqual(checkStructure(whole));
    }));
  }
});

describe('paths', () => {
  oracleTest(['mkfs.ext4'], 'stay inside the image, whatever the symlinks say', () => withTempDir((temp) => {
    const source = join(temp, 'source');
    mkdirSync(join(source, 'a/b'), { recursive: true });
    writeFileSync(join(source, 'a/b/file'), 'x');
    for (const [name, target] of Object.entries({
      'up': '../../../..', 'absolute': '/a/b', 'a/relative': 'b/file', 'loop': 'loop', 'ping': 'pong', 'pong': 'ping', 'dangling': 'nowhere', 'to-link': 'absolute', 'a/b/back': '../..',
    })) symlinkSync(target, join(source, name));
    makeImage(join(temp, 'image'), '-b 4096', source, 16 << 20);
    const reader = new Ext4Reader(memoryImage(readFileSync(join(temp, 'image'))));
    const at = (path: string, followSymlinks = true): number => reader.resolve(path, { followSymlinks }).number;
    const file = at('/a/b/file');
    for (const path of ['a/b/file', '//a///b/file', '/absolute/file', '/a/relative', '/up/a/b/file', '/to-link/file', '/a/../../a/b/file', '/a/./b/file', '/a/b/back/a/b/file']) {
      expect([path, at(path)]).toEqual([path, file]);
    }
    for (const path of ['', '/', '/..', '/up', '/a/b/back', '/up/']) expect([path, at(path)]).toEqual([path, 2]);
    expect(reader.parent(at('/a/b'))).toBe(at('/a'));
    expect(reader.resolve('/up', { followSymlinks: false }).inode.kind).toBe('symlink');
    expect(at('/absolute/', false)).toBe(at('/a/b'));
    for (const path of ['/nothing', '/a/b/file/deeper', '/a/b/file/..', '/a/b/file/', '/dangling', '/a/B']) {
      expect(() => at(path)).toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
    }
    for (const path of ['/loop', '/ping', '/ping/x']) expect(() => at(path)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    expect(() => reader.list(file)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(() => reader.inode(0)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(() => reader.inode(reader.inodeCount + 1)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(() => reader.inode(reader.inodeCount)).toThrow(expect.objectContaining({ code: 'BAD_FIELD', message: expect.stringContaining('not in use') as unknown }));
    expect(reader.list(2).map(({ name }) => name).sort()).toEqual(['a', 'absolute', 'dangling', 'loop', 'lost+found', 'ping', 'pong', 'to-link', 'up']);
  }));
});
