/** The tree of an image that may be far away. */
import { Ext4Reader } from '../ext4/reader/reader.js';
import { readTree } from '../ext4/reader/tree.js';
import type { Image } from '../image/image.js';
import { prefetchMetadata } from '../image/metadata.js';
import type { DirectoryNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';

/**
 * @returns the tree; pieces of files have their places in the raw image as `sourceOffset`, and cannot be read through their source
 * @throws as readTree; what reading the image throws. Fetches inode tables, directories and xattrs
 */
export async function readImageTree(image: Image, options: ReadOptions = {}): Promise<DirectoryNode> {
  await prefetchMetadata(image, options);
  return image.run((view) => readTree(new Ext4Reader(view)), options);
}
