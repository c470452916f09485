import { describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { FetchScheduler } from '../../../src/image/fetch-scheduler.js';
import { LinkMeter } from '../../../src/source/link-meter.js';
import type { ChunkRef, ChunkStore } from '../../../src/store/chunk-store.js';
import { Promised } from '../../../src/store/promised.js';

const SIZE = 30_000;
const ref = (number: number): ChunkRef => ({ number, size: 65_536, frameOffset: number * SIZE, frameSize: SIZE, id: new Uint8Array(32) });
const refs = (...numbers: number[]): ChunkRef[] => numbers.map(ref);

/** A store that answers when it is told to, and writes down what it was asked. */
class Held implements ChunkStore {
  readonly asked: number[][] = [];
  private readonly waiting = new Map<number, Promised<Uint8Array>>();

  get(chunks: readonly ChunkRef[]): Promise<Uint8Array>[] {
    this.asked.push(chunks.map(({ number }) => number));
    return chunks.map(({ number }) => {
      const answer = new Promised<Uint8Array>();
      this.waiting.set(number, answer);
      return answer.promise;
    });
  }

  async answer(...numbers: number[]): Promise<void> {
    for (const number of numbers) this.waiting.get(number)!.resolve(Uint8Array.of(number));
    await turn();
  }

  async fail(number: number): Promise<void> {
    this.waiting.get(number)!.reject(new Error('broken'));
    await turn();
  }
}

/** For those whose answers nobody looks at. */
function ask(scheduler: FetchScheduler, ...numbers: number[]): void {
  void Promise.allSettled(scheduler.get(refs(...numbers)));
}

interface Options { readonly now?: () => number; readonly link?: LinkMeter; readonly unattended?: boolean }

function make(chunkCount = 1000, { now = () => 0, link = new LinkMeter(() => 0), unattended = false }: Options = {}): { store: Held; scheduler: FetchScheduler } {
  const store = new Held();
  return { store, scheduler: new FetchScheduler(store, link, chunkCount, { now, unattended }) };
}

/** A link of 100 Mbit/s, measured; with 20 ms a background request while a program starts has room for four chunks. */
function measured(roundTrip: number): LinkMeter {
  let time = 0;
  const link = new LinkMeter(() => time);
  link.answered(roundTrip);
  for (; time < 3000; time += 5) link.arrived(62_500);
  return link;
}

/** @returns how many requests of `size` chunks each a fill gets away before any is answered */
async function fillsAtOnce(scheduler: FetchScheduler, size: number): Promise<number> {
  const tooLate = new AbortController();
  let sent = 0;
  for (; sent < 100; sent++) {
    const room = scheduler.room(tooLate.signal).then(() => true, () => false);
    if (!await Promise.race([room, turn(false)])) break;
    void Promise.allSettled(scheduler.fill(Array.from({ length: size }, (_, i) => ref(sent * size + i))));
  }
  tooLate.abort(new Error('too late'));
  return sent;
}

describe('FetchScheduler', () => {
  test('neighbours that are missed in one moment are one request, whoever misses them', async () => {
    const { store, scheduler } = make();
    ask(scheduler, 7);
    ask(scheduler, 5, 6);
    ask(scheduler, 9);
    await turn();
    expect(store.asked).toEqual([[5, 6, 7], [9]]);
  });

  test('a chunk is fetched once; after a failure it is tried anew', async () => {
    const { store, scheduler } = make();
    const [first] = scheduler.get(refs(1));
    await turn();
    const [second] = scheduler.get(refs(1));
    await turn();
    expect(store.asked).toEqual([[1]]);
    const both = Promise.allSettled([first, second]);
    await store.fail(1);
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    ask(scheduler, 1);
    await turn();
    expect(store.asked).toEqual([[1], [1]]);
  });

  test('what is wanted soon goes out as the link has room, and in order; a demand does not wait for it', async () => {
    const { store, scheduler } = make();
    scheduler.hasten(refs(...Array.from({ length: 100 }, (_, i) => 100 + i)));
    const sent = store.asked.flat();
    expect(sent.length).toBeGreaterThan(4);
    expect(sent.length).toBeLessThan(40);
    expect(sent).toEqual(sent.map((_, i) => 100 + i));
    const [answer] = scheduler.get(refs(190));
    await turn();
    expect(store.asked.at(-1)).toEqual([190]);
    await store.answer(190);
    expect(await answer).toEqual(Uint8Array.of(190));
    await store.answer(...sent);
    expect(store.asked.flat().length).toBeGreaterThan(sent.length + 1);
    expect(store.asked.flat().filter((number) => number === 190)).toHaveLength(1);
  });

  test('a request brings the neighbours that are wanted too, on both sides', async () => {
    const { store, scheduler } = make(1000, { link: measured(20) });
    scheduler.hasten(refs(50, 10, 40, 8, 9, 11, 30, 41));
    await store.answer(...store.asked.flat());
    expect(store.asked).toContainEqual([8, 9, 10, 11]);
    expect(store.asked).toContainEqual([40, 41]);
    expect(store.asked.flat()).toHaveLength(8);
  });

  test('while a program starts the fill takes little more than an unknown link may hold; more when somebody reads much of the image, or nobody reads', async () => {
    let time = 0;
    const { store, scheduler } = make(1000, { now: () => time });
    let open = 0;
    const room = async (): Promise<void> => {
      void scheduler.room().then(() => { open++; });
      await turn();
    };
    const fill = (...numbers: number[]): void => { void Promise.allSettled(scheduler.fill(refs(...numbers))); };
    ask(scheduler, 1);
    await turn();
    await room();
    fill(898, 899, 900, 901, 902);
    await room();
    expect(open).toBe(1); // somebody has begun to read
    await store.answer(1, 898, 899, 900, 901, 902);
    expect(open).toBe(2);
    time = 10_000;
    fill(903, 904, 905, 906, 907, 908);
    await room();
    expect(open).toBe(3); // nobody reads
    ask(scheduler, 3);
    await room();
    expect(open).toBe(3);
    for (let i = 0; i < 110; i++) scheduler.touch(); // most of them were read ahead
    await store.answer(3);
    expect(open).toBe(4);
    await store.answer(903, 904, 905, 906, 907, 908);
  });

  test('on a long link the fill takes little more than it holds while a program starts, and more where nobody reads', async () => {
    const link = measured(200);
    const size = 4; // 120,000 bytes of 2.5 MB
    const starting = async (of: LinkMeter | undefined, each: number): Promise<number> => {
      const { scheduler } = make(1000, of === undefined ? {} : { link: of });
      ask(scheduler, 999);
      await turn();
      return fillsAtOnce(scheduler, each);
    };
    expect(await starting(link, size)).toBe(7); // with the demand as many requests as the background may have
    expect(await starting(link, 4 * size)).toBe(6);
    expect(await starting(undefined, size)).toBe(2);
    expect(await fillsAtOnce(make(1000, { link, unattended: true }).scheduler, 4 * size)).toBe(16);
  });

  test('requests that begin together do not end together: the first are smaller, and all that follow are full', async () => {
    const { store, scheduler } = make(10_000, { link: measured(200), unattended: true });
    const sizes: number[] = [];
    const send = (): void => {
      const first = sizes.reduce((sum, size) => sum + size, 0);
      const size = Math.round(scheduler.stepSize / SIZE);
      sizes.push(size);
      void Promise.allSettled(scheduler.fill(Array.from({ length: size }, (_, i) => ref(first + i))));
    };
    for (let i = 0; i < 8; i++) send();
    const full = sizes.at(-1)!;
    expect(sizes.map((size) => Math.round(8 * size / full))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await store.answer(...store.asked[0]!);
    send();
    expect(sizes.at(-1)).toBe(full);
    await store.answer(...store.asked.slice(1).flat());
  });

  test('where nobody reads a link of which nothing is known is given enough to show what it can', async () => {
    expect(await fillsAtOnce(make(1000, { unattended: true }).scheduler, 35)).toBe(4); // of 1 MB each
    let time = 0;
    const { scheduler } = make(1000, { now: () => time });
    time = 10_000;
    expect(await fillsAtOnce(scheduler, 12)).toBe(3); // of 360 kB each
  });

  test('before a program has begun to read a long link is given enough to show what it can, a short one no more than it holds', async () => {
    const link = (roundTrip: number): LinkMeter => {
      const meter = new LinkMeter(() => 0);
      meter.answered(roundTrip);
      return meter;
    };
    expect(await fillsAtOnce(make(1000, { link: link(200) }).scheduler, 9)).toBe(8); // of 240 kB each: 2 MiB
    expect(await fillsAtOnce(make(1000, { link: link(20) }).scheduler, 8)).toBe(3); // 500 kB
  });

  test('aborting ends the waiting, not the fetch', async () => {
    const { store, scheduler } = make();
    const leaving = new AbortController();
    const [answer] = scheduler.get(refs(1), leaving.signal);
    const [other] = scheduler.get(refs(1));
    await turn();
    leaving.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
    await store.answer(1);
    expect(await other).toEqual(Uint8Array.of(1));
  });
});
