/** `status --files`: file by file, without fetching. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { ChunkMissing } from '../../src/bytes/random-access.js';
import { localFiles } from '../../src/image/local-files.js';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { makeFiles } from '../helpers/lazy-mount.js';
import { tearDown, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

interface Report {
  readonly layers: readonly {
    readonly files: readonly { readonly path: string; readonly state: string; readonly size: number; readonly localSize: number }[];
    readonly faults: readonly { readonly files: readonly string[] }[];
  }[];
}

describe.each(['block', 'tree'])('%s back-end', (backend) => {
  oracleTest(['loop', 'fuse'], 'says what is here and what was waited for, and fetches nothing itself', async () => {
    const cli = new Cli();
    const directory = cli.path('mounted');
    try {
      mkdirSync(directory);
      makeFiles(cli.path('tree'));
      await cli.json(['build', 'tree', '-o', 'app.img.zst', '--name', basename(cli.folder)]);
      await withRangeServer(readFileSync(cli.path('app.img.zst')), {}, async (server) => {
        await cli.json(['mount', server.url, directory, '--allow-unsigned', '--no-fill', '--cache', 'cache', '--backend', backend]);
        await promisify(execFile)('cat', [`${directory}/d3/f3`, `${directory}/d2/f2`], { encoding: 'buffer' });
        const asked = server.seen.length;
        const [layer] = (await cli.json<Report>(['status', directory, '--files'])).layers;
        const text = await cli.run(['status', directory, '--files']);
        // Reading ahead may still be under way; what status itself asks for would come in its process, from another port: nothing new for metadata.
        expect(server.seen.length - asked).toBeLessThan(5);
        const { mounts: [mount] } = await cli.json<{ mounts: { localBytes: number; rawSize: number; rate: number }[] }>(['status', directory]);
        expect(existsSync(cli.path('cache/objects'))).toBe(true); // however the folder is named, servers keep chunks where the command looks
        expect(mount!.localBytes).toBeGreaterThanOrEqual(400_000);
        expect(mount!.localBytes).toBeLessThan(mount!.rawSize);
        expect(mount!.rate).toBeGreaterThanOrEqual(0);
        expect(text.stdout).toMatch(/^here +\S+ .B of \S+ .B \([0-9.]+ %\)\nfilling +idle\nfetched +\S+ .?B in \d+ requests, \S+ .?B\/s now\n/m);
        const stateOf = (path: string): string | undefined => layer!.files.find((file) => file.path === path)?.state;
        expect([stateOf('/d3/f3'), stateOf('/d2/f2')]).toEqual(['whole', 'whole']);
        expect(layer!.files.length).toBe(60);
        expect(layer!.files.filter(({ state }) => state === 'absent' || state === 'partial').length).toBeGreaterThan(5);
        for (const { state, size, localSize } of layer!.files) expect(localSize === size).toBe(state === 'whole');
        expect(layer!.faults.flatMap(({ files }) => files)).toContain('/d3/f3');
        expect(text.stdout).toMatch(/whole +200000 of 200000 +\/d3\/f3\n/);
        expect(text.stdout).toMatch(/\d+ files whole, \d+ partial, \d+ absent, 0 unknown/);
        expect((await cli.json<FailureJson>(['status', '--files'], 2)).error.code).toBe('BAD_ARGUMENT');
        await cli.json(['umount', directory]);
      });
      await untilNothingLeft(cli.folder);
    } finally {
      tearDown(cli.folder);
      cli.remove();
    }
  }, 180_000);
});

test('what the metadata that is here does not tell is unknown', () => {
  const bytes = { size: 1 << 20, read: (): Uint8Array => { throw new ChunkMissing([0]); } };
  expect([...localFiles({ bytes, chunkSize: 65_536, isLocal: () => false })]).toEqual([{ path: '/', state: 'unknown' }]);
});
