/** Where live mounts leave their control sockets and logs, and how they are found again. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { ThawfsError } from '../errors.js';
import { isMachineRoot, outerUid } from '../sys/identity.js';
import type { Answer } from './control-socket.js';
import { makeFolder } from '../sys/make-folder.js';
import { errorOf, type Question } from './messages.js';

/** @returns `/run/thawfs` for root, else a folder of the user's own. */
export function defaultRuntimeFolder(): string {
  if (isMachineRoot() && existsSync('/run')) return '/run/thawfs';
  const owned = process.env['XDG_RUNTIME_DIR'] ?? '';
  return owned.startsWith('/') && existsSync(owned) ? `${owned}/thawfs` : `/tmp/thawfs-${outerUid()}`;
}

/**
 * Makes the folder when it is missing. In one that somebody else made, as anybody can in /tmp, he would be asked instead of us.
 *
 * @throws NOT_PERMITTED when others can write there
 */
export function claimRuntimeFolder(folder: string): void {
  makeFolder(folder, 0o700);
  const { uid, mode } = statSync(folder);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new ThawfsError('NOT_PERMITTED', `${folder}: belongs to somebody else, or others can write there`, {
    detail: { folder, uid }, suggestion: 'Remove it, or set XDG_RUNTIME_DIR to a folder of your own.',
  });
}

export function socketPath({ runtimeFolder, id }: { readonly runtimeFolder: string; readonly id: string }): string {
  return `${runtimeFolder}/${id}.sock`;
}

export function logPath({ runtimeFolder, id }: { readonly runtimeFolder: string; readonly id: string }): string {
  return `${runtimeFolder}/${id}.log`;
}

/**
 * Asks a live mount.
 *
 * @throws NOT_MOUNTED when nobody listens any more, or the signal aborts; what the mount answers
 */
export function ask(socket: string, question: Question, signal?: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket, ...(signal === undefined ? {} : { signal }) });
    const parts: Buffer[] = [];
    connection.on('connect', () => { connection.write(`${JSON.stringify(question)}\n`); });
    connection.on('data', (data: Buffer) => { parts.push(data); });
    connection.on('error', (cause) => { reject(gone(socket, cause)); });
    connection.on('end', () => {
      try {
        const answer = JSON.parse(Buffer.concat(parts).toString()) as Answer;
        if (answer.error === undefined) resolve(answer.value);
        else reject(errorOf(answer.error));
      } catch (cause) {
        reject(gone(socket, cause));
      }
    });
  });
}

function gone(socket: string, cause: unknown): ThawfsError {
  return new ThawfsError('NOT_MOUNTED', `${socket}: nobody answers`, { cause, detail: { socket } });
}

/** @returns the control sockets of the folder, in the order of their names */
export function sockets(runtimeFolder: string): string[] {
  if (!existsSync(runtimeFolder)) return [];
  return readdirSync(runtimeFolder).filter((name) => name.endsWith('.sock')).sort().map((name) => `${runtimeFolder}/${name}`);
}

/** Removes what supervisors that were killed left behind: sockets that nobody listens on, and their logs. */
export async function removeStale(runtimeFolder: string): Promise<void> {
  await Promise.all(sockets(runtimeFolder).map(async (socket) => {
    if (await isAlive(socket)) return;
    rmSync(socket, { force: true });
    rmSync(socket.replace(/\.sock$/, '.log'), { force: true });
  }));
}

function isAlive(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on('connect', () => { connection.destroy(); resolve(true); });
    connection.on('error', () => { resolve(false); });
  });
}
