/**
 * A file that appears under its name only when it is whole. It is written as `.NAME.PID.partial` beside its final place and
 * renamed; what a killed process left is removed by the next run that writes the same name.
 *
 * No fsync: a power cut may leave a torn file, and every byte of an image is checked against a digest when it is read.
 */
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromErrno, ifErrno, ThawfsError } from '../errors.js';
import { isRunning } from '../sys/process.js';

export class OutputFile {
  private open = true;

  private constructor(readonly path: string, readonly temporaryPath: string, readonly fd: number) {}

  /**
   * @param path final name; an existing regular file is replaced on {@link commit}, anything else is refused
   * @param inputs paths, or what may be some, of what is read: none of these files is replaced
   * @throws BAD_ARGUMENT when `path` is a directory, a device or an input, or `-`, which elsewhere is standard output; PATH_MISSING, NOT_PERMITTED, NO_SPACE
   */
  static create(path: string, inputs: readonly string[] = []): OutputFile {
    if (path === '-') throw new ThawfsError('BAD_ARGUMENT', '-: this is written to a file, not to standard output', { suggestion: 'Name a file; one of that name is ./-' });
    if (path === '') throw new ThawfsError('BAD_ARGUMENT', 'the file to write has no name', { suggestion: 'Name a file.' });
    try {
      demandReplaceable(path);
      demandOther(path, inputs);
      removeStale(path);
      const temporaryPath = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
      return new OutputFile(path, temporaryPath, openSync(temporaryPath, 'w+', 0o644));
    } catch (error) {
      throw fromErrno(error, `creating ${path}`);
    }
  }

  /** Closes the file and gives it its name. */
  commit(): void {
    try {
      this.close();
      renameSync(this.temporaryPath, this.path);
    } catch (error) {
      throw fromErrno(error, `writing ${this.path}`);
    }
  }

  /** Closes and removes the file; nothing after {@link commit}. */
  discard(): void {
    this.close();
    rmSync(this.temporaryPath, { force: true });
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.fd);
  }
}

/**
 * Runs `write` on a new file: committed when it returns, discarded when it throws.
 *
 * @param inputs as for {@link OutputFile.create}
 * @returns what `write` returns
 */
export async function writeOutput<T>(path: string, write: (file: OutputFile) => Promise<T>, inputs: readonly string[] = []): Promise<T> {
  const file = OutputFile.create(path, inputs);
  try {
    const result = await write(file);
    file.commit();
    return result;
  } catch (error) {
    throw ifErrno(error, `writing ${path}`);
  } finally {
    file.discard();
  }
}

/**
 * Files get their names by renaming, which would put a file in the place of `/dev/stdout` of this machine: a link to whatever is open in the process that asks.
 *
 * @throws BAD_ARGUMENT for what is there and no regular file, and for such a link
 */
export function demandReplaceable(path: string): void {
  const isOfProcess = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true && /^\/(proc|dev)\//.test(readlinkSync(path));
  if (isOfProcess || (existsSync(path) && !statSync(path).isFile())) {
    throw new ThawfsError('BAD_ARGUMENT', `${path}: is not a regular file`, { detail: { path }, suggestion: 'Name a file to write.' });
  }
}

function demandOther(path: string, inputs: readonly string[]): void {
  const output = fileAt(path);
  if (output === undefined || !inputs.some((input) => fileAt(input) === output)) return;
  throw new ThawfsError('BAD_ARGUMENT', `${path}: is read to write it, and would be gone`, { detail: { path }, suggestion: 'Name another file to write.' });
}

/** @returns which file a name leads to; undefined for none, and for what is no path at all */
function fileAt(name: string): string | undefined {
  try {
    const { dev, ino } = statSync(name, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}

/** Removes what processes that no longer live left for the same name. */
function removeStale(path: string): void {
  const prefix = `.${basename(path)}.`;
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(prefix) ? /^(\d+)\.partial$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}
