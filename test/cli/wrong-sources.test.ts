/** Sources that are none: the message says so before anything else is done, and what it suggests works. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { putIndex } from '../helpers/oci-layout.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  writeFileSync(cli.path('tree/file'), 'content');
  writeFileSync(cli.path('note.txt'), 'no archive');
  mkdirSync(cli.path('layout'));
  putIndex(cli.path('layout'), []);
  await cli.json(['build', 'tree', '-o', 'app.img.zst']);
});
afterAll(() => cli.remove());

const refusal = async (args: readonly string[], status = 2): Promise<FailureJson['error']> => (await cli.json<FailureJson>(['build', ...args], status)).error;

describe('nothing is named', () => {
  test.each(['', 'ext4:', 'dump:', 'oci:', 'oci-archive:', 'docker-archive:'])('as the source: "%s"', async (source) => {
    expect(await refusal([source, '-o', 'x.img'])).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining('names nothing') as unknown });
  });

  test('as the output', async () => {
    expect(await refusal(['tree', '-o', ''])).toMatchObject({ code: 'BAD_ARGUMENT', message: 'the file to write has no name' });
  });
});

test.each([
  ['https://host/rootfs.tar.gz', 'curl'], ['http://host/app.img.zst', 'curl'], ['docker://debian:12', 'skopeo copy'], ['oci://host/app:1', 'skopeo copy'],
])('%s: is fetched by %s first', async (source, program) => {
  expect(await refusal([source, '-o', 'x.img'])).toMatchObject({ code: 'BAD_ARGUMENT', suggestion: expect.stringContaining(program) as unknown });
});

test('a path that only looks like a URL is one', async () => {
  mkdirSync(cli.path('http:/host'), { recursive: true });
  writeFileSync(cli.path('http:/host/file'), 'content');
  await cli.json(['build', 'http://host', '-o', 'path.img']);
});

test('an image of ours', async () => {
  expect(await refusal(['app.img.zst', '-o', 'x.img'])).toMatchObject({ code: 'BAD_ARGUMENT', message: 'app.img.zst is an image of thawfs already', suggestion: expect.stringContaining('ext4:RAW') as unknown });
});

test('a file that is too short for an archive', async () => {
  expect(await refusal(['note.txt', '-o', 'x.img'], 5)).toMatchObject({ code: 'TRUNCATED', suggestion: 'Check that the file is a tar archive and was copied whole.' });
});

test('a layout without images, and a directory as a docker archive', async () => {
  expect(await refusal(['oci:layout', '-o', 'x.img'])).toMatchObject({ message: 'oci:layout: there is no image', suggestion: 'Copy one into it: skopeo copy IMAGE oci:layout:TAG.' });
  expect(await refusal(['docker-archive:layout', '-o', 'x.img'])).toMatchObject({ suggestion: expect.stringContaining('oci:DIR') as unknown });
});

test('the output below a file', async () => {
  expect(await refusal(['tree', '-o', 'note.txt/x.img'], 8)).toMatchObject({ code: 'PATH_MISSING', message: expect.stringContaining('creating note.txt/x.img') as unknown });
});

test.each([[-9_000_000_000, 'Correct the time of the file.'], [99_000_000_000, 'Correct the time of the file, or build with --clamp-mtime.']])('a time that ext4 has no place for: %d', async (seconds, suggestion) => {
  const line = (path: string, kind: string, time: number): string => `${path} ${kind} 0755 0 0 ${time}.000000000 ${kind === 'file' ? 0 : '-'} - - -\n`;
  writeFileSync(cli.path('times.dump'), line('/', 'directory', 0) + line('/file', 'file', seconds));
  expect(await refusal(['dump:times.dump', '-o', 'x.img'], 5)).toMatchObject({ code: 'LIMIT_EXCEEDED', suggestion });
  await cli.json(['build', 'dump:times.dump', '-o', 'clamped.img', '--clamp-mtime=0'], seconds < 0 ? 5 : 0);
});
