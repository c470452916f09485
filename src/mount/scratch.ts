/** Folders that files of a mount are copied up to, one for each layer; they live as long as the mount. */
import { readdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import type { ByteString } from '../bytes/byte-string.js';
import { sockets } from './runtime-folder.js';

export interface Scratch {
  readonly folder: string;
  readonly upper: string;
  readonly work: string;
}

/** @param cache folder of the chunk store @param id of the layer's mount */
export function scratchOf(cache: string, id: string): Scratch {
  const folder = `${cache}/populated/${id}`;
  return { folder, upper: `${folder}/upper`, work: `${folder}/work` };
}

/** @returns whether an overlay's upper directory is one of ours, and not the user's */
export function isScratch(upper: ByteString): boolean {
  return /\/populated\/[^/]+\/upper$/.test(upper);
}

/** Removes what mounts left whose processes were killed, and of which removeStale() has taken the sockets. */
export function removeStaleScratch(cache: string, runtimeFolder: string): void {
  const living = new Set(sockets(runtimeFolder).map((socket) => basename(socket, '.sock')));
  for (const id of listed(`${cache}/populated`)) if (!living.has(id)) rmSync(scratchOf(cache, id).folder, { recursive: true, force: true });
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // There never was one.
  }
}
