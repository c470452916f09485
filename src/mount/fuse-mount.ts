/** The FUSE mount under a plan. Root makes it out of sight and places it when somebody serves; what fusermount3 mounts for others is in its place at once. */
import { closeSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.js';
import { initialise, openFuseDevice } from '../fuse/device.js';
import { mountByProgram } from '../sys/fusermount.js';
import { needsMountProgram } from '../sys/identity.js';
import { createMount, mountAttributes, placeMount } from '../sys/mount.js';
import { MiB } from '../units.js';
import { treeSourceOf } from './mount-table.js';
import type { MountPlan } from './plan.js';
import { takeOut } from './take-out.js';

export class FuseMount {
  /** @param detached the mount without a place; undefined when it has one @param device of FUSE, which servers inherit */
  private constructor(private readonly plan: MountPlan, readonly device: number, readonly detached: number | undefined) {}

  /**
   * Mounts, and speaks with the kernel until it sends requests.
   *
   * @param opened the device, for who mounts without a program
   * @throws NO_FUSE_DEVICE, NOT_PERMITTED, TOOL_MISSING, MOUNT_FAILED, VERSION_UNSUPPORTED
   */
  static open(plan: MountPlan, opened?: number): FuseMount {
    const byProgram = needsMountProgram();
    const device = byProgram ? mountByProgram(plan.target, ['ro', 'nosuid', 'nodev', ...((plan.attributes & mountAttributes.noExec) === 0 ? [] : ['noexec']), 'default_permissions', `fsname=${treeSourceOf(plan.id)}`, 'subtype=thawfs', `max_read=${MiB}`]) : opened ?? openFuseDevice();
    const fuse = new FuseMount(plan, device, byProgram ? undefined : create(plan, device));
    try {
      initialise(device, { posixAcl: plan.backend === 'tree', maxReadahead: MiB });
    } catch (error) {
      fuse.withdraw();
      throw error;
    }
    return fuse;
  }

  /** From here on the mount lives by its users: the place in the tree, open files. */
  place(): void {
    if (this.detached === undefined) return;
    try {
      placeMount(this.detached, this.plan.target);
    } finally {
      closeSync(this.detached);
    }
  }

  /** The same file system on one more place. @throws NOT_PERMITTED for who mounts by fusermount3 */
  placeAgain(target: ByteString): void {
    const mount = create(this.plan, this.device);
    try {
      placeMount(mount, target);
    } finally {
      closeSync(mount);
    }
  }

  /** Nobody will serve it: what is in the tree already goes. */
  withdraw(): void {
    if (this.detached === undefined) takeOut(this.plan.target, true);
  }
}

function create(plan: MountPlan, device: number): number {
  const tree = plan.backend === 'tree';
  return createMount('fuse', {
    flags: ['ro', ...(tree ? ['default_permissions', 'allow_other'] : [])],
    strings: [
      ['source', treeSourceOf(plan.id)], ['subtype', 'thawfs'], ['fd', String(device)], ['rootmode', '40000'],
      ['user_id', String(process.getuid?.() ?? 0)], ['group_id', String(process.getgid?.() ?? 0)], ['max_read', String(MiB)],
    ],
    attributes: mountAttributes.readOnly | (tree ? mountAttributes.noDevices | mountAttributes.noSetuid | plan.attributes : mountAttributes.noExec),
  });
}
