/** Layouts that continue another: judged by e2fsck and the kernel, and by how many chunks differ from the base. */
import { writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { fromText } from '../../../src/bytes/byte-string.js';
import { layOutExt4, type BaseUse, type Ext4Options } from '../../../src/ext4/writer/writer.js';
import { verityTreesOf } from '../../../src/image/verity-files.js';
import type { Content } from '../../../src/model/content.js';
import type { DirectoryNode } from '../../../src/model/tree.js';
import { changedChunks, layOutOn, type BasedImage } from '../../helpers/based-image.js';
import { compareMounted } from '../../helpers/compare-mounted.js';
import { everythingTree } from '../../helpers/everything-tree.js';
import { complaints, withMount } from '../../helpers/ext4-judges.js';
import { memoryImage } from '../../helpers/file-image.js';
import { noise } from '../../helpers/make-tree.js';
import { directory, file, symlink, xattr } from '../../helpers/nodes.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readContent } from '../../helpers/tree-model.js';

const CHUNK_BLOCKS = 4;

function fresh(root: DirectoryNode, options: Ext4Options = {}): Buffer {
  return readContent(layOutExt4(root, options).image);
}

function requireSilence(raw: Buffer): Promise<void> {
  return withTempDir((folder) => {
    writeFileSync(`${folder}/fs.img`, raw);
    expect(complaints(`${folder}/fs.img`)).toBe('');
  });
}

function useOf({ layout: { base } }: BasedImage): BaseUse {
  if (base === undefined || 'unfit' in base) throw new Error(`not continued: ${base?.unfit ?? 'no base'}`);
  return base;
}

function inodeOf(raw: Buffer, path: string): number {
  return new Ext4Reader(memoryImage(raw)).resolve(fromText(path)).number;
}

/** 200 files of 1 to 20 blocks. @param version of file number `changed` */
function manyFiles(change: Readonly<Record<number, number>> = {}, count = 200): DirectoryNode {
  return directory(Array.from({ length: count }, (_, i) => [`f${String(i).padStart(4, '0')}`, file(noise(1000 + i * 7919 % 80_000, i + 1 + 1000 * (change[i] ?? 0)))] as const));
}

describe('what stays', () => {
  oracleTest(['e2fsck'], 'one changed file: its own chunks, its inode, superblock and bitmaps', async () => {
    const before = fresh(manyFiles());
    const after = layOutOn(before, manyFiles({ 77: 1 }));
    await requireSilence(after.raw);
    const blocks = Math.ceil((1000 + 77 * 7919 % 80_000) / 4096);
    expect(useOf(after)).toMatchObject({ fresh: blocks, evacuated: 0 });
    expect(changedChunks(before, after.raw, CHUNK_BLOCKS)).toBeLessThanOrEqual(Math.ceil(blocks / CHUNK_BLOCKS) + 1 + 4);
  });

  oracleTest(['e2fsck'], 'freed blocks keep their bytes, or become zeros', async () => {
    const tree = manyFiles();
    const before = fresh(tree);
    tree.children.delete('f0100');
    const [kept, zeroed] = [layOutOn(before, tree), layOutOn(before, tree, {}, { zeroFree: true })];
    for (const { raw } of [kept, zeroed]) await requireSilence(raw);
    expect(useOf(kept).freed.size).toBeGreaterThan(0);
    expect(useOf(zeroed).freed.size).toBe(0);
    expect(changedChunks(before, kept.raw)).toBeLessThan(changedChunks(before, zeroed.raw));
    const lost = noise(1000 + 100 * 7919 % 80_000, 101);
    const left = (raw: Buffer): boolean => Array.from({ length: 18 }, (_, block) => lost.subarray(block * 4096, block * 4096 + 2000)).some((part) => raw.includes(part));
    expect([left(kept.raw), left(zeroed.raw)]).toEqual([true, false]);
  });

  oracleTest(['e2fsck'], 'moved files and directories keep inode and blocks; changed ones what is equal in them', async () => {
    const big = noise(400_000, 1);
    const before = fresh(directory({ d: directory({ a: file(big, { mtimeSeconds: 5 }), b: file(noise(50_000, 2)) }, { mtimeSeconds: 6 }), z: symlink('t'.repeat(80)) }));
    const edited = Buffer.from(big);
    edited.set(noise(4096, 9), 81_920);
    const moved = layOutOn(before, directory({ e: directory({ a: file(big, { mtimeSeconds: 5 }), b: file(noise(50_000, 2)) }, { mtimeSeconds: 6 }), z: symlink('t'.repeat(80)) }));
    expect(['/e', '/e/a', '/e/b'].map((path) => inodeOf(moved.raw, path))).toEqual(['/d', '/d/a', '/d/b'].map((path) => inodeOf(before, path)));
    expect(useOf(moved).fresh).toBe(0);
    const changed = layOutOn(before, directory({ d: directory({ a: file(edited, { mtimeSeconds: 7 }), c: file(noise(50_000, 2)) }, { mtimeSeconds: 6 }), z: symlink('u'.repeat(90)) }));
    expect(useOf(changed).fresh).toBe(1);
    for (const { raw } of [moved, changed]) await requireSilence(raw);
  });

  oracleTest(['e2fsck', 'loop'], 'everything, changed: the kernel reads it back', async () => {
    const variants: readonly [string, (root: DirectoryNode) => Ext4Options][] = [['plain', () => ({})], ['inline', () => ({ inlineData: readContent })], ['journal', () => ({ journal: true })], ['verity', (root) => ({ verityTrees: verityTreesOf(root) })]];
    for (const [name, options] of variants) {
      const [first, second] = name === 'verity' ? [manyFiles({}, 50), manyFiles({ 3: 1, 33: 2 }, 60)] : [everythingTree(), everythingTree()]; // no verity tree over terabytes
      let number = 0;
      for (const [child, node] of [...second.children]) {
        if (number % 9 === 0) second.children.delete(child);
        if (number % 3 === 1) {
          second.children.delete(child);
          second.children.set(`renamed ${child}`.slice(0, 255), { ...node, xattrs: [xattr('user.new', noise(300, number))] });
        }
        number++;
      }
      const { raw, layout } = layOutOn(fresh(first, options(first)), second, options(second));
      expect([name, layout.base]).toEqual([name, expect.not.objectContaining({ unfit: expect.anything() })]);
      await withTempDir(async (folder) => {
        writeFileSync(`${folder}/fs.img`, raw);
        expect(complaints(`${folder}/fs.img`)).toBe('');
        if (name === 'verity') return; // many kernels have none
        await withMount(`${folder}/fs.img`, (mountPoint) => { expect(compareMounted(second, mountPoint)).toEqual([]); });
      });
    }
  });
});

describe('what grows and shrinks', () => {
  const names = (from: number, to: number): DirectoryNode => directory({ big: directory(Array.from({ length: to - from }, (_, i) => [`a rather long name number ${from + i}`, file()] as const)), f: file(noise(100_000, 4)) });

  oracleTest(['e2fsck'], 'a directory from one block to a tree and back; inode tables with it', async () => {
    let raw = fresh(names(0, 5));
    for (const [from, to] of [[0, 3000], [1, 9000], [8000, 8100], [8000, 8003]] as const) {
      const image = layOutOn(raw, names(from, to));
      useOf(image);
      await requireSilence(image.raw);
      raw = image.raw;
    }
  });

  oracleTest(['e2fsck'], 'beyond the last block group', async () => {
    const source = noise(1 << 20, 1);
    const large = (mebibytes: number): Content => ({ size: mebibytes << 20, pieces: Array.from({ length: mebibytes }, (_, i) => ({ offset: i << 20, length: 1 << 20, source, sourceOffset: 0 })) });
    let raw = fresh(manyFiles());
    for (const mebibytes of [128, 130]) {
      const image = layOutOn(raw, directory([...manyFiles().children, ['large', file(large(mebibytes))]]), {}, { chunkBlocks: 16 });
      expect(useOf(image).kept).toBeGreaterThan(1900);
      await requireSilence(image.raw);
      raw = image.raw;
    }
  });

  oracleTest(['e2fsck'], 'a tree that shrinks to a tenth, or to nothing, begins afresh', () => {
    const before = fresh(manyFiles());
    for (const tree of [manyFiles({}, 20), directory()]) {
      const { layout, raw } = layOutOn(before, tree, {}, { maxWaste: 0.2 });
      expect(layout.base).toEqual({ unfit: expect.stringMatching(/of no use, at most 20 %/) });
      expect(raw.equals(fresh(tree))).toBe(true);
    }
  });

  oracleTest(['e2fsck'], 'twenty generations: waste stays within the bound, holes are used again', async () => {
    let raw = fresh(manyFiles());
    const versions: Record<number, number> = {};
    for (let generation = 1; generation <= 20; generation++) {
      for (let i = 0; i < 12; i++) versions[(generation * 37 + i * 11) % 200] = generation;
      const image = layOutOn(raw, manyFiles(versions), {}, { maxWaste: 0.2 });
      const { unused } = useOf(image);
      expect(unused / (image.raw.length / 4096)).toBeLessThanOrEqual(0.2);
      if (generation % 5 === 0) await requireSilence(image.raw);
      raw = image.raw;
    }
  });
});
