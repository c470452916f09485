/** What a mount forbids beyond writing, in the words of mount(8). */
import { mountAttributes } from '../sys/mount.js';
import type { MountEntry } from './mount-table.js';

const attributes = { nosuid: mountAttributes.noSetuid, nodev: mountAttributes.noDevices, noexec: mountAttributes.noExec } as const;

export type Restriction = keyof typeof attributes;
export const restrictions = Object.keys(attributes) as readonly Restriction[];

/** @returns {@link mountAttributes}, or-ed */
export function attributesOf(wanted: readonly Restriction[]): number {
  return wanted.reduce((sum, restriction) => sum | attributes[restriction], 0);
}

/** @returns what was asked for when a mount of ours was made; a tree of ours has neither setuid programs nor devices in any case */
export function restrictionsOf({ type, flags }: MountEntry): Restriction[] {
  return restrictions.filter((restriction) => flags.includes(restriction) && (type !== 'fuse.thawfs' || restriction === 'noexec'));
}
