/** A tree with everything at its edges, under every option: e2fsck has nothing to say, the kernel reads it all back. */
import { readFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import type { Ext4Options } from '../../../src/ext4/writer/writer.js';
import { compareMounted } from '../../helpers/compare-mounted.js';
import { everythingTree } from '../../helpers/everything-tree.js';
import { complaints, debugfs, withImage, withMount } from '../../helpers/ext4-judges.js';
import { noise } from '../../helpers/make-tree.js';
import { directory, file, sparse, symlink, xattr } from '../../helpers/nodes.js';
import { oracleTest } from '../../helpers/oracle.js';
import { readContent } from '../../helpers/tree-model.js';

const variants: Readonly<Record<string, Ext4Options>> = {
  'by default': {},
  'with a journal': { journal: true },
  'with a large journal': { journal: 200 << 20 },
  'with inline data': { inlineData: readContent },
  'with a size of 20 GB': { size: 20e9 },
  'with 300 MB free': { freeBytes: 300e6, journal: true, inlineData: readContent },
  'with uuid and name': { uuid: Uint8Array.from({ length: 16 }, (_, i) => i + 1), volumeName: 'sixteen bytes ß' },
};

describe('a tree with everything', () => {
  for (const [name, options] of Object.entries(variants)) {
    oracleTest(['e2fsck'], `${name}: e2fsck is silent`, async () => {
      await withImage(everythingTree(), options, ({ path }) => { expect(complaints(path)).toBe(''); });
    });

    oracleTest(['loop'], `${name}: the kernel reads it back`, async () => {
      const tree = everythingTree();
      await withImage(tree, options, ({ path }) => withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); }));
    });
  }
});

describe('small trees', () => {
  const trees = {
    'an empty tree': directory(),
    'one file': directory({ f: file('content') }),
    'one empty directory': directory({ d: directory() }),
    'a long symlink': directory({ s: symlink('s'.repeat(100)) }),
    'exactly one full group of inodes': directory(Array.from({ length: 6 }, (_, i) => [`f${i}`, file()] as const)),
  };
  for (const [name, tree] of Object.entries(trees)) {
    for (const [variant, options] of Object.entries({ 'plain': {}, 'inline data': { inlineData: readContent } })) {
      oracleTest(['e2fsck', 'loop'], `${name}, ${variant}`, async () => {
        await withImage(tree, options, async ({ path }) => {
          expect(complaints(path)).toBe('');
          await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
        });
      });
    }
  }
});

describe('what is on the disk', () => {
  oracleTest(['debugfs'], 'equal attribute sets share a block, 1024 inodes to each', async () => {
    const shared = [xattr('user.shared', 'same for all '.repeat(20))];
    const tree = directory(Array.from({ length: 1500 }, (_, i) => [`f${String(i).padStart(4, '0')}`, file('', { xattrs: shared })] as const));
    await withImage(tree, {}, ({ path }) => {
      expect(complaints(path)).toBe('');
      const block = (name: string): string => /File ACL: (\d+)/.exec(debugfs(path, `stat ${name}`))![1]!;
      expect(block('f0000')).not.toBe('0');
      expect(block('f1023')).toBe(block('f0000'));
      expect(block('f1024')).toBe(String(Number(block('f0000')) + 1));
      expect(debugfs(path, 'ea_list f1499')).toContain('user.shared (260)');
    });
  });

  oracleTest(['debugfs'], 'with inline data, small things have no blocks', async () => {
    const tree = directory({ d: directory({ f: file('x'.repeat(128)), s: symlink('t'.repeat(128)) }), big: file('x'.repeat(129)) });
    await withImage(tree, { inlineData: readContent }, ({ path }) => {
      expect(complaints(path)).toBe('');
      for (const name of ['d', 'd/f', 'd/s']) expect(debugfs(path, `stat ${name}`)).toContain('Blockcount: 0');
      expect(debugfs(path, 'stat big')).toContain('Blockcount: 8');
      expect(debugfs(path, 'cat d/f')).toBe('x'.repeat(128));
    });
  });

  oracleTest(['e2fsck', 'debugfs', 'loop'], 'files of equal content can share their blocks', async () => {
    const [bytes, fragments] = [noise(10_000, 1), Object.fromEntries(Array.from({ length: 9 }, (_, i) => [i * 8192, noise(100, i)]))];
    const [a, b, c] = [file(bytes), file(bytes, { uid: 5 }), file(bytes)];
    const [sparseOne, sparseTwo] = [file(sparse(80_000, fragments)), file(readContent(sparse(80_000, fragments)))]; // the second without holes
    const tree = directory({ a, b, c, d: directory({ sparseOne, sparseTwo }), other: file(noise(5000, 2)) });
    await withImage(tree, { shared: new Map([[b, a], [c, b], [sparseTwo, sparseOne]]) }, async ({ path, layout }) => {
      expect(layout.features).toContain('shared_blocks');
      expect(layout.usedBlocks - layout.metadataBlocks).toBe(3 + 3 + 9 + 2); // c names b, which has no blocks of its own
      expect(complaints(path)).toBe('');
      expect(debugfs(path, 'bmap b 2')).toBe(debugfs(path, 'bmap a 2'));
      await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
    });
    await withImage(tree, { inlineData: readContent, shared: new Map() }, ({ layout }) => { expect(layout.features).not.toContain('shared_blocks'); });
  });

  oracleTest(['debugfs'], 'the uuid changes the superblock only', async () => {
    const images = await Promise.all([1, 2].map((byte) => withImage(everythingTree(), { uuid: new Uint8Array(16).fill(byte), journal: true }, ({ path, layout }) => {
      const bytes = readFileSync(path).subarray(0, layout.metadataBlocks * 4096);
      expect(debugfs(path, 'show_super_stats -h')).toContain(`${String(byte).padStart(2, '0').repeat(4)}-`);
      return bytes;
    })));
    const [a, b] = images as [Buffer, Buffer];
    const differing = Array.from({ length: a.length / 4096 }, (_, i) => i).filter((i) => a.compare(b, i * 4096, (i + 1) * 4096, i * 4096, (i + 1) * 4096) !== 0);
    expect(differing).toEqual([0]);
  });
});
