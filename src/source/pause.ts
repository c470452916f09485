import { setTimeout as delay } from 'node:timers/promises';

/** Waits. @throws the signal's reason as soon as it aborts: Node's own rejects with an AbortError of its making */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
