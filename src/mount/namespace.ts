/** Mount and user namespaces of our own, in which everybody may mount. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { fromErrno, ThawfsError } from '../errors.js';
import { isMachineRoot } from '../sys/identity.js';

/** Set inside, so that a command knows that it was started again. */
export const INSIDE = 'THAWFS_NAMESPACE';

/**
 * Starts the running command again in a new mount namespace, and for everybody but root in a new user namespace too, where
 * the user is root of what is mounted. Mounts made inside are seen by nobody else, and end with the last process inside.
 *
 * @returns its exit status; 128 and the signal's number when a signal ended it
 * @throws PATH_MISSING when unshare(1) is not installed, NOT_PERMITTED when it may not
 */
export async function runAgainInside(): Promise<number> {
  const namespace = ['--mount', '--propagation', 'private', ...(isMachineRoot() ? [] : ['--user', '--map-root-user'])];
  const status = await exitStatus('unshare', [...namespace, process.execPath, ...process.execArgv, ...process.argv.slice(1)], { ...process.env, [INSIDE]: '1' });
  // unshare(1) ends with 1 when it may not; so may the command.
  if (status === 1 && spawnSync('unshare', [...namespace, 'true'], { stdio: 'ignore' }).status !== 0) {
    throw new ThawfsError('NOT_PERMITTED', 'no namespace of our own to mount in', { suggestion: 'Let users make user namespaces: sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces; or run as root.' });
  }
  return status;
}

/** Runs a program on our terminal. @returns as {@link runAgainInside} */
export function exitStatus(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env, ...(cwd === undefined ? {} : { cwd }) });
    const forward = (signal: NodeJS.Signals): void => { child.kill(signal); };
    // A terminal sends Ctrl-C to the child too; what it makes of it is its business.
    const interrupt = hasTerminal() ? (): void => undefined : forward;
    process.on('SIGINT', interrupt).on('SIGTERM', forward).on('SIGHUP', forward);
    const restore = (): void => { process.off('SIGINT', interrupt).off('SIGTERM', forward).off('SIGHUP', forward); };
    child.once('error', (error) => { restore(); reject(fromErrno(error, `starting ${command}`)); });
    child.once('exit', (status, signal) => {
      restore();
      resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** Whether some terminal controls this process, and its children with it. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
