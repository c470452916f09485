/** Supervisors that load while their front still finds out what to mount. They end with their front, until it lets them go. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('supervisor-main.js', import.meta.url));

let spare: ChildProcess | undefined;

/** Starts the one that {@link loadSupervisor} will return, for who knows early that there will be a mount. It does not keep this process from ending. */
export function anticipateMount(): void {
  spare ??= start();
  spare.unref();
  spare.channel?.unref();
}

/** @returns a supervisor without a plan; one that is not needed is killed by the caller */
export function loadSupervisor(): ChildProcess {
  const supervisor = spare ?? start();
  spare = undefined;
  supervisor.ref();
  supervisor.channel?.ref();
  return supervisor;
}

function start(): ChildProcess {
  const supervisor = spawn(process.execPath, [program], { stdio: ['ignore', 2, 2, 'ipc'], detached: true, cwd: '/' });
  supervisor.on('error', () => undefined); // The failed start shows when it is given its plan.
  return supervisor;
}
