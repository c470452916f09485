/** Entry point of a server process: a thin ear for the supervisor's messages. */
import { redirectOutput } from '../sys/redirect.js';
import '../sys/wasm-tiering.js';
import { recordOf, type FromServer, type ServerRank, type ToServer } from './messages.js';
import type { MountPlan } from './plan.js';
import { logPath } from './runtime-folder.js';
import { Server } from './server.js';
import { ServingThread } from './serving-thread.js';

const first = process.argv[2] === ('first' satisfies ServerRank);
// What takes time is done before there is a plan.
const thread = new ServingThread(!first);
if (first) void import('./fetching.js');

let server: Server | undefined;
let serving = false;

/**
 * Ends the process at once. Not by process.exit(): that stops threads wherever they are, and one that is stopped inside libzstd
 * takes the process down with an abort and a core dump. There is nothing to clean up.
 */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

function say(message: FromServer): void {
  process.send?.(message);
}

async function prepare(plan: MountPlan): Promise<void> {
  try {
    if (first && !plan.foreground) redirectOutput(logPath(plan)); // It was started before its supervisor printed there.
    const opened = new Server(plan, thread, { complete: (path) => { say({ type: 'complete', path }); }, arrived: () => { say({ type: 'arrived' }); } }, first);
    server = opened;
    await opened.ready;
    // Nobody waits for a standby's other half yet. Of the first server, the command that mounts wants to hear whether it can work.
    if (first) {
      await opened.fetching;
      serve(opened, false);
    }
    say({ type: 'ready' });
    const fetching = await opened.fetching;
    await thread.ended;
    fetching.finish();
    // Only an unmounted or aborted file system ends a session.
    process.send?.({ type: 'unmounted' } satisfies FromServer, () => { end(); });
  } catch (error) {
    process.send?.({ type: 'failed', error: recordOf(error) } satisfies FromServer, () => { end(); });
  }
}

function serve(loaded: Server, successor: boolean): void {
  serving = true;
  loaded.serve(successor);
}

process.on('message', (message: ToServer) => {
  switch (message.type) {
    case 'prepare':
      void prepare(message.plan);
      break;
    case 'take-over':
      if (server !== undefined) serve(server, true);
      break;
    case 'ping':
      say({ type: 'pong', stuck: server?.isStuck(performance.now()) ?? false, handled: thread.gate.handled });
      break;
    case 'ask':
      Promise.resolve().then(() => server?.answer(message.question)).then(
        (value) => { say({ type: 'answer', id: message.id, value }); },
        (error: unknown) => { say({ type: 'answer', id: message.id, error: recordOf(error) }); },
      );
      break;
  }
});
// The terminal's Ctrl-C reaches the whole group; who ends a mount is the supervisor's business. A lost supervisor does not end the one that serves.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('uncaughtException', (error) => {
  console.error(error);
  end();
});
// Without a supervisor a standby will never be called, and what holds the device for nothing keeps readers waiting when the server dies.
process.on('disconnect', () => { if (!serving) end(); });
if (!process.connected) end(); // It was lost while this was loading.
