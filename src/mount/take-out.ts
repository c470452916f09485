/** Taking a mount out of the tree, as the user that we are may do it. */
import type { ByteString } from '../bytes/byte-string.js';
import { unmountByProgram } from '../sys/fusermount.js';
import { needsMountProgram } from '../sys/identity.js';
import { unmount, unmountFlags } from '../sys/mount.js';

/**
 * @param lazy now, although it is in use; it ends with its last user
 * @throws MOUNT_BUSY, NOT_MOUNTED, NOT_PERMITTED
 */
export function takeOut(target: ByteString, lazy: boolean): void {
  if (needsMountProgram()) unmountByProgram(target, lazy);
  else unmount(target, unmountFlags.noFollow | (lazy ? unmountFlags.detach : 0));
}
