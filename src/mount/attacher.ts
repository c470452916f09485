/** Runs the attacher process for one call. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ThawfsError } from '../errors.js';
import type { LoopPair } from './block.js';
import { errorOf, type FromAttacher, type ToAttacher } from './messages.js';

const program = fileURLToPath(new URL('attacher-main.js', import.meta.url));

/**
 * @param mount a mount descriptor to pass on
 * @returns the loop devices that attaching made
 * @throws what the call threw; MOUNT_FAILED when the process was killed
 */
export function callAttacher(message: ToAttacher, mount?: number): Promise<LoopPair | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit', mount ?? 'ignore', 'ipc'] });
    let reply: FromAttacher | undefined;
    child.once('message', (message: FromAttacher) => { reply = message; });
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      if (reply === undefined) reject(new ThawfsError('MOUNT_FAILED', `the attaching process ended (${signal ?? status ?? '?'})`));
      else if (reply.type === 'done') resolve(reply.devices);
      else reject(errorOf(reply.error));
    });
    child.send(message, () => undefined);
  });
}
