/** Entry point of a server process: a thin ear for the supervisor's messages. */
import { recordOf, type FromServer, type ToServer } from './messages.js';
import { Server } from './server.js';

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

async function prepare({ plan, standby }: Extract<ToServer, { type: 'prepare' }>): Promise<void> {
  try {
    const started = new Server(plan, { complete: (path) => { say({ type: 'complete', path }); }, arrived: () => { say({ type: 'arrived' }); } }, !standby);
    server = started;
    await started.ready;
    // Nobody waits for a standby's other half yet. Of the first server, the command that mounts wants to hear whether it can work.
    if (!standby) {
      await started.fetching;
      serve(started, false);
    }
    say({ type: 'ready' });
    const fetching = await started.fetching;
    await started.ended;
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
      void prepare(message);
      break;
    case 'take-over':
      if (server !== undefined) serve(server, true);
      break;
    case 'ping':
      say({ type: 'pong', stuck: server?.isStuck(performance.now()) ?? false });
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
