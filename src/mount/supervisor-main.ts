/** Entry point of the supervisor: a server is started before everything else, then the rest is loaded while it loads, and the front gives the plan. */
import { startAhead } from './ahead.js';
import { recordOf, type FrontMessage, type SupervisorReply } from './messages.js';

const order = new Promise<FrontMessage>((resolve) => process.once('message', resolve));
const withoutOrder = (): void => { process.exit(); };
process.once('disconnect', withoutOrder);
if (!process.connected) withoutOrder(); // The front ended while this was loading.
const ahead = startAhead();
const { Supervisor } = await import('./supervisor.js');
const message = await order;
process.off('disconnect', withoutOrder);
if (message.type === 'mount') {
  try {
    await new Supervisor(message.plan, ahead).run();
  } catch (error) {
    ahead?.server.kill();
    await ahead?.server.gone;
    process.send?.({ type: 'failed', error: recordOf(error) } satisfies SupervisorReply, () => { process.exit(1); });
  }
}
