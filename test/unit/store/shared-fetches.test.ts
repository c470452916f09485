/** Stores of several processes over one cache folder: here in one, which the locks do not notice. */
import { describe, expect, test } from '@jest/globals';
import type { ChunkRef, ChunkStore } from '../../../src/store/chunk-store.js';
import { Promised } from '../../../src/store/promised.js';
import { SharedFetches } from '../../../src/store/shared-fetches.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const chunks = (...numbers: number[]): ChunkRef[] => numbers.map((number) => ({ number, size: 10, frameOffset: number * 10, frameSize: 10, id: Buffer.alloc(32, number) }));

/** An origin that answers when it is told to. */
class Origin implements ChunkStore<string> {
  readonly asked: number[][] = [];
  readonly answers = new Map<number, Promised<string>>();

  get(refs: readonly ChunkRef[]): Promise<string>[] {
    if (refs.length > 0) this.asked.push(refs.map(({ number }) => number));
    return refs.map(({ number }) => {
      const answer = new Promised<string>();
      this.answers.set(number, answer);
      return answer.promise;
    });
  }
}

/** @param count of stores over one folder, each with its origin, and one cache for all */
async function withStores(count: number, body: (stores: SharedFetches<string>[], origins: Origin[], cache: Set<number>) => Promise<void>): Promise<void> {
  await withTempDir(async (folder) => {
    const cache = new Set<number>();
    const origins = Array.from({ length: count }, () => new Origin());
    const stores = origins.map((origin) => new SharedFetches(origin, folder, (chunk) => cache.has(chunk)));
    await body(stores, origins, cache);
    for (const store of stores) store.close();
  });
}

describe('SharedFetches', () => {
  test('a chunk is fetched by the first who misses it; the others find it in the cache', () => withStores(3, async ([first, second, third], [origin, other, another], cache) => {
    const one = first!.get(chunks(1, 2));
    const two = second!.get(chunks(1, 2, 3));
    const three = third!.get(chunks(2, 4));
    expect([origin!.asked, other!.asked, another!.asked]).toEqual([[[1, 2]], [[3]], [[4]]]);
    for (const number of [1, 2]) {
      cache.add(number);
      origin!.answers.get(number)!.resolve('fetched');
    }
    other!.answers.get(3)!.resolve('own');
    another!.answers.get(4)!.resolve('own');
    expect(await Promise.all([...one, ...two, ...three])).toEqual(['fetched', 'fetched', undefined, undefined, 'own', undefined, 'own']);
    expect([other!.asked.length, another!.asked.length]).toEqual([1, 1]);
    // What has come between the look that missed it and the lock.
    expect(await Promise.all(second!.get(chunks(1)))).toEqual([undefined]);
  }));

  test('what another could not get, or keep, or whose process has ended, is fetched by who waits, neighbours together', () => withStores(3, async (stores, [origin, , own]) => {
    const [failing, waiting] = [stores[0]!, stores[2]!];
    const [ending] = stores.splice(1, 1);
    const failed = failing.get(chunks(1, 2));
    void ending!.get(chunks(3));
    const answers = waiting.get(chunks(1, 2, 3));
    expect(own!.asked).toEqual([]);
    ending!.close(); // as the kernel does it
    origin!.answers.get(1)!.reject(new Error('no link'));
    origin!.answers.get(2)!.resolve('fetched, not kept');
    expect((await Promise.allSettled(failed)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    while (own!.answers.size < 3) await new Promise((resolve) => { setTimeout(resolve, 1); });
    for (const answer of own!.answers.values()) answer.resolve('own');
    expect(await Promise.all(answers)).toEqual(['own', 'own', 'own']);
    expect(own!.asked.flat().sort()).toEqual([1, 2, 3]);
  }));

  test('one who does not get on is not waited for', () => withStores(2, async ([stuck, waiting], [, own]) => {
    void stuck!.get(chunks(1));
    const [answer] = waiting!.get(chunks(1));
    while (own!.answers.size === 0) await new Promise((resolve) => { setTimeout(resolve, 20); });
    own!.answers.get(1)!.resolve('own');
    expect(await answer).toBe('own');
  }));
});
