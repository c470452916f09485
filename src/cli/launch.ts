/** The way into the program. What a mount waits for longest are the processes that stay behind it: they start before the program itself is loaded. */
import { anticipateMount } from '../mount/load-supervisor.js';
import { INSIDE } from '../mount/namespace.js';

/** As `start`: its arguments, its status. */
export async function launch(argv: readonly string[], root: string): Promise<number> {
  if (willMount(argv)) anticipateMount();
  const { start } = await import('./start.js');
  return start(argv, root);
}

/** Most likely: should it turn out otherwise, what was started ends with this process. */
function willMount([command, ...rest]: readonly string[]): boolean {
  if (command === 'run') return process.env[INSIDE] !== undefined;
  return command === 'mount' && rest.length > 1 && !rest.includes('--help');
}
