/**
 * Entry point of the process that populates one layer. It holds a writable mount of the layer's overlay that nobody else sees, and lets
 * go of it when the mount has left the tree: with its last user the file system ends then.
 */
import { closeSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fromText } from '../bytes/byte-string.js';
import { hasCode } from '../errors.js';
import { cloneMount, setMountReadOnly } from '../sys/mount.js';
import { MountWatch } from '../sys/mount-watch.js';
import { CopyUp } from './copy-up.js';
import { LocalView } from './local-view.js';
import { recordOf, type FromPopulator, type PopulateOrder, type ToPopulator } from './messages.js';
import { layersIn, overlayPathIn, readMountTable, type MountEntry } from './mount-table.js';
import type { Scratch } from './scratch.js';

/** Milliseconds between two looks at what has arrived, which read all metadata each; and the share of a look's own time that it waits. */
const LEAST_PAUSE = 200, MOST_PAUSE = 5000;
const PAUSE_FACTOR = 4;

const say = (message: FromPopulator): Promise<void> => new Promise((resolve) => { if (process.connected) process.send!(message, () => { resolve(); }); else resolve(); });
const ended = new AbortController();
let news = (): void => undefined;
let untold = true;

/** Waits until something has arrived that no round has seen. */
async function arrival(): Promise<void> {
  if (!untold) await new Promise<void>((resolve) => { news = resolve; });
  untold = false;
}

async function populate({ view, directory, scratch, image }: PopulateOrder): Promise<void> {
  const mount = cloneMount(view);
  const watch = new MountWatch();
  try {
    setMountReadOnly(mount, false);
    await say({ type: 'ready' });
    untilOut(watch, directory, scratch).catch((error: unknown) => { console.error('populating:', error); ended.abort(); });
    await copyWhatArrives(new CopyUp({ view: `/proc/self/fd/${mount}`, upper: scratch.upper, onProgress: (status) => { void say({ type: 'progress', status }); } }), await LocalView.open(image));
  } catch (error) {
    await say({ type: 'failed', error: recordOf(error) });
    throw error;
  } finally {
    if (!ended.signal.aborted) await new Promise((resolve) => { ended.signal.addEventListener('abort', resolve, { once: true }); });
    closeSync(mount);
    rmSync(scratch.folder, { recursive: true, force: true });
  }
}

async function copyWhatArrives(copyUp: CopyUp, local: LocalView): Promise<void> {
  while (!ended.signal.aborted) {
    await arrival();
    const started = performance.now();
    const files = [...local.files()];
    const looked = performance.now() - started;
    await copyUp.run(files, ended.signal);
    await pause(Math.min(Math.max(LEAST_PAUSE, PAUSE_FACTOR * looked), MOST_PAUSE));
  }
}

async function pause(milliseconds: number): Promise<void> {
  await delay(milliseconds, undefined, { signal: ended.signal }).catch(() => undefined);
}

/** Ends populating when the layer is on the directory no more. Before it is there for the first time, it is not missed. */
async function untilOut(watch: MountWatch, directory: string, scratch: Scratch): Promise<void> {
  for (let seen = false; !ended.signal.aborted;) {
    const there = readMountTable().some((entry) => entry.target === directory && shows(entry, scratch));
    if (seen && !there) end();
    else {
      seen ||= there;
      await watch.changed();
    }
  }
}

/** Whether a mount is the layer's own overlay, or one of several layers of which it is one. */
function shows(entry: MountEntry, { folder, upper }: Scratch): boolean {
  return overlayPathIn(entry, 'upperdir') === fromText(upper) || layersIn(entry).some(({ id }) => id === basename(folder));
}

function end(): void {
  ended.abort();
  news();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('message', (message: ToPopulator) => {
  if (message.type === 'populate') {
    populate(message.order).catch((error: unknown) => { if (!hasCode(error, 'INTERRUPTED')) console.error('populating:', error); })
      // A thread waits in poll(2), which process.exit() would wait for.
      .finally(() => { process.kill(process.pid, 'SIGKILL'); });
  } else if (message.type === 'arrived') {
    untold = true;
    news();
  } else end();
});
// The supervisor has gone. After a hand-over the mount goes on, and with it the files that were copied; else it is taken out of the tree by hand.
process.on('disconnect', () => undefined);
