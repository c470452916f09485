/** Whether the metadata of an image is on this machine: then it is cheap to put all of it into the kernel's cache in a few large reads. */
import { ifHere } from '../bytes/random-access.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import { MiB } from '../units.js';
import type { LocalImage } from './local-image.js';
import { tablesEnd } from './metadata.js';

/** More than this is not read in advance: it would be content too, or an image whose inodes lie all over it. */
const MOST = 64 * MiB;

/** @returns bytes at the start of the image that hold its inodes and nearly all of its directories, when they are here; else 0 */
export function localMetadataSize(image: LocalImage): number {
  const size = ifHere(() => metadataSize(new Ext4Reader(image))) ?? 0;
  if (size > MOST) return 0;
  for (let chunk = 0; chunk * image.chunkSize < size; chunk++) {
    if (!image.isLocal(chunk)) return 0;
  }
  return size;
}

/** We put directories behind the inode tables, and most of them have one block. */
function metadataSize(reader: Ext4Reader): number {
  const { volume } = reader;
  let directories = 0;
  for (let group = 0; group < volume.layout.groupCount; group++) directories += volume.group(group).directories;
  return Math.min(volume.image.size, tablesEnd(reader) + directories * volume.blockSize);
}
