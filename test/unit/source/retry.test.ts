import { describe, expect, test } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import { MemorySource } from '../../../src/source/memory.js';
import type { RangeSource } from '../../../src/source/range-source.js';
import { defaultRetryPolicy, retry, RetryingSource, type RetryPolicy } from '../../../src/source/retry.js';

/** A policy that waits for nothing and writes down how long it would have. */
function recording(changes: Partial<RetryPolicy> = {}): RetryPolicy & { readonly waits: number[] } {
  const waits: number[] = [];
  return { ...defaultRetryPolicy, random: () => 1, sleep: (wait) => { waits.push(wait); return Promise.resolve(); }, ...changes, waits };
}

function failing(times: number, error: Error): { work: () => Promise<string>; tries: () => number } {
  let tries = 0;
  return { work: () => ++tries <= times ? Promise.reject(error) : Promise.resolve('done'), tries: () => tries };
}

const temporary = (retryAfter?: number): ThawfsError => new ThawfsError('HTTP_STATUS', 'busy', { detail: { status: 503, retryable: true, retryAfter }, suggestion: 'Wait.' });

describe('retry', () => {
  test('waits twice as long each time, up to the longest delay', async () => {
    const policy = recording({ attempts: 6, longestDelay: 1000 });
    const { work, tries } = failing(5, temporary());
    expect(await retry(work, policy)).toBe('done');
    expect(tries()).toBe(6);
    expect(policy.waits).toEqual([200, 400, 800, 1000, 1000]);
  });

  test('jitter takes up to half of a wait away', async () => {
    const policy = recording({ random: () => 0 });
    await retry(failing(1, temporary()).work, policy);
    expect(policy.waits).toEqual([100]);
  });

  test('gives up after the last attempt and says how often it tried', async () => {
    const policy = recording();
    const { work, tries } = failing(Infinity, temporary());
    await expect(retry(work, policy)).rejects.toMatchObject({
      code: 'HTTP_STATUS', message: 'busy (tried 5 times)', detail: { status: 503, tries: 5 }, suggestions: ['Wait.'], cause: temporary(),
    });
    expect(tries()).toBe(5);
    expect(policy.waits).toHaveLength(4);
  });

  test('what is not called retryable fails at once, as it is', async () => {
    for (const error of [new ThawfsError('AUTH_REQUIRED', 'no', { detail: { retryable: false } }), new ThawfsError('TIMEOUT', 'no'), new Error('bug')]) {
      const { work, tries } = failing(Infinity, error);
      await expect(retry(work, recording())).rejects.toBe(error);
      expect(tries()).toBe(1);
    }
  });

  test('waits as long as the server asks, but not longer than the longest delay', async () => {
    const patient = recording();
    await retry(failing(1, temporary(7000)).work, patient);
    expect(patient.waits).toEqual([7000]);
    const impatient = recording();
    await expect(retry(failing(1, temporary(3_600_000)).work, impatient)).rejects.toMatchObject({ message: 'busy (tried 1 time)' });
    expect(impatient.waits).toEqual([]);
  });

  test('aborting while it waits rejects with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = retry(failing(Infinity, temporary()).work, { ...defaultRetryPolicy, firstDelay: 20_000 }, controller.signal);
    setTimeout(() => { controller.abort(reason); }, 10);
    await expect(waiting).rejects.toBe(reason);
  });
});

describe('retrying source', () => {
  test('reads again, and is otherwise the source', async () => {
    const inner = new MemorySource(Buffer.from('abcdef'), 'six');
    let failures = 2;
    const flaky: RangeSource = {
      location: inner.location, size: inner.size, identity: 'x', close: () => inner.close(),
      read: (offset, length) => failures-- > 0 ? Promise.reject(temporary()) : inner.read(offset, length),
    };
    const source = new RetryingSource(flaky, recording());
    expect(source).toMatchObject({ location: 'six', size: 6, identity: 'x' });
    expect(Buffer.from(await source.read(2, 3)).toString()).toBe('cde');
  });
});
