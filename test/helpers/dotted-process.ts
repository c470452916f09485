/** A program of the tests that works until SIGTERM: it prints a dot for every step, and its report as JSON in the end. */
import { spawn } from 'node:child_process';
import { until } from './mounted.js';

export interface DottedProcess<Report> {
  /** Returns after `count` more steps. */
  progress(count: number): Promise<void>;
  stop(): Promise<Report>;
}

/** @param program path of the script @returns a process that has made its first step */
export async function startDotted<Report>(program: string, args: readonly string[]): Promise<DottedProcess<Report>> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [steps, report, closed] = [0, '', false];
  child.stdout.on('data', (data: Buffer) => {
    // Dots end where the report begins: a chunk of that may begin with one of its own.
    const dots = report === '' ? /^\.*/.exec(data.toString('latin1'))![0].length : 0;
    steps += dots;
    report += data.toString('latin1', dots);
  });
  child.once('close', () => { closed = true; });
  const progress = async (count: number): Promise<void> => {
    const goal = steps + count;
    await until(() => steps >= goal || closed, `${count} more steps are made`);
  };
  await progress(1);
  return {
    progress,
    stop: async () => {
      child.kill('SIGTERM');
      await until(() => closed, 'the process has ended');
      return JSON.parse(Buffer.from(report, 'latin1').toString()) as Report;
    },
  };
}
