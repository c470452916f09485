/** Loop devices: a file as a block device (linux/loop.h). All ours are read-only and vanish with their last user (AUTOCLEAR). */
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { ThawfsError } from '../errors.js';
import { fromText } from '../bytes/byte-string.js';
import { bytes, reserved, struct, u32le, u64le } from '../bytes/struct.js';
import { cPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { makeNode } from './inode.js';
import { libcFunction } from './libc.js';
import { noLibc } from './system-error.js';

const LOOP_CTL_GET_FREE = 0x4c82, LOOP_CONFIGURE = 0x4c0a, LOOP_CHANGE_FD = 0x4c06, LOOP_SET_DIRECT_IO = 0x4c08;
const BLKRASET = 0x1262;
const LOOP_MAJOR = 7;
const LO_FLAGS_READ_ONLY = 1, LO_FLAGS_AUTOCLEAR = 4, LO_FLAGS_DIRECT_IO = 16;

/** loop_config with its loop_info64 spelled out. */
const loopConfig = struct('loop_config', 304, [
  [0, 'fd', u32le, ''],
  [4, 'blockSize', u32le, 'block_size'],
  [8, 'device', reserved(24), 'lo_device, lo_inode, lo_rdevice'],
  [32, 'offset', u64le, 'lo_offset'],
  [40, 'sizeLimit', u64le, 'lo_sizelimit'],
  [48, 'ignored', reserved(12), 'lo_number, lo_encrypt_type, lo_encrypt_key_size'],
  [60, 'flags', u32le, 'lo_flags'],
  [64, 'fileName', bytes(64), 'lo_file_name: what losetup shows'],
  [128, 'cryptName', reserved(64), 'lo_crypt_name'],
  [192, 'encryptKey', reserved(48), 'lo_encrypt_key, lo_init'],
  [240, 'rest', reserved(64), '__reserved'],
]);

const ioctlNumber = libcFunction('int ioctl(int fd, unsigned long request, uintptr_t argument)');
const ioctlPointer = libcFunction('int ioctl(int fd, unsigned long request, void *argument)');

function ioctl(fd: number, request: number, argument: Uint8Array | number, doing: string): number {
  const call = typeof argument === 'number' ? ioctlNumber : ioctlPointer;
  if (call === undefined) throw noLibc('ioctl');
  const result = Number(call(fd, request, argument));
  if (result >= 0) return result;
  const errno = getSystemErrorName(-lastErrno());
  throw new ThawfsError('MOUNT_FAILED', `${doing}: ${errno}`, { detail: { errno } });
}

export interface LoopOptions {
  /** A read-only descriptor of the file behind; not needed after the call. */
  readonly fd: number;
  /** What `losetup -l` shows, at most 63 bytes. */
  readonly label: string;
  /** Bypass the page cache of the file behind. Right over FUSE and over another loop (no bytes cached twice). */
  readonly directIo: boolean;
  /** Bytes read ahead on the device. */
  readonly readAhead: number;
}

export interface LoopDevice {
  /** `/dev/loopN` */
  readonly path: string;
  /** Keeps the device alive; when this is closed and nothing is mounted from it, the device is gone. */
  readonly fd: number;
}

/**
 * Attaches a file. Needs Linux 5.8 (LOOP_CONFIGURE).
 *
 * @throws NOT_PERMITTED without access to /dev/loop-control; MOUNT_FAILED
 */
export function attachLoop(options: LoopOptions): LoopDevice {
  const control = openLoop('/dev/loop-control', 'r+');
  try {
    for (;;) {
      const number = ioctl(control, LOOP_CTL_GET_FREE, 0, 'finding a free loop device');
      const path = `/dev/loop${number}`;
      if (!existsSync(path)) makeLoopNode(path, number);
      const fd = openLoop(path, 'r');
      try {
        ioctl(fd, LOOP_CONFIGURE, loopConfig.encode({
          fd: options.fd, blockSize: 512, fileName: Buffer.from(options.label).subarray(0, 63),
          flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | (options.directIo ? LO_FLAGS_DIRECT_IO : 0),
        }), `attaching ${options.label} to ${path}`);
        setReadAhead(fd, options.readAhead);
        return { path, fd };
      } catch (error) {
        closeSync(fd);
        // Somebody else took the free device between the two calls: ask again.
        if (!(error instanceof ThawfsError && error.detail['errno'] === 'EBUSY')) throw error;
      }
    }
  } finally {
    closeSync(control);
  }
}

/**
 * Puts another file of the same size behind a device, under its users' feet. Waits for what is in flight.
 * Never on a device that a file system is mounted from directly: ext4 takes it for a changed medium and shuts down.
 */
export function changeBackingFile(loop: number, file: number): void {
  ioctl(loop, LOOP_CHANGE_FD, file, 'exchanging the file behind a loop device');
}

/** @param readAhead bytes */
export function setReadAhead(device: number, readAhead: number): void {
  ioctl(device, BLKRASET, readAhead / 512, 'setting the read-ahead of a block device');
}

export function setDirectIo(loop: number, on: boolean): void {
  ioctl(loop, LOOP_SET_DIRECT_IO, on ? 1 : 0, 'setting direct I/O of a loop device');
}

/** In the /dev of a container are the devices that there were when it began; the kernel has just made one more. */
function makeLoopNode(path: string, number: number): void {
  try {
    makeNode(cPath(fromText(path)), constants.S_IFBLK | 0o660, LOOP_MAJOR, number);
  } catch {
    // Whoever opens it says what is missing; or somebody else made it in the same moment.
  }
}

function openLoop(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (cause) {
    throw new ThawfsError('NOT_PERMITTED', `${path} cannot be opened`, { cause, detail: { path }, suggestion: 'Run as root, or use the tree back-end.' });
  }
}
