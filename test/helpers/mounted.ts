/** Mounts for tests, taken down whatever happens, and a look at what they leave behind. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../../src/errors.js';
import { settle, startMount } from '../../src/mount/start-mount.js';
import type { ImagePlan, MountPlan, RawPlan } from '../../src/mount/plan.js';
import { ask } from '../../src/mount/runtime-folder.js';

let counter = 0;

export interface Mounted {
  readonly directory: string;
  readonly plan: MountPlan;
  /** What the mount says of itself; waits while a server is being replaced. */
  status(): Promise<MountStatus>;
  /** Completes the image; returns when that is done, a hand-over not waited for. */
  fill(): Promise<void>;
  /** Plain umount(8), then waits until the supervisor is gone. */
  unmount(): Promise<void>;
}

/** The parts of a status that tests look at. */
export interface MountStatus {
  readonly supervisor: number;
  readonly server: number;
  readonly standbys: readonly number[];
  readonly replaced: number;
  readonly [fact: string]: unknown;
}

/** @param folder a temporary folder of the test's own */
export async function mountForTest(folder: string, content: RawPlan | ImagePlan, overrides: Partial<MountPlan> = {}): Promise<Mounted> {
  const id = `test-${process.pid}-${counter++}`;
  const directory = `${folder}/mounted-${id}`;
  mkdirSync(directory);
  const plan: MountPlan = {
    id, backend: 'block', target: directory, directory, content, squash: false, runtimeFolder: `${folder}/run`, watchdog: 5000, trace: false, foreground: false, ...overrides,
  };
  settle(await startMount(plan));
  const socket = `${folder}/run/${id}.sock`;
  return {
    directory, plan,
    status: async () => {
      for (let tries = 0; tries < 1000; tries++) {
        const status = await ask(socket, { command: 'status' }).catch((error: unknown) => {
          if (hasCode(error, 'MOUNT_FAILED')) return undefined; // it died while it was asked
          throw error;
        }) as MountStatus | undefined;
        if (status?.['state'] === 'served') return status;
        await delay(5);
      }
      throw new Error('waited in vain for a server');
    },
    fill: async () => { await ask(socket, { command: 'fill' }); },
    unmount: async () => {
      const { supervisor } = await ask(socket, { command: 'status' }) as MountStatus;
      execFileSync('umount', [directory]);
      await until(() => !existsSync(socket) && !existsSync(`/proc/${supervisor}`), 'the supervisor is gone');
    },
  };
}

/** Waits for a condition. @throws after ten seconds */
export async function until(holds: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(10);
  }
}

/** Takes down everything below a folder, by force: for the end of a test, after whatever happened in it. */
export function tearDown(folder: string): void {
  for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
  const targets = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(folder));
  for (const target of targets.reverse()) spawnSync('umount', ['-l', target]);
}

/** What a mount below `folder` may leave: mounts, and loop devices of ours with that run's label. */
export function leftovers(folder: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').filter((line) => line.includes(folder));
  const loops = execFileSync('losetup', ['-l', '-n', '-O', 'NAME,BACK-FILE,AUTOCLEAR'], { encoding: 'latin1' }).split('\n').filter((line) => / \/image( |$)/.test(line));
  return [...mounts, ...loops, ...processesOf(folder).map((pid) => `process ${pid}`)];
}

/** Supervisors, servers and attachers know their plan only by message, so they are found by the log or socket they hold open. */
function processesOf(folder: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/src/mount/') && readdirSync(`/proc/${pid}/fd`)
        .some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder));
    } catch {
      return false;
    }
  });
}
