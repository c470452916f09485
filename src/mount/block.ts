/**
 * The block back-end: the raw image, one file of a FUSE mount that has no place in the tree, becomes
 *
 *     ext4 (ro, noload)  on  loop B  on  loop A  on  the file
 *
 * Every link holds only the next one: loop devices clear themselves, the FUSE mount lives as long as its file is open.
 * So `umount` of the ext4 takes everything down with it, and nothing is left behind however it came about. Two loops,
 * because the file behind loop A can then be exchanged for a local one while ext4 is mounted (facts: directly under
 * ext4 that shuts the file system down).
 */
import { closeSync, createReadStream, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { ByteString } from '../bytes/byte-string.js';
import { attachLoop, changeBackingFile, setDirectIo, setReadAhead } from '../sys/loop.js';
import { createMount, mountAttributes, placeMount } from '../sys/mount.js';
import { MiB } from '../units.js';
import { IMAGE_FILE } from './plan.js';

export interface BlockOptions {
  /** Directory to mount on. */
  readonly target: ByteString;
  /** Of the mount, beyond read-only: {@link mountAttributes}, or-ed. */
  readonly attributes: number;
  /** What `losetup -l` shows. */
  readonly label: string;
  /** Bytes; of no more than a chunk while chunks still have to be fetched. */
  readonly readAhead: number;
}

/** Paths of the loop devices under a mount: the one over the image file, the one under the file system. */
export interface LoopPair {
  readonly inner: string;
  readonly outer: string;
}

/**
 * @param folder path of the FUSE mount's root
 * @throws MOUNT_FAILED, NOT_PERMITTED, PATH_MISSING; nothing is left attached then
 */
export function attachBlock(folder: string, { target, attributes, label, readAhead }: BlockOptions): LoopPair {
  const inner = over(openSync(`${folder}/${IMAGE_FILE}`, 'r'), (fd) => attachLoop({ fd, label, directIo: true, readAhead: 0 }));
  const outer = over(inner.fd, (fd) => attachLoop({ fd, label, directIo: true, readAhead }));
  over(outer.fd, () => { placeDevice(outer.path, target, attributes); });
  return { inner: inner.path, outer: outer.path };
}

/**
 * Mounts a complete raw image of this machine: nobody has to serve it.
 *
 * @param path of the raw image
 * @param readAhead bytes
 */
export function attachFile(path: string, target: ByteString, readAhead: number, attributes = 0): void {
  const device = over(openSync(path, 'r'), (fd) => attachLoop({ fd, label: path, directIo: false, readAhead }));
  over(device.fd, () => { placeDevice(device.path, target, attributes); });
}

/**
 * Puts a local file of the same bytes under a mount, live: open files stay open. The FUSE file is let go, and with it its server.
 *
 * @param path of the raw image
 * @param readAhead bytes; large, now that reading ahead costs no network
 */
export function handOver({ inner, outer }: LoopPair, path: string, readAhead: number): void {
  over(openSync(path, 'r'), (file) => {
    over(openSync(inner, 'r'), (loop) => {
      changeBackingFile(loop, file);
      setDirectIo(loop, false);
    });
    over(openSync(outer, 'r'), (loop) => { setReadAhead(loop, readAhead); });
  });
}

/** Mounts the ext4 on a block device; the same file system once more when it is mounted already. */
export function placeDevice(device: string, target: ByteString, attributes = 0): void {
  over(mountDevice(device, attributes), (mount) => { placeMount(mount, target); });
}

/** @returns the mount, without a place yet: a descriptor, as of {@link createMount} */
export function mountDevice(device: string, attributes: number): number {
  return createMount('ext4', { strings: [['source', device]], flags: ['ro', 'noload'], attributes: mountAttributes.readOnly | attributes });
}

/** Reads the first bytes of a device in a few large requests: they stay in its cache, before somebody asks for them block by block. */
export async function warm(device: string, size: number): Promise<void> {
  await finished(createReadStream(device, { end: size - 1, highWaterMark: MiB }).resume());
}

/** Closes the descriptor whatever happens: from then on the next link, if there is one, holds it. */
export function over<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
