/** Layouts on a base, in memory: what src/image/base.ts does for image files. */
import { Ext4Reader } from '../../src/ext4/reader/reader.js';
import { readBaseLayout } from '../../src/ext4/reader/base-layout.js';
import { layOutExt4, type BaseOptions, type Ext4Layout, type Ext4Options } from '../../src/ext4/writer/writer.js';
import { DIGEST_SIZE, hashLeaves } from '../../src/hash/sha256.js';
import { contentWindows } from '../../src/image/content-reader.js';
import type { DirectoryNode } from '../../src/model/tree.js';
import { memoryImage } from './file-image.js';
import { readContent } from './tree-model.js';

export interface BasedImage { readonly layout: Ext4Layout; readonly raw: Buffer }

const noSalt = new Uint8Array(0);

export function leavesOfBytes(bytes: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(Math.ceil(bytes.length / 4096) * DIGEST_SIZE);
  hashLeaves(bytes, noSalt, leaves);
  return leaves;
}

/** @param before raw image of the base */
export function layOutOn(before: Buffer, root: DirectoryNode, options: Ext4Options = {}, given: Partial<Pick<BaseOptions, 'chunkBlocks' | 'maxWaste'>> & { readonly zeroFree?: boolean } = {}): BasedImage {
  const { chunkBlocks = 4, maxWaste = 0.9, zeroFree = false } = given;
  let freed: Buffer | undefined;
  const base: BaseOptions = {
    layout: readBaseLayout(new Ext4Reader(memoryImage(before))), leaves: leavesOfBytes(before), zeroLeaf: leavesOfBytes(new Uint8Array(4096)), chunkBlocks, maxWaste,
    *leavesOf(content) { for (const { offset, bytes } of contentWindows(content)) yield { logical: offset / 4096, leaves: leavesOfBytes(bytes) }; },
    ...(zeroFree ? {} : { freedBlocks: { get size() { return freed!.length; }, read: (offset: number, length: number) => freed!.subarray(offset, offset + length) } }),
  };
  const layout = layOutExt4(root, { ...options, base });
  if (layout.base !== undefined && !('unfit' in layout.base)) freed = Buffer.concat(layout.base.freed.list.map(({ start, end }) => before.subarray(start * 4096, end * 4096)));
  return { layout, raw: readContent(layout.image) };
}

/** @returns how many chunks of `now` are not, in the same place, in `before` */
export function changedChunks(before: Buffer, now: Buffer, chunkBlocks = 4): number {
  const size = chunkBlocks * 4096;
  let changed = 0;
  for (let at = 0; at < now.length; at += size) if (!now.subarray(at, at + size).equals(before.subarray(at, at + size))) changed++;
  return changed;
}
