/** Runs `thawfs` the way a user does: a process of its own, with a home of its own so that no key or ledger of this machine counts. */
import { spawn, type ChildProcessWithoutNullStreams, type SpawnOptionsWithoutStdio } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const program = resolve('bin/run.js');

export interface CliResult {
  /** Exit status; null when a signal ended the process. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
}

/** A scratch folder with a `home` in it, and the program run there. Remove it when done: {@link Cli.remove}. */
export class Cli {
  readonly folder = mkdtempSync(join(tmpdir(), 'thawfs-cli-'));

  /** @returns a path inside the scratch folder. */
  path(name: string): string { return join(this.folder, name); }

  start(args: readonly string[], { cwd = this.folder, env = {} }: CliOptions = {}): ChildProcessWithoutNullStreams {
    const options: SpawnOptionsWithoutStdio = { cwd, env: { ...plainEnvironment(), HOME: this.path('home'), XDG_STATE_HOME: this.path('state'), ...env } };
    return spawn(process.execPath, [program, ...args], options);
  }

  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const child = this.start(args, options);
    child.stdin.on('error', () => undefined); // A command that fails early does not read its input.
    child.stdin.end(options.input);
    return finished(child);
  }

  /** Runs with `--json`, insists on `status`, @returns what was printed. */
  async json<T>(args: readonly string[], status = 0, options: CliOptions = {}): Promise<T> {
    const result = await this.run([...args, '--json'], options);
    if (result.status !== status) throw new Error(`thawfs ${args.join(' ')}: exit status ${result.status}, not ${status}\n${result.stdout}${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  remove(): void { rmSync(this.folder, { recursive: true, force: true }); }
}

/** @returns when the process has ended and its output is complete. */
export function finished(child: ChildProcessWithoutNullStreams): Promise<CliResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (status, signal) => {
      const stdoutBytes = Buffer.concat(stdout);
      done({ status, signal, stdoutBytes, stdout: stdoutBytes.toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** The error object that `--json` prints. */
export interface FailureJson {
  readonly error: {
    readonly code: string; readonly kind: string; readonly exitCode: number; readonly message: string; readonly suggestion?: string;
    readonly detail: Record<string, unknown>; readonly causes: readonly { readonly message: string }[];
  };
}

function plainEnvironment(): Record<string, string> {
  const passed = ['PATH', 'TMPDIR', 'LANG', 'NODE_EXTRA_CA_CERTS'];
  return Object.fromEntries(passed.flatMap((name) => process.env[name] === undefined ? [] : [[name, process.env[name]]]));
}
