/** Mount and user namespaces of our own, in which everybody may mount. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fromErrno } from '../errors.js';
import { isMachineRoot } from '../sys/identity.js';

/** Set inside, so that a command knows that it was started again. */
export const INSIDE = 'THAWFS_NAMESPACE';

/**
 * Starts the running command again in a new mount namespace, and for everybody but root in a new user namespace too, where
 * the user is root of what is mounted. Mounts made inside are seen by nobody else, and end with the last process inside.
 *
 * @returns its exit status; 128 and the signal's number when a signal ended it
 * @throws PATH_MISSING when unshare(1) is not installed
 */
export function runAgainInside(): Promise<number> {
  const program = ['--mount', '--propagation', 'private', ...(isMachineRoot() ? [] : ['--user', '--map-root-user']), process.execPath, ...process.execArgv, ...withoutJson(process.argv.slice(1))];
  return exitStatus('unshare', program, { ...process.env, [INSIDE]: '1' });
}

/** The outer command reports; two reports would be no JSON. */
function withoutJson(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.filter((argument, i) => argument !== '--json' || (end >= 0 && i > end));
}

/** Runs a program on our terminal. @returns as {@link runAgainInside} */
export function exitStatus(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env, ...(cwd === undefined ? {} : { cwd }) });
    // The terminal sends Ctrl-C to the child too; what it makes of it is its business.
    const forward = (signal: NodeJS.Signals): void => { child.kill(signal); };
    const ignore = (): void => undefined;
    process.on('SIGINT', ignore).on('SIGTERM', forward).on('SIGHUP', forward);
    const restore = (): void => { process.off('SIGINT', ignore).off('SIGTERM', forward).off('SIGHUP', forward); };
    child.once('error', (error) => { restore(); reject(fromErrno(error, `starting ${command}`)); });
    child.once('exit', (status, signal) => {
      restore();
      resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
