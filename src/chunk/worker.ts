/** The worker thread: takes jobs, answers with the number of the slot, or with the failure as data. */
import { parentPort, workerData } from 'node:worker_threads';
import { openCodec } from '../codec/registry.js';
import { fromErrno, type ErrorCode, type ErrorDetail } from '../errors.js';
import { HostReader } from './host-reader.js';
import type { Job } from './job.js';
import { Slot, type SlotShape } from './slot.js';
import { work, type Workbench } from './work.js';

export interface WorkerStart {
  readonly shape: SlotShape;
  readonly level: number;
  readonly salt: Uint8Array;
  readonly memories: readonly SharedArrayBuffer[];
  /** Not 0 when nobody wants answers any more. */
  readonly stop: Int32Array;
}

export type Order = { readonly slot: number; readonly job: Job } | 'end';

/** A class does not survive the way between threads; its data does. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
  readonly suggestions: readonly string[];
  readonly cause: unknown;
}

export interface Answer { readonly slot: number; readonly failure?: Failure }

const { shape, level, salt, memories, stop } = workerData as WorkerStart;
const slots = memories.map((memory) => new Slot(shape, memory));
const bench: Workbench = { codec: openCodec(), files: new HostReader(), chunkSize: shape.chunkSize, level, salt };

parentPort?.on('message', (order: Order) => {
  if (order === 'end') {
    bench.files.close();
    parentPort?.close();
  } else if (Atomics.load(stop, 0) === 0) {
    parentPort?.postMessage(answer(order.slot, order.job));
  }
});

function answer(slot: number, job: Job): Answer {
  try {
    work(job, slots[slot]!, bench);
    return { slot };
  } catch (error) {
    const { code, message, detail, suggestions, cause } = fromErrno(error, 'worker thread');
    return { slot, failure: { code, message, detail, suggestions, cause: cause instanceof Error ? cause.message : cause } };
  }
}
