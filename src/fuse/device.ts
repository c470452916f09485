/** The FUSE device: opening it, the INIT conversation, and the notification that a new server sends first. */
import { constants, openSync, readSync, writeSync } from 'node:fs';
import { ThawfsError, fromErrno } from '../errors.js';
import {
  FUSE_MAJOR, FUSE_MINOR, FUSE_MINOR_LEAST, initFlags, initFlags2, initReply, initRequest, notifications, replyHeader, requestHeader,
} from '../format/fuse.js';
import { INIT } from './opcodes.js';

/** The kernel demands at least 8 KiB (FUSE_MIN_READ_BUFFER); requests that we answer are far smaller. */
export const REQUEST_BUFFER_SIZE = 16 * 1024;

/**
 * @returns a descriptor, closed on exec unless it is passed on by stdio
 * @throws NO_FUSE_DEVICE when there is none or it may not be opened
 */
export function openFuseDevice(path = '/dev/fuse'): number {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (cause) {
    const { code: errno = '' } = cause as NodeJS.ErrnoException;
    throw new ThawfsError('NO_FUSE_DEVICE', `${path} cannot be opened: ${errno}`, {
      cause, detail: { path, errno },
      suggestion: errno === 'EACCES' ? `Let users open the device (chmod 666 ${path}), or mount as root.` : 'Load the module (modprobe fuse), and in a container pass the device in (--device /dev/fuse).',
    });
  }
}

/** What the two sides agreed upon. */
export interface Agreement {
  /** Protocol minor of the kernel. */
  readonly minor: number;
  /** Whether a new server can ask for everything that its predecessor left unanswered. */
  readonly resend: boolean;
}

export interface InitWishes {
  /** The kernel itself checks POSIX ACLs (needs the `default_permissions` mount option). */
  readonly posixAcl: boolean;
  /** Bytes of read-ahead per file; root can raise the bdi's own limit afterwards. */
  readonly maxReadahead: number;
}

/**
 * Answers INIT, which the kernel sends first on a fresh mount. Blocks until it is there, which is at once.
 *
 * @throws VERSION_UNSUPPORTED for a kernel older than 7.31 (Linux 5.4)
 */
export function initialise(fd: number, wishes: InitWishes): Agreement {
  const buffer = new Uint8Array(REQUEST_BUFFER_SIZE);
  const received = readDevice(fd, buffer);
  const header = requestHeader.decode(buffer.subarray(0, received));
  if (header.opcode !== INIT) throw new ThawfsError('MOUNT_FAILED', `FUSE: the first request has opcode ${header.opcode}, expected INIT`);
  const offer = initRequest.decode(withRoom(buffer.subarray(requestHeader.size, received), initRequest.size));
  if (offer.major !== FUSE_MAJOR || offer.minor < FUSE_MINOR_LEAST) {
    throw new ThawfsError('VERSION_UNSUPPORTED', `FUSE: the kernel speaks ${offer.major}.${offer.minor}, at least 7.${FUSE_MINOR_LEAST} is needed`, {
      detail: { major: offer.major, minor: offer.minor }, suggestion: 'Use Linux 5.4 or newer.',
    });
  }
  let flags = 0;
  for (const [name, bit] of Object.entries(initFlags)) {
    if (name !== 'POSIX_ACL' || wishes.posixAcl) flags |= offer.flags & bit;
  }
  const flags2 = flags & initFlags.INIT_EXT ? offer.flags2 & initFlags2.HAS_RESEND : 0;
  const reply = new Uint8Array(replyHeader.size + initReply.size);
  replyHeader.encode({ length: reply.length, unique: header.unique }, reply);
  initReply.encode({
    major: FUSE_MAJOR, minor: Math.min(FUSE_MINOR, offer.minor), flags: flags >>> 0, flags2,
    maxReadahead: Math.min(wishes.maxReadahead, offer.maxReadahead), maxBackground: 64, congestionThreshold: 48,
    maxWrite: 4096, timeGranularity: 1, maxPages: 256,
  }, reply, replyHeader.size);
  writeSync(fd, reply);
  return { minor: offer.minor, resend: flags2 !== 0 };
}

/** Asks the kernel to deliver again what no server has answered. Only when every earlier server is completely dead. */
export function requestResend(fd: number): void {
  writeSync(fd, replyHeader.encode({ length: replyHeader.size, error: notifications.RESEND, unique: 0n }));
}

function readDevice(fd: number, buffer: Uint8Array): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    throw fromErrno(error, 'reading the FUSE device');
  }
}

/** Older kernels send a shorter record: the fields that are missing are zero. */
function withRoom(bytes: Uint8Array, size: number): Uint8Array {
  const whole = new Uint8Array(size);
  whole.set(bytes.subarray(0, size));
  return whole;
}
