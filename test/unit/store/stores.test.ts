import { describe, expect, test } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import type { RangeSource } from '../../../src/source/range-source.js';
import type { ChunkRef, ChunkStore } from '../../../src/store/chunk-store.js';
import { MemoryStore } from '../../../src/store/memory-store.js';
import { planRuns, RemoteStore } from '../../../src/store/remote-store.js';
import { SingleFlightStore } from '../../../src/store/single-flight.js';
import { Slots } from '../../../src/store/slots.js';

/** Chunk `number` is ten bytes of its number; its frame is the same, at 10 times its number. */
function chunk(number: number): ChunkRef {
  return { number, size: 10, frameOffset: number * 10, frameSize: 10, id: Buffer.alloc(32, number) };
}

const chunks = (...numbers: number[]): ChunkRef[] => numbers.map(chunk);
const first = async (arriving: Promise<Uint8Array>[]): Promise<number[]> => (await Promise.all(arriving)).map((bytes) => bytes[0]!);
const damaged = new ThawfsError('CHUNK_DIGEST_MISMATCH', 'damaged');

/** A source of numbered chunks that can be damaged for a while. */
class NumberedSource implements RangeSource {
  readonly location = 'numbers';
  readonly size = 2560;
  readonly identity = undefined;
  readonly reads: string[] = [];
  readonly damage = new Map<number, number>();
  active = 0;
  mostActive = 0;

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads.push(`${offset}+${length}`);
    this.mostActive = Math.max(this.mostActive, ++this.active);
    await new Promise((resolve) => { setTimeout(resolve, 2); });
    this.active--;
    return Uint8Array.from({ length }, (_, i) => {
      const number = Math.floor((offset + i) / 10);
      const left = this.damage.get(number) ?? 0;
      if (left > 0 && (offset + i) % 10 === 9) this.damage.set(number, left - 1);
      return left > 0 ? 255 : number;
    });
  }

  close(): Promise<void> { return Promise.resolve(); }
}

function decode(ref: ChunkRef, frame: Uint8Array): Uint8Array {
  if (frame.length !== ref.frameSize || frame.some((byte) => byte !== ref.number)) throw damaged;
  return frame.slice();
}

/** A store whose answers a test gives by hand. */
class ManualStore implements ChunkStore {
  readonly asked: number[][] = [];
  readonly signals: AbortSignal[] = [];
  readonly pending = new Map<number, { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }>();

  get(refs: readonly ChunkRef[], signal?: AbortSignal): Promise<Uint8Array>[] {
    if (refs.length > 0) this.asked.push(refs.map(({ number }) => number));
    if (signal !== undefined) this.signals.push(signal);
    return refs.map(({ number }) => new Promise((resolve, reject) => {
      this.pending.set(number, { resolve, reject });
      signal?.addEventListener('abort', () => { reject(signal.reason as Error); });
    }));
  }

  answer(...numbers: number[]): void {
    for (const number of numbers) this.pending.get(number)!.resolve(new Uint8Array(10).fill(number));
  }
}

describe('planning runs', () => {
  const spans = (refs: readonly ChunkRef[], gap: number, size: number): string[] => planRuns(refs, gap, size)
    .map(({ offset, length, chunks: inRun }) => `${offset}+${length}:${inRun.map(({ number }) => number).join(' ')}`);

  test('neighbours are one run, also across a small gap', () => {
    expect(spans(chunks(1, 2, 3, 5, 9), 10, 1000)).toEqual(['10+50:1 2 3 5', '90+10:9']);
    expect(spans(chunks(1, 2, 4), 0, 1000)).toEqual(['10+20:1 2', '40+10:4']);
  });

  test('a run has a largest size, which one frame may exceed', () => {
    expect(spans(chunks(1, 2, 3, 4, 5), 0, 20)).toEqual(['10+20:1 2', '30+20:3 4', '50+10:5']);
    expect(spans(chunks(1, 2), 0, 5)).toEqual(['10+10:1', '20+10:2']);
  });

  test('nothing', () => { expect(planRuns([])).toEqual([]); });
});

describe('remote store', () => {
  test('one request for neighbours, chunks in order', async () => {
    const source = new NumberedSource();
    expect(await first(new RemoteStore(source, decode, () => undefined).get(chunks(3, 4, 5)))).toEqual([3, 4, 5]);
    expect(source.reads).toEqual(['30+30']);
  });

  test('a chunk damaged on the way is fetched again, alone', async () => {
    const source = new NumberedSource();
    source.damage.set(4, 1);
    let refetched = 0;
    expect(await first(new RemoteStore(source, decode, () => { refetched++; }).get(chunks(3, 4, 5)))).toEqual([3, 4, 5]);
    expect(source.reads).toEqual(['30+30', '40+10']);
    expect(refetched).toBe(1);
  });

  test('a chunk damaged for good fails alone, after two fetches', async () => {
    const source = new NumberedSource();
    source.damage.set(4, Infinity);
    const results = await Promise.allSettled(new RemoteStore(source, decode, () => undefined).get(chunks(3, 4, 5)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: damaged });
    expect(source.reads).toEqual(['30+30', '40+10']);
  });

  test('four requests at a time, all are made', async () => {
    const source = new NumberedSource();
    const scattered = Array.from({ length: 20 }, (_, i) => ({ ...chunk(i), frameOffset: i * 10 }));
    const store = new RemoteStore(source, decode, () => undefined);
    await Promise.all(scattered.flatMap((ref) => store.get([ref])));
    expect(source.reads).toHaveLength(20);
    expect(source.mostActive).toBe(4);
  });
});

