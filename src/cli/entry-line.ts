/** One file of an image as `ls -l` shows it. */
import type { Entry } from '../image/list.js';
import type { NodeKind } from '../model/tree.js';
import { utc } from './report.js';

const kindLetters: Readonly<Record<NodeKind, string>> = {
  'file': '-', 'directory': 'd', 'symlink': 'l', 'character-device': 'c', 'block-device': 'b', 'fifo': 'p', 'socket': 's',
};

/** @returns `-rwxr-xr-x`, with the letters of setuid, setgid and sticky. */
export function modeText(kind: NodeKind, permissions: number): string {
  const triple = (shift: number, special: boolean, letter: string): string => {
    const bits = permissions >> shift;
    const execute = (bits & 1) !== 0;
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`;
  };
  return kindLetters[kind] + triple(6, (permissions & 0o4000) !== 0, 's') + triple(3, (permissions & 0o2000) !== 0, 's') + triple(0, (permissions & 0o1000) !== 0, 't');
}

/** @returns the cells of a line: mode, links, owner, group, size or device numbers, time in UTC, name with a symlink's target. */
export function entryCells({ kind, permissions, links, uid, gid, size, device, mtimeSeconds, path, target }: Entry): string[] {
  return [
    modeText(kind, permissions), String(links), String(uid), String(gid),
    device === undefined ? String(size) : `${device.major}, ${device.minor}`,
    utc(mtimeSeconds), target === undefined ? path : `${path} -> ${target}`,
  ];
}

/** Columns of {@link entryCells} that are numbers. */
export const entryNumberColumns = [1, 2, 3, 4];
