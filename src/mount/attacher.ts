/** The attacher process as its callers see it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ThawfsError } from '../errors.js';
import type { LoopPair } from './block.js';
import { errorOf, type FromAttacher, type ToAttacher } from './messages.js';

const program = fileURLToPath(new URL('attacher-main.js', import.meta.url));

/** The process, started before it is needed: it loads meanwhile. It makes one call, or none. */
export class Attacher {
  private readonly child: ChildProcess;
  private reply: FromAttacher | undefined;
  private readonly exited: Promise<{ readonly status: number | null; readonly signal: NodeJS.Signals | null }>;

  /** @param mount a mount descriptor to pass on */
  constructor(mount?: number) {
    this.child = spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit', mount ?? 'ignore', 'ipc'] });
    this.child.once('message', (message: FromAttacher) => { this.reply = message; });
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (status, signal) => { resolve({ status, signal }); });
      this.child.once('error', () => { resolve({ status: null, signal: null }); });
    });
  }

  /**
   * @returns the loop devices that attaching made
   * @throws what the call threw; MOUNT_FAILED when the process was killed, or could not be started
   */
  async call(message: ToAttacher): Promise<LoopPair | undefined> {
    this.child.send(message, () => undefined);
    const { status, signal } = await this.exited;
    if (this.reply === undefined) throw new ThawfsError('MOUNT_FAILED', `the attaching process ended (${signal ?? status ?? '?'})`);
    if (this.reply.type === 'failed') throw errorOf(this.reply.error);
    return this.reply.devices;
  }

  /** Without a call, or whatever becomes of it. @returns when the process is gone */
  async dismiss(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    await this.exited;
  }
}

/** As {@link Attacher.call}, in a process that is started now. */
export function callAttacher(message: ToAttacher): Promise<LoopPair | undefined> {
  return new Attacher().call(message);
}
