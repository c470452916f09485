/** Where ext4 changes its structures for size: hash trees of two levels, link counts that stop, extent trees, many groups. */
import { lstatSync, readdirSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import type { ByteString } from '../../../src/bytes/byte-string.js';
import { directoryHash } from '../../../src/ext4/dirhash.js';
import { HASH_FUNCTION } from '../../../src/ext4/writer/parameters.js';
import type { TreeNode } from '../../../src/model/tree.js';
import { compareMounted } from '../../helpers/compare-mounted.js';
import { complaints, debugfs, withImage, withMount } from '../../helpers/ext4-judges.js';
import { directory, file, sparse } from '../../helpers/nodes.js';
import { oracleTest } from '../../helpers/oracle.js';

const KiB = 1024;
const GiB = 1 << 30;

function names(count: number, make: (i: number) => ByteString): ByteString[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** One inode under many names keeps the image small; no more than 65,000 of them. */
function filled(all: readonly ByteString[]): [ByteString, TreeNode][] {
  let node = file();
  return all.map((name, i) => {
    if (i % 60_000 === 0) node = file();
    return [name, node];
  });
}

describe('directories', () => {
  oracleTest(['e2fsck', 'debugfs', 'loop'], '200,000 names: two levels of index', async () => {
    const all = names(200_000, (i) => `a-name-of-some-length-${String(i).padStart(6, '0')}`);
    await withImage(directory({ d: directory(filled(all)) }), {}, async ({ path }) => {
      expect(complaints(path)).toBe('');
      const head = debugfs(path, 'htree_dump d').slice(0, 500);
      expect(head).toContain('Indirect levels: 1');
      expect(head).toContain('Hash Version: 1');
      await withMount(path, (mountPoint) => {
        for (const name of all) lstatSync(`${mountPoint}/d/${name}`);
        expect(() => lstatSync(`${mountPoint}/d/a-name-of-some-length-200000`)).toThrow('ENOENT');
        expect(readdirSync(`${mountPoint}/d`).sort()).toEqual(all);
      });
    });
  });

  oracleTest(['e2fsck', 'loop'], 'names at the edges of 255 bytes and of the bytes themselves, indexed', async () => {
    const all = [...names(300, (i) => `${'n'.repeat(252)}${String(i).padStart(3, '0')}`), ...names(1000, (i) => `\xff\x80${String.fromCharCode(128 + i % 128)}-${i}`)];
    const tree = directory({ d: directory(filled(all)) });
    await withImage(tree, {}, async ({ path }) => {
      expect(complaints(path)).toBe('');
      await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
    });
  });

  for (const count of [64_998, 64_999, 66_000]) {
    oracleTest(['e2fsck', 'loop'], `${count} sub-directories`, async () => {
      const tree = directory({ d: directory(names(count, (i) => `sub-${i}`).map((name) => [name, directory()] as const)) });
      await withImage(tree, {}, async ({ path }) => {
        expect(complaints(path)).toBe('');
        await withMount(path, (mountPoint) => {
          expect(lstatSync(`${mountPoint}/d`).nlink).toBe(count > 64_998 ? 1 : count + 2);
          expect(readdirSync(`${mountPoint}/d`)).toHaveLength(count);
          expect(lstatSync(`${mountPoint}/d/sub-${count - 1}`).nlink).toBe(2);
        });
      });
    });
  }

  oracleTest(['e2fsck', 'debugfs', 'loop'], 'two names of one hash on either side of a leaf border', async () => {
    // Of some 200,000 names two or more share their 31 bits of hash; enough lower ones go before them to fill a leaf but for one place.
    const byHash = new Map<number, ByteString>();
    const pairs: { hash: number; pair: [ByteString, ByteString] }[] = [];
    for (let i = 0; i < 200_000; i++) {
      const name = `n${String(i).padStart(7, '0')}`;
      const hash = directoryHash(name, HASH_FUNCTION)!;
      const other = byHash.get(hash);
      if (other === undefined) byHash.set(hash, name);
      else pairs.push({ hash, pair: [other, name] });
    }
    expect(pairs.length).toBeGreaterThan(0);
    const entriesPerLeaf = Math.floor(4084 / 16);
    const lower = (hash: number): ByteString[] => [...byHash].filter(([each]) => each < hash).map(([, name]) => name);
    const { hash, pair } = pairs.find((each) => lower(each.hash).length >= 2 * entriesPerLeaf)!;
    const higher = [...byHash].filter(([each]) => each > hash).map(([, name]) => name).slice(0, 300);
    const all = [...lower(hash).slice(0, 2 * entriesPerLeaf - 1), ...pair, ...higher];
    const tree = directory({ d: directory(filled(all)) });
    await withImage(tree, {}, async ({ path }) => {
      expect(complaints(path)).toBe('');
      const index = debugfs(path, 'htree_dump d').split('\n').filter((line) => line.startsWith('Entry #'));
      expect(index.join('\n')).toContain(`Hash 0x${(hash + 1).toString(16).padStart(8, '0')}`); // the bit that says: goes on
      await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
    });
  });
});

describe('extent trees', () => {
  const fragmented = (count: number): TreeNode => {
    const block = new Uint8Array(10).fill(7);
    return file(sparse(count * 8 * KiB, Object.fromEntries(Array.from({ length: count }, (_, i) => [i * 8 * KiB, block]))));
  };

  // 4 in the inode; one leaf of 340; four leaves; five leaves need a second level.
  for (const [count, depth] of [[4, 0], [5, 1], [340, 1], [341, 1], [1360, 1], [1361, 2], [5000, 2]] as const) {
    oracleTest(['e2fsck', 'debugfs', 'loop'], `${count} extents: depth ${depth}`, async () => {
      const tree = directory({ f: fragmented(count) });
      await withImage(tree, {}, async ({ path }) => {
        expect(complaints(path)).toBe('');
        expect(debugfs(path, 'extents f')).toContain(` ${depth}/ ${depth} `);
        await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
      });
    });
  }

  oracleTest(['e2fsck', 'debugfs'], 'one run of 700 MB: extents of 128 MiB below the inode', async () => {
    const zeros = new Uint8Array(1 << 20);
    const content = { size: 700 << 20, pieces: Array.from({ length: 700 }, (_, i) => ({ offset: i << 20, length: 1 << 20, source: zeros, sourceOffset: 0 })) };
    await withImage(directory({ f: file(content) }), {}, ({ path }) => {
      expect(complaints(path)).toBe('');
      expect(debugfs(path, 'extents f')).toContain(' 1/ 1 ');
    });
  });
});

describe('groups', () => {
  oracleTest(['e2fsck', 'loop'], '140,000 empty files: smaller groups, for each holds 32,768 inodes at most', async () => {
    const tree = directory(names(140, (d) => `d${d}`).map((name) => [name, directory(names(1000, (i) => `f${i}`).map((each) => [each, file()] as const))] as const));
    await withImage(tree, {}, async ({ path, layout }) => {
      expect(complaints(path)).toBe('');
      expect(layout.size).toBeLessThan(140_000 * 256 * 1.3);
      await withMount(path, (mountPoint) => {
        expect(readdirSync(`${mountPoint}/d77`)).toHaveLength(1000);
        expect(lstatSync(`${mountPoint}/d139/f999`).size).toBe(0);
      });
    });
  });

  for (const size of [20 * GiB, 20 * GiB + 4096, 128 * KiB * KiB - 4096, 128 * KiB * KiB, 128 * KiB * KiB + 4096, 129 * KiB * KiB]) {
    oracleTest(['e2fsck', 'loop'], `a size of ${size} bytes`, async () => {
      const tree = directory({ f: file('x'), d: directory({ g: file('y') }) });
      await withImage(tree, { size }, async ({ path, layout }) => {
        expect(layout.size).toBeLessThanOrEqual(size);
        expect(layout.size).toBeGreaterThan(size - 10 * 4096);
        expect(complaints(path)).toBe('');
        await withMount(path, (mountPoint) => { expect(compareMounted(tree, mountPoint)).toEqual([]); });
      });
    });
  }
});
