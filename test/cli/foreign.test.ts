/** Images that mke2fs makes of a tree, from `build ext4:` over `verify --deep` to `extract`: what comes out is what went in. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { formatDump } from '../../src/tree/dump.js';
import { scanDirectory } from '../../src/tree/from-directory.js';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { asCopied, makeCopyableTree, makeImage, run } from '../helpers/ext4-image.js';
import { oracleTest } from '../helpers/oracle.js';
import { readContent } from '../helpers/tree-model.js';

let cli: Cli;
beforeAll(() => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  makeCopyableTree(cli.path('tree'));
  rmSync(cli.path('tree/sparse'), { recursive: true }); // with inline_data mkfs -d 1.47.0 forgets holes at the end
  writeFileSync(cli.path('tree/zeros'), Buffer.alloc(800_000)); // with inline_data: 60 bytes and a hole, which libext2fs does not read
});
afterAll(() => cli.remove());

const namesAndContents = (folder: string): string[] => {
  const { root } = scanDirectory(cli.path(folder));
  return formatDump(asCopied(root), (file) => createHash('sha256').update(readContent(file.content)).digest('hex')).split('\n');
};

describe('mkfs -d', () => {
  for (const [name, options] of Object.entries({ ext4: '-t ext4', maps: '-t ext4 -O ^extents,^64bit', inline: '-t ext4 -O inline_data', small: '-t ext4 -b 1024', ext2: '-t ext2', ext3: '-t ext3' })) {
    oracleTest(['root', 'mkfs.ext4'], `${options}: both readers agree, and extract gives the tree back`, async () => {
      makeImage(cli.path(`${name}.ext4`), options, cli.path('tree'));
      await cli.json(['build', `ext4:${name}.ext4`, '-o', `${name}.img`]);
      const { comparedNames } = await cli.json<{ comparedNames: number }>(['verify', `${name}.img`, '--deep', '--allow-unsigned']);
      await cli.json(['extract', `${name}.img`, '-C', name, '--allow-unsigned']);
      expect(namesAndContents(name)).toEqual(namesAndContents('tree'));
      expect(comparedNames).toBeGreaterThan(50);
      const listed = (await cli.run(['ls', '-R', `${name}.img`, '--json', '--allow-unsigned'])).stdout.trimEnd().split('\n');
      expect(listed).toHaveLength(comparedNames - 1);
    });
  }
});

describe('blocks that the second reader goes wrong with', () => {
  for (const options of ['-b 65536', '-b 32768', '-b 65536 -O ^metadata_csum']) {
    oracleTest(['mkfs.ext4'], `${options}: are told as such`, async () => {
      makeImage(cli.path('large.ext4'), options, cli.path('tree'));
      await cli.json(['build', 'ext4:large.ext4', '-o', 'large.img']);
      const { error } = await cli.json<FailureJson>(['verify', 'large.img', '--deep', '--allow-unsigned'], 5);
      expect(error).toMatchObject({ code: 'FEATURE_UNSUPPORTED', detail: { feature: 'block size' } });
    });
  }
});

describe('refused, with the way out', () => {
  const refusal = async (): Promise<FailureJson['error']> => (await cli.json<FailureJson>(['build', 'ext4:refused.ext4', '-o', 'refused.img'], 5)).error;

  oracleTest(['mkfs.ext4'], 'bigalloc', async () => {
    makeImage(cli.path('refused.ext4'), '-O bigalloc');
    expect(await refusal()).toMatchObject({ code: 'FEATURE_UNSUPPORTED', detail: { feature: 'bigalloc' }, suggestion: expect.stringContaining('mke2fs -O ^bigalloc') as unknown });
  });

  oracleTest(['mkfs.ext4', 'debugfs'], 'a journal that has to be replayed', async () => {
    makeImage(cli.path('refused.ext4'), '-t ext4');
    run('debugfs', '-w', '-R', 'feature needs_recovery', cli.path('refused.ext4'));
    expect(await refusal()).toMatchObject({ suggestion: expect.stringContaining('e2fsck') as unknown });
  });

  oracleTest(['mkfs.ext4'], 'the journal of another file system', async () => {
    makeImage(cli.path('refused.ext4'), '-O journal_dev');
    expect(await refusal()).toMatchObject({ detail: { feature: 'journal_dev' }, suggestion: 'Name the file system that it belongs to.' });
  });

  oracleTest(['mkfs.ext4'], 'a file that was cut short', async () => {
    makeImage(cli.path('refused.ext4'), '-t ext4');
    truncateSync(cli.path('refused.ext4'), 20 << 20);
    expect(await refusal()).toMatchObject({ code: 'TRUNCATED' });
    expect(readFileSync(cli.path('refused.ext4')).length).toBe(20 << 20);
  });
});

/** What a file system without a journal looks like when it is copied while it is mounted. */
describe('not unmounted cleanly', () => {
  oracleTest(['mkfs.ext4', 'debugfs'], 'is said, where the copy is sound by chance', async () => {
    makeImage(cli.path('open.ext4'), '-t ext2', cli.path('tree'));
    expect((await cli.json<{ warnings: string[] }>(['build', 'ext4:open.ext4', '-o', 'open.img'])).warnings).toEqual([]);
    run('debugfs', '-w', '-R', 'set_super_value state 0', cli.path('open.ext4'));
    expect((await cli.run(['build', 'ext4:open.ext4', '-o', 'open.img'])).stderr).toMatch(/^warning: The file system was not unmounted cleanly/m);
    run('debugfs', '-w', '-R', 'set_super_value state 3', cli.path('open.ext4'));
    expect((await cli.run(['build', 'ext4:open.ext4', '-o', 'open.img'])).stderr).toMatch(/^warning: The kernel found errors/m);
  });

  oracleTest(['mkfs.ext4', 'debugfs'], 'has a way out, where it is not', async () => {
    makeImage(cli.path('open.ext4'), '-t ext2', cli.path('tree'));
    const [, file] = /Inode: (\d+)/.exec(run('debugfs', '-R', 'stat zeros', cli.path('open.ext4')))!;
    run('debugfs', '-w', '-R', `freei <${file!}>`, cli.path('open.ext4'));
    const { error } = await cli.json<FailureJson>(['build', 'ext4:open.ext4', '-o', 'damaged.img'], 3);
    expect(error).toMatchObject({ code: 'STRUCTURE_INVALID', suggestion: expect.stringContaining('mounted while it was copied') as unknown });
  });
});
