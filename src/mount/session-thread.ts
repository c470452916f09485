/** Entry point of the thread that answers FUSE requests. It is started early and waits, so that a standby takes over within milliseconds. */
import { writeSync } from 'node:fs';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { requestResend } from '../fuse/device.js';
import { Session } from '../fuse/session.js';
import { describe } from '../fuse/trace.js';
import { countersIn } from '../image/lazy-statistics.js';
import { BlockLog } from '../image/profile/block-log.js';
import { errnoOf } from './errno.js';
import { openLocalContent } from './local-content.js';
import { recordOf } from './messages.js';
import type { MountPlan } from './plan.js';
import { FUSE_DESCRIPTOR, SessionGate, VALID_SECONDS, type ThreadInput, type ThreadMessage } from './session-gate.js';

async function run({ words, counters, standby }: ThreadInput, port: MessagePort): Promise<void> {
  const plan = await new Promise<MountPlan>((resolve) => { port.once('message', resolve); });
  const post = (message: ThreadMessage): void => { port.postMessage(message); };
  const gate = new SessionGate(words);
  const log = new BlockLog();
  let serving = false;
  const content = await openLocalContent(plan, counters, {
    onTouch: (chunk) => { if (serving && !gate.isLocal) post({ type: 'touched', chunk }); },
    onRead: (offset, length) => { if (serving) for (const range of log.add(offset, length)) post({ type: 'read', ...range }); },
  }).catch((error: unknown) => { post({ type: 'failed', error: recordOf(error) }); });
  if (content === undefined) return;
  const session = new Session({
    fd: FUSE_DESCRIPTOR, fileSystem: content.fileSystem, validSeconds: VALID_SECONDS, errnoOf,
    defer: (request, missing) => { post({ type: 'deferred', request, missing: missing.chunks }); },
    interrupted: (unique) => { post({ type: 'interrupted', unique }); },
    busy: (busy) => { gate.mark(busy); },
    // A thread that never yields never flushes process.stderr.
    ...(plan.trace ? { trace: (request, outcome) => { writeSync(2, `${describe(request, outcome)}\n`); } } : {}),
  });
  post({ type: 'loaded' });
  if (standby) {
    session.rehearse(() => gate.isOpen);
    Object.assign(countersIn(counters), { memoryHits: 0, diskHits: 0 }); // Nobody asked.
  }
  const successor = gate.wait();
  serving = true;
  if (successor) requestResend(FUSE_DESCRIPTOR);
  session.serve();
  await content.close();
}

await run(workerData as ThreadInput, parentPort!);
