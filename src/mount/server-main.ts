/** Entry point of a server process: a thin ear for the supervisor's messages. */
import { recordOf, type FromServer, type ToServer } from './messages.js';
import { Server } from './server.js';

let server: Server | undefined;

function say(message: FromServer): void {
  process.send?.(message);
}

async function prepare({ plan, standby }: Extract<ToServer, { type: 'prepare' }>): Promise<void> {
  try {
    const loaded = await Server.load(plan, (path) => { say({ type: 'complete', path }); });
    server = loaded;
    if (!standby) loaded.serve(false);
    say({ type: 'ready' });
    await loaded.ended;
    // Only an unmounted or aborted file system ends a session.
    process.send?.({ type: 'unmounted' } satisfies FromServer, () => { process.exit(0); });
  } catch (error) {
    process.send?.({ type: 'failed', error: recordOf(error) } satisfies FromServer, () => { process.exit(1); });
  }
}

process.on('message', (message: ToServer) => {
  switch (message.type) {
    case 'prepare':
      void prepare(message);
      break;
    case 'take-over':
      server?.serve(true);
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
// The terminal's Ctrl-C reaches the whole group; who ends a mount is the supervisor's business. A lost supervisor ends nothing either.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => { if (server === undefined) process.exit(1); });
