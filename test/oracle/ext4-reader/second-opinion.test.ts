/** libext2fs in WebAssembly and our reader see the same tree; what it cannot open is refused as such. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { readTree } from '../../../src/ext4/reader/tree.js';
import type { RandomAccess } from '../../../src/bytes/random-access.js';
import { typeBits, walk } from '../../../src/model/tree.js';
import { secondOpinion, type ImageBytes, type SeenFile } from '../../../wasm/ext2fs.js';
import { makeCopyableTree, makeImage } from '../../helpers/ext4-image.js';
import { memoryImage } from '../../helpers/file-image.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readContent } from '../../helpers/tree-model.js';

async function all(image: ImageBytes): Promise<SeenFile[]> {
  const seen: SeenFile[] = [];
  for await (const file of secondOpinion(image)) seen.push(file);
  return seen;
}

function promised(access: RandomAccess): ImageBytes {
  return { size: access.size, read: (offset, length) => Promise.resolve(access.read(offset, length)) };
}

/** Our reader's answer in the words of the other one. */
function ours(reader: Ext4Reader): SeenFile[] {
  return [...walk(readTree(reader))].map(({ path, node }) => {
    const { inode } = reader.resolve(path, { followSymlinks: false });
    return {
      path, mode: typeBits[node.kind] | node.permissions, uidLow: node.uid & 0xffff, gidLow: node.gid & 0xffff, links: inode.links,
      sizeLow: inode.size >>> 0, mtimeLow: node.mtimeSeconds >>> 0,
      ...node.kind === 'symlink' ? { target: node.target } : {},
      ...node.kind === 'file' ? { content: { size: node.content.size, sha256: createHash('sha256').update(readContent(node.content)).digest('hex') } } : {},
    };
  });
}

describe('second opinion', () => {
  for (const options of ['-b 4096', '-b 1024 -O inline_data', '-t ext2', '-b 4096 -O ea_inode', '-b 4096 -O verity', '-b 4096 -O ^metadata_csum,verity']) {
    oracleTest(['mkfs.ext4'], `${options}: both readers agree, and the image is not written to`, () => withTempDir(async (temp) => {
      const source = join(temp, 'source');
      mkdirSync(source);
      makeCopyableTree(source);
      if (options.includes('inline_data')) rmSync(join(source, 'sparse'), { recursive: true }); // holes of inline files it does not give
      makeImage(join(temp, 'image'), options, source, 32 << 20);
      const bytes = readFileSync(join(temp, 'image'));
      const before = createHash('sha256').update(bytes).digest('hex');
      const access = memoryImage(bytes);
      expect(await all(promised(access))).toEqual(ours(new Ext4Reader(access)));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(before);
      expect(process.listeners('uncaughtException')).toEqual([]);
    }));
  }

  oracleTest(['mkfs.ext4'], 'names in large directories are found without reading these again for each', () => withTempDir(async (temp) => {
    const long = 'n'.repeat(250);
    mkdirSync(join(temp, 'source/wide'), { recursive: true });
    for (let i = 0; i < 400; i++) {
      writeFileSync(join(temp, `source/wide/${i}${long}`), String(i));
      mkdirSync(join(temp, `source/deep/${i}${long}`), { recursive: true });
      writeFileSync(join(temp, `source/deep/${i}${long}/file`), String(-i));
    }
    makeImage(join(temp, 'image'), '-b 4096', join(temp, 'source'), 64 << 20);
    const access = memoryImage(readFileSync(join(temp, 'image')));
    const image = promised(access);
    let reads = 0;
    const seen = await all({ size: image.size, read: (offset, length) => { reads++; return image.read(offset, length); } });
    expect(seen).toEqual(ours(new Ext4Reader(access)));
    // Each of the two directories has 27 blocks.
    expect(reads / seen.length).toBeLessThan(10);
  }));

  oracleTest(['mkfs.ext4'], 'more directories than its memory would hold if each stayed open', () => withTempDir(async (temp) => {
    for (let i = 0; i < 2000; i++) mkdirSync(join(temp, 'source', String(i)), { recursive: true });
    makeImage(join(temp, 'image'), '-b 4096', join(temp, 'source'));
    expect(await all(promised(memoryImage(readFileSync(join(temp, 'image')))))).toHaveLength(2002);
  }));

  for (const feature of ['casefold', 'bigalloc', 'mmp']) {
    oracleTest(['mkfs.ext4'], `${feature}: it does not open the image, and says so`, () => withTempDir(async (temp) => {
      makeImage(join(temp, 'image'), `-O ${feature}`, undefined, 32 << 20);
      await expect(all(promised(memoryImage(readFileSync(join(temp, 'image')))))).rejects.toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }));
    }));
  }

  oracleTest(['mkfs.ext4'], 'walks take turns, a broken image and a failing source end in their own errors', () => withTempDir(async (temp) => {
    makeImage(join(temp, 'image'), '-b 4096', undefined, 32 << 20);
    const access = memoryImage(readFileSync(join(temp, 'image')));
    const [one, two, three, four] = await Promise.allSettled([
      all(promised(access)), all(promised(memoryImage(Buffer.alloc(1 << 20)))),
      all({ size: access.size, read: () => Promise.reject(new Error('the network is down')) }), all(promised(access)),
    ]);
    expect(one).toMatchObject({ status: 'fulfilled', value: [{ path: '' }, { path: 'lost+found' }] });
    expect(two).toMatchObject({ status: 'rejected', reason: { code: 'STRUCTURE_INVALID' } });
    expect(three).toMatchObject({ status: 'rejected', reason: { message: 'the network is down' } });
    expect(four).toEqual(one);
    for await (const file of secondOpinion(promised(access))) { expect(file.path).toBe(''); break; }
    expect(await all(promised(access))).toHaveLength(2);
  }));
});