describe('single flight', () => {
  test('two readers, one fetch', async () => {
    const inner = new ManualStore();
    const store = new SingleFlightStore(inner);
    const [a, b] = [store.get(chunks(1, 2)), store.get(chunks(2, 3))];
    expect(inner.asked).toEqual([[1, 2], [3]]);
    inner.answer(1, 2, 3);
    expect(await first(a)).toEqual([1, 2]);
    expect(await first(b)).toEqual([2, 3]);
  });

  test('after a success and after a failure the next reader fetches anew', async () => {
    const inner = new ManualStore();
    const store = new SingleFlightStore(inner);
    const failing = [store.get(chunks(1)), store.get(chunks(1))].flat();
    inner.pending.get(1)!.reject(damaged);
    for (const bytes of failing) await expect(bytes).rejects.toBe(damaged);
    const again = store.get(chunks(1));
    inner.answer(1);
    expect(await first(again)).toEqual([1]);
    void store.get(chunks(1));
    expect(inner.asked).toEqual([[1], [1], [1]]);
  });

  test('one reader who leaves does not take the fetch from the other; the last one does', async () => {
    const inner = new ManualStore();
    const store = new SingleFlightStore(inner);
    const [leaving, staying, last] = [new AbortController(), new AbortController(), new AbortController()];
    const [a, b] = [store.get(chunks(1), leaving.signal), store.get(chunks(1), staying.signal)];
    const reason = new Error('enough');
    leaving.abort(reason);
    await expect(a[0]).rejects.toBe(reason);
    expect(inner.signals[0]!.aborted).toBe(false);
    staying.abort(reason);
    await expect(b[0]).rejects.toBe(reason);
    expect(inner.signals[0]!.aborted).toBe(true);

    const c = store.get(chunks(1), last.signal);
    expect(inner.asked).toEqual([[1], [1]]);
    inner.answer(1);
    expect(await first(c)).toEqual([1]);
  });

  test('an aborted signal from the start', async () => {
    const store = new SingleFlightStore(new ManualStore());
    const reason = new Error('enough');
    const results = await Promise.allSettled(store.get(chunks(1, 2), AbortSignal.abort(reason)));
    expect(results).toEqual([{ status: 'rejected', reason }, { status: 'rejected', reason }]);
  });
});

describe('memory', () => {
  const keeping = (budget: number): { memory: MemoryStore; source: NumberedSource } => {
    const source = new NumberedSource();
    return { source, memory: new MemoryStore(new RemoteStore(source, decode, () => undefined), budget) };
  };

  test('fetches what is not here, and keeps the order', async () => {
    const { memory, source } = keeping(1000);
    expect(await first(memory.get(chunks(2)))).toEqual([2]);
    expect(await first(memory.get(chunks(1, 2, 3)))).toEqual([1, 2, 3]);
    expect(source.reads).toEqual(['20+10', '10+30']);
    expect(memory.find(3)).toHaveLength(10);
    expect(memory.find(4)).toBeUndefined();
  });

  test('never holds more than its budget, and forgets the least recently used', async () => {
    const { memory } = keeping(30);
    await Promise.all(memory.get(chunks(1, 2, 3)));
    memory.find(1);
    await Promise.all(memory.get(chunks(4)));
    expect([1, 2, 3, 4].filter((number) => memory.find(number) !== undefined)).toEqual([1, 3, 4]);
    expect(memory.heldSize).toBe(30);
    memory.keep(9, new Uint8Array(31));
    expect(memory.heldSize).toBe(0);
  });

  test('keeping a chunk twice counts it once; a budget of nothing keeps nothing', async () => {
    const { memory } = keeping(30);
    memory.keep(1, new Uint8Array(10));
    memory.keep(1, new Uint8Array(10));
    expect(memory.heldSize).toBe(10);
    const { memory: none } = keeping(0);
    expect(await first(none.get(chunks(1, 2)))).toEqual([1, 2]);
    expect(none.heldSize).toBe(0);
  });

  test('a failure is not kept', async () => {
    const { memory, source } = keeping(100);
    source.damage.set(1, 2);
    await expect(memory.get(chunks(1))[0]).rejects.toBe(damaged);
    expect(await first(memory.get(chunks(1)))).toEqual([1]);
  });
});

describe('slots', () => {
  test('who waits and is aborted never works, and gives its place on', async () => {
    const slots = new Slots(1);
    let release = (): void => undefined;
    const working = slots.run(() => new Promise<void>((resolve) => { release = resolve; }));
    const controller = new AbortController();
    const reason = new Error('enough');
    let ran = false;
    const aborted = slots.run(() => { ran = true; return Promise.resolve(); }, controller.signal);
    const waiting = slots.run(() => Promise.resolve('next'));
    controller.abort(reason);
    release();
    await working;
    await expect(aborted).rejects.toBe(reason);
    expect(ran).toBe(false);
    expect(await waiting).toBe('next');
    expect(await slots.run(() => Promise.reject(new Error('failed'))).catch(() => 'caught')).toBe('caught');
    expect(await slots.run(() => Promise.resolve('free'))).toBe('free');
  });
});
