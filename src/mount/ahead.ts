/** What a supervisor starts before it knows what to mount, because it takes longest: the first server, which needs no more than the FUSE device to load. */
import { openFuseDevice } from '../fuse/device.js';
import { needsMountProgram } from '../sys/identity.js';
import { ServerProcess } from './server-process.js';

export interface Ahead {
  /** Of FUSE, not mounted yet. */
  readonly device: number;
  readonly server: ServerProcess;
}

/** @returns undefined where this user cannot open the device, or a program opens it for him: then the server starts when it is mounted */
export function startAhead(): Ahead | undefined {
  if (needsMountProgram()) return undefined;
  try {
    const device = openFuseDevice();
    return { device, server: new ServerProcess(device, 'first') };
  } catch {
    return undefined; // Whoever mounts meets the same failure, and says it.
  }
}
