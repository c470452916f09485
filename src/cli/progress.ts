/** How far something is: a bar on a terminal, a line every few seconds elsewhere, nothing with `--json`. Always on standard error. */
import type { SingleBar } from 'cli-progress';
import { formatSize } from '../units.js';

/** What library functions call: `done` of `total` bytes of a stage, as often as they like. `total` is 0 while it is not known. */
export type OnProgress = (stage: string, done: number, total: number) => void;

export interface Progress {
  readonly update: OnProgress;
  /** Removes the bar. Call it before anything else is printed, also after a failure. */
  stop(): void;
}

const LINE_EVERY_MS = 5000;
const BAR_EVERY_MS = 100;

/** A stream, or in tests what collects lines. */
type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

/**
 * @param options.silent with `--json`
 * @param options.output where to, by default standard error
 * @param options.now milliseconds, for tests
 */
export async function startProgress({ silent, output = process.stderr, now = Date.now }: { silent: boolean; output?: Output; now?: () => number }): Promise<Progress> {
  if (silent) return { update: () => undefined, stop: () => undefined };
  const display = output.isTTY === true && process.env['TERM'] !== 'dumb' ? await bar(output) : lines(output);
  const every = output.isTTY === true ? BAR_EVERY_MS : LINE_EVERY_MS;
  let stage = '';
  let [stageStart, shown, first] = [now(), now(), 0];
  return {
    update: (name, done, total) => {
      const time = now();
      if (name !== stage) [stage, stageStart, first] = [name, time, done];
      else if (done < total && time - shown < every) return;
      if (time - shown < every && !display.everyStage) return;
      shown = time;
      display.show({ stage, done, total, ...pace(done, total, time - stageStart, first) });
    },
    stop: () => display.stop(),
  };
}

interface State { readonly stage: string; readonly done: number; readonly total: number; readonly rate: string; readonly left: string }
interface Display { readonly everyStage: boolean; show(state: State): void; stop(): void }

/** @param first what was done already when the stage began @returns the mean throughput of the stage, and what is left at that pace, for people. */
export function pace(done: number, total: number, elapsedMs: number, first = 0): { rate: string; left: string } {
  const perSecond = (done - first) / Math.max(elapsedMs, 1) * 1000;
  return { rate: `${formatSize(Math.round(perSecond))}/s`, left: perSecond > 0 && total > 0 ? formatSpan((total - done) / perSecond) : '?' };
}

/** @returns `42 s`, `3 min 05 s`, `2 h 07 min`. */
export function formatSpan(seconds: number): string {
  const whole = Math.ceil(Math.max(seconds, 0));
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
}

function lines(output: Output): Display {
  return {
    everyStage: false,
    show: ({ stage, done, total, rate, left }) => {
      const part = total > 0 ? `${Math.floor(done / total * 100)} % (${formatSize(done)} of ${formatSize(total)}), ${rate}, ${left} left` : `${formatSize(done)}, ${rate}`;
      output.write(`${stage}: ${part}\n`);
    },
    stop: () => undefined,
  };
}

async function bar(output: Output): Promise<Display> {
  const { default: { SingleBar: Bar } } = await import('cli-progress');
  let single: SingleBar | undefined;
  return {
    everyStage: true,
    show: ({ total, done, ...state }) => {
      const payload = { ...state, doneText: formatSize(done), totalText: total > 0 ? formatSize(total) : '?' };
      if (single === undefined) {
        single = new Bar({
          format: '{stage} [{bar}] {percentage} %  {doneText} of {totalText}  {rate}  {left} left',
          stream: output, clearOnComplete: true, hideCursor: true, barsize: 24,
          gracefulExit: false, // signals are ours: src/cli/interruption.ts
        });
        single.start(Math.max(total, 1), done, payload);
      } else {
        single.setTotal(Math.max(total, 1));
        single.update(done, payload);
      }
    },
    stop: () => single?.stop(),
  };
}
