/** The process that populates a layer, as its supervisor sees it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ThawfsError } from '../errors.js';
import type { PopulateStatus } from './copy-up.js';
import { errorOf, type FromPopulator, type PopulateOrder, type ToPopulator } from './messages.js';

const program = fileURLToPath(new URL('populator-main.js', import.meta.url));

export class Populator {
  status: PopulateStatus = { state: 'waiting', files: 0, bytes: 0 };
  private readonly gone: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    this.gone = new Promise((resolve) => child.once('exit', () => { resolve(); }));
  }

  /** @returns when it holds the view @throws what taking hold of it throws; MOUNT_FAILED when it dies before */
  static start(order: PopulateOrder): Promise<Populator> {
    const child = spawn(process.execPath, ['--max-semi-space-size=2', program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const populator = new Populator(child);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => { reject(new ThawfsError('MOUNT_FAILED', 'the populating process ended')); });
      child.on('message', (message: FromPopulator) => {
        if (message.type === 'ready') resolve(populator);
        else if (message.type === 'progress') populator.status = message.status;
        else reject(errorOf(message.error));
      });
      populator.say({ type: 'populate', order });
    });
  }

  /** Something was fetched. */
  arrived(): void {
    this.say({ type: 'arrived' });
  }

  /** @returns when it has let go, and its copies are removed */
  async end(): Promise<void> {
    this.say({ type: 'end' });
    await this.gone;
  }

  private say(message: ToPopulator): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }
}
