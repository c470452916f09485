/** Mounts for tests, taken down whatever happens, and a look at what they leave behind. */
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasCode } from '../../src/errors.js';
import { loadSupervisor } from '../../src/mount/load-supervisor.js';
import { settle, startMount } from '../../src/mount/start-mount.js';
import type { ImagePlan, MountPlan, RawPlan } from '../../src/mount/plan.js';
import { ask } from '../../src/mount/runtime-folder.js';
import { mountStatus } from '../../src/mount/status.js';
import { libcFunction } from '../../src/sys/libc.js';
import { isRunning } from '../../src/sys/process.js';

/** Milliseconds after which a condition is not waited for any more: long, for loaded machines. */
const PATIENCE = 60_000;
const run = promisify(execFile);

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
  const id = `${basename(folder)}-${counter++}`;
  const directory = `${folder}/mounted-${id}`;
  mkdirSync(directory);
  const plan: MountPlan = {
    id, backend: 'block', target: directory, directory, content, squash: false, attributes: 0, runtimeFolder: `${folder}/run`, watchdog: PATIENCE, trace: false, foreground: false, ...overrides,
  };
  const supervisor = loadSupervisor();
  await startMount(supervisor, plan);
  settle(supervisor);
  const socket = `${folder}/run/${id}.sock`;
  return {
    directory, plan,
    status: async () => {
      let status: MountStatus | undefined;
      await until(async () => {
        status = await ask(socket, { command: 'status' }).catch((error: unknown) => {
          if (hasCode(error, 'MOUNT_FAILED')) return undefined; // it died while it was asked
          throw error;
        }) as MountStatus | undefined;
        return status?.['state'] === 'served';
      }, 'a server answers');
      return status!;
    },
    fill: async () => { await ask(socket, { command: 'fill' }); },
    unmount: async () => {
      const { supervisor } = await ask(socket, { command: 'status' }) as MountStatus;
      await run('umount', [directory]); // this process may be the origin: it must go on answering
      await until(() => !existsSync(socket) && !isRunning(supervisor), 'the supervisor is gone');
    },
  };
}

/** What is mounted on one directory: {@link mountStatus} also lists what other tests have mounted. */
export async function statusOf(directory: string, runtimeFolder: string): Promise<Awaited<ReturnType<typeof mountStatus>>> {
  return (await mountStatus(runtimeFolder)).filter(({ target }) => target === directory);
}

/** Waits for a condition. @throws after a minute */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (!await holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(10);
  }
}

/** Takes down everything below a folder, by force: for the end of a test, after whatever happened in it. */
export function tearDown(folder: string): void {
  for (const pid of processesOf(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  const targets = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(folder));
  for (const target of targets.reverse()) spawnSync('umount', ['-l', target]);
}

/** Waits until no mount, loop device or process of `folder` is left: some end a moment after what held them. */
export async function untilNothingLeft(folder: string): Promise<void> {
  await until(() => leftovers(folder).length === 0, 'nothing is left').catch((error: unknown) => { throw new Error(`left: ${leftovers(folder).join(', ')}`, { cause: error }); });
}

/** What a mount below `folder` may leave. */
export function leftovers(folder: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').filter((line) => line.includes(folder));
  return [...mounts, ...loopsOf(folder), ...processesOf(folder).map((pid) => `process ${pid}`)];
}

const LOOP_GET_STATUS64 = 0x4c05;
const ioctl = libcFunction('int ioctl(int fd, unsigned long request, void *argument)');

/** Inner loop devices, by their label: other tests have theirs at the same time. The ids of all mounts begin with the folder's name. */
function loopsOf(folder: string): string[] {
  return readdirSync('/sys/block').filter((name) => name.startsWith('loop')).filter((name) => {
    try {
      if (readFileSync(`/sys/block/${name}/loop/backing_file`, 'latin1').trim() !== '/image') return false;
      const fd = openSync(`/dev/${name}`, 'r');
      const info = Buffer.alloc(232); // struct loop_info64; lo_file_name is at 56
      ioctl?.(fd, LOOP_GET_STATUS64, info);
      closeSync(fd);
      return info.toString('latin1', 56, 120).includes(basename(folder));
    } catch {
      return false; // It has just gone.
    }
  });
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
