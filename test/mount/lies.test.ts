/** A web server that begins to lie in mid-mount: reads fail, nothing wrong is ever read, status counts it, and when the server is honest again everything is there. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { withLazyFixture } from '../helpers/lazy-mount.js';
import { lies, type Lie, type LieName } from '../helpers/lying-server.js';
import { noise } from '../helpers/make-tree.js';
import { until, type MountStatus } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { servedBytes } from '../helpers/range-server.js';

const run = promisify(execFile);

/** What is told, and under which codes `status` counts it. */
const cases: readonly (readonly [LieName | 'an older image', readonly string[]])[] = [
  ['wrong bytes', ['CHUNK_DIGEST_MISMATCH']],
  ['bytes of another place', ['CHUNK_DIGEST_MISMATCH']],
  ['an older image', ['CHUNK_DIGEST_MISMATCH', 'SOURCE_CHANGED']],
  ['truncated body', ['SOURCE_UNREACHABLE']],
  ['whole file for a range', ['RANGE_NOT_SUPPORTED']],
  ['another range', ['RANGE_NOT_SUPPORTED']],
  ['changed etag', ['SOURCE_CHANGED']],
  ['endless slow body', ['TIMEOUT']],
  ['redirect loop', ['SOURCE_UNREACHABLE']],
  ['not found', ['OBJECT_MISSING']],
  ['busy', ['HTTP_STATUS']],
];

const nameOf = (i: number): string => `f${String(i).padStart(2, '0')}`;

function makeTree(seed: number): (tree: string) => void {
  return (tree) => {
    mkdirSync(tree);
    for (let i = 0; i < cases.length; i++) {
      writeFileSync(`${tree}/${nameOf(i)}`, noise(300_000, seed + i));
      writeFileSync(`${tree}/${nameOf(i)}-between`, noise(1_000_000, seed + 1000 + i)); // what is read ahead is none of the next file's
    }
  };
}

/** How often each kind of failure of the origin was counted. */
function failuresIn(status: MountStatus): Readonly<Record<string, number>> {
  return status['originFailures'] as Record<string, number>;
}

describe('an origin that lies in mid-mount', () => {
  oracleTest(['fuse'], 'never a wrong byte; counted; forgotten when it is honest again', () => {
    let lie: Lie | undefined;
    return withLazyFixture({
      makeTree: makeTree(0),
      interfere: (request, response, server) => {
        lie?.(response, server.answer(request.headers.range), server);
        return lie !== undefined;
      },
    }, async ({ folder, tree, image, mount }) => {
      makeTree(5000)(`${folder}/older`);
      await buildImage({ source: `${folder}/older`, output: `${folder}/older.img.zst`, name: basename(folder) });
      const older = readFileSync(`${folder}/older.img.zst`);
      const padded = servedBytes(Buffer.concat([older, Buffer.alloc(Math.max(0, image.length - older.length))]).subarray(0, image.length));
      const mounted = await mount({ readTimeout: 900 }, { backend: 'tree' });
      await until(() => run('ls', ['-l', mounted.directory]).then(() => true, () => false), 'the directory is here');
      // Backwards: what is read ahead has been read already.
      for (const [i, [name, codes]] of [...cases.entries()].reverse()) {
        const [file, original] = [`${mounted.directory}/${nameOf(i)}`, `${tree}/${nameOf(i)}`];
        const before = failuresIn(await mounted.status());
        lie = name === 'an older image'
          ? (response, { status, headers, body }) => { response.writeHead(status, headers).end(padded.read(firstOf(headers), body.length)); }
          : lies[name];
        const outcome = await run('cmp', [original, file]).then(() => 'right', (error: unknown) => saidBy(error));
        // The file whose tag changed is looked at anew: it holds the same image.
        if (name === 'changed etag') expect(outcome).toBe('right');
        else expect({ name, outcome }).toEqual({ name, outcome: expect.stringMatching(/^cmp: .*Input\/output error\n$/) as unknown });
        const after = failuresIn(await mounted.status());
        expect({ name, counted: codes.some((code) => (after[code] ?? 0) > (before[code] ?? 0)) }).toEqual({ name, counted: true });
        lie = undefined;
        await until(() => run('cmp', [original, file]).then(() => true, () => false), 'everything is there again');
      }
      expect((await mounted.status()).replaced).toBe(0);
      await mounted.unmount();
    });
  }, 180_000);
});

/** What a command that failed printed. */
function saidBy(error: unknown): string {
  const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
  return stdout + stderr;
}

/** The first byte of the range that an answer is about. */
function firstOf(headers: Readonly<Record<string, string>>): number {
  return Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? 0);
}
