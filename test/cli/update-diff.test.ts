/** `thawfs diff`: exit status as diff(1), and its outputs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DiffReport } from '../../src/update/diff.js';
import { Cli } from '../helpers/cli.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  writeFileSync(cli.path('tree/a'), 'a');
  await cli.json(['build', 'tree', '-o', 'old.img.zst', '--name', 'app', '--sequence', '2']);
  writeFileSync(cli.path('tree/b'), 'bb');
  await cli.json(['build', 'tree', '-o', 'new.img.zst', '--name', 'app', '--sequence', '1']);
});
afterAll(() => { cli.remove(); });

const unsigned = '--allow-unsigned';

describe('diff', () => {
  test('0: equal', async () => {
    expect(await cli.run(['diff', 'new.img.zst', 'tree', unsigned])).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(await cli.json<DiffReport>(['diff', 'old.img.zst', 'old.img.zst', unsigned])).toMatchObject({ equal: true });
  });

  test('1: different; also from a higher sequence to a lower one', async () => {
    const { status, stdout } = await cli.run(['diff', 'old.img.zst', 'new.img.zst', unsigned]);
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^M .* \/ {2}\(mtime\)\nA .* \/b\n\nadded +1\n/)]);
    expect(await cli.run(['diff', 'old.img.zst', 'new.img.zst', unsigned, '--name-only'])).toMatchObject({ status: 1, stdout: '/\n/b\n' });
    expect((await cli.run(['diff', 'old.img.zst', 'new.img.zst', unsigned, '--stat'])).stdout).toMatch(/^added +1\n[^]*to fetch[^]*\/$/m);
    expect(await cli.json<DiffReport>(['diff', 'old.img.zst', 'new.img.zst', unsigned], 1)).toMatchObject({ equal: false, counts: { added: 1, metadata: 1 } });
  });

  test('trouble has the statuses of all commands', async () => {
    expect(await cli.run(['diff', 'old.img.zst', 'nowhere', unsigned])).toMatchObject({ status: 8 });
  });

  test('where no key is trusted it looks, and says that nobody vouches; where one is, it decides', async () => {
    expect(await cli.run(['diff', 'old.img.zst', 'old.img.zst'])).toMatchObject({ status: 0, stderr: expect.stringContaining('nobody vouches') as unknown });
    await cli.json(['key', 'generate', '-o', 'k.pem']);
    expect(await cli.run(['diff', 'old.img.zst', 'old.img.zst', '--trust', 'k.pub'])).toMatchObject({ status: 3, stderr: expect.stringContaining('SIGNATURE_MISSING') as unknown });
    expect(await cli.run(['diff', 'old.img.zst'])).toMatchObject({ status: 2 });
  });
});
