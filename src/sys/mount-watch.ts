/** Waiting for the table of mounts to change, without looking at it again and again. */
import { closeSync, openSync } from 'node:fs';
import { asyncLibcFunction } from './libc.js';
import { noLibc } from './system-error.js';

const POLLPRI = 2;
/** struct pollfd: int fd, short events, short revents. */
const POLLFD_SIZE = 8;

const poll = asyncLibcFunction('int poll(void *descriptors, unsigned long count, int timeout)');

/** A descriptor that the kernel marks whenever a mount comes or goes in this namespace (proc_pid_mountinfo(5)). */
export class MountWatch {
  private readonly fd = openSync('/proc/self/mountinfo', 'r');

  /**
   * Takes a thread of libuv's pool until then; a process that waits here cannot end by process.exit().
   *
   * @returns when the table has changed since the last call, or since it was opened; also after a signal
   */
  async changed(): Promise<void> {
    if (poll === undefined) throw noLibc('poll');
    const descriptor = new DataView(new ArrayBuffer(POLLFD_SIZE));
    descriptor.setInt32(0, this.fd, true);
    descriptor.setInt16(4, POLLPRI, true);
    const bytes = new Uint8Array(descriptor.buffer);
    await poll(bytes, 1, -1);
    bytes.fill(0); // Referenced until here: the kernel writes to it.
  }

  close(): void {
    closeSync(this.fd);
  }
}
