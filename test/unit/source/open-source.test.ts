import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { openSource } from '../../../src/source/open-source.js';
import { lying } from '../../helpers/lying-server.js';
import { withRangeServer } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const code = (name: string): unknown => expect.objectContaining({ code: name });
const content = Buffer.from('0123456789abcdef');
const noWait = { sleep: () => Promise.resolve() };

describe('files', () => {
  test('by path and by URL, read both ways', async () => {
    await withTempDir(async (directory) => {
      const path = join(directory, 'ü %41.img');
      writeFileSync(path, content);
      for (const location of [path, pathToFileURL(path).href]) {
        const { source, opening } = await openSource(location, 4);
        expect(Buffer.from(opening).toString()).toBe('0123');
        expect(source).toMatchObject({ location: path, size: 16 });
        expect(Buffer.from(await source.read(10, 6)).toString()).toBe('abcdef');
        expect(Buffer.from(source.readSync!(14, 2)).toString()).toBe('ef');
        expect(() => source.readSync!(15, 2)).toThrow(code('TRUNCATED'));
        await expect(source.read(15, 2)).rejects.toEqual(code('TRUNCATED'));
        await expect(source.read(-1, 2)).rejects.toEqual(code('TRUNCATED'));
        await source.close();
        await expect(source.read(0, 1)).rejects.toEqual(code('IO_FAILED'));
      }
    });
  });

  test('a file that shrinks has changed; one that is replaced has not', async () => {
    await withTempDir(async (directory) => {
      const path = join(directory, 'a');
      writeFileSync(path, content);
      const { source } = await openSource(path, 1);
      writeFileSync(`${path}.new`, 'other');
      renameSync(`${path}.new`, path);
      expect(Buffer.from(await source.read(0, 16))).toEqual(content);
      await source.close();

      const { source: shrinking } = await openSource(path, 1);
      truncateSync(path, 3);
      await expect(shrinking.read(0, 5)).rejects.toEqual(code('SOURCE_CHANGED'));
      expect(() => shrinking.readSync!(0, 5)).toThrow(code('SOURCE_CHANGED'));
      await shrinking.close();
    });
  });

  test('another file has another identity', async () => {
    await withTempDir(async (directory) => {
      const identities = [];
      for (const name of ['a', 'b']) {
        writeFileSync(join(directory, name), content);
        const { source } = await openSource(join(directory, name), 1);
        identities.push(source.identity);
        await source.close();
      }
      expect(new Set(identities).size).toBe(2);
    });
  });

  test('what is no readable regular file is refused, a FIFO without waiting', async () => {
    await withTempDir(async (directory) => {
      mkdirSync(join(directory, 'folder'));
      execFileSync('mkfifo', [join(directory, 'pipe')]);
      await expect(openSource(join(directory, 'none'), 1)).rejects.toEqual(code('PATH_MISSING'));
      await expect(openSource(join(directory, 'folder'), 1)).rejects.toEqual(code('BAD_ARGUMENT'));
      await expect(openSource(join(directory, 'pipe'), 1)).rejects.toEqual(code('BAD_ARGUMENT'));
    });
  });
});

describe('names', () => {
  test.each(['ftp://host/a', 's3://bucket/a', 'data:,x', 'file://elsewhere/a', 'file:///%00', 'http://', 'https://[x/a'])('%s is refused', async (location) => {
    await expect(openSource(location, 1)).rejects.toEqual(code('BAD_ARGUMENT'));
  });

  test('an aborted signal opens nothing', async () => {
    const reason = new Error('enough');
    await expect(openSource('/etc/passwd', 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('retries', () => {
  test('opening and reading survive a server that is busy for a while', async () => {
    await withRangeServer(content, { interfere: lying('busy', 1, 2) }, async (server) => {
      const { source } = await openSource(server.url, 4, { retry: noWait });
      expect(Buffer.from(await source.read(4, 4)).toString()).toBe('4567');
      expect(server.seen).toHaveLength(4);
      await source.close();
    });
  });

  test('reading survives a reset', async () => {
    await withRangeServer(content, { interfere: lying('reset in mid-body', 2, 3) }, async (server) => {
      const { source } = await openSource(server.url, 4, { retry: noWait });
      expect(Buffer.from(await source.read(4, 4)).toString()).toBe('4567');
      await source.close();
    });
  });
});
