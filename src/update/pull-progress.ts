/** How far a pull is, for progress bars: each stage in bytes of frames, up to its own end. */
export type PullStage = 'copy' | 'fetch' | 'check';

export class PullProgress {
  private readonly stages = { copy: { done: 0, total: 0 }, fetch: { done: 0, total: 0 } };

  constructor(private readonly onProgress: ((stage: PullStage, done: number, total: number) => void) | undefined) {}

  /** @param here of them, from a run that was interrupted */
  expect(stage: 'copy' | 'fetch', bytes: number, here = 0): void {
    this.stages[stage].total += bytes;
    this.stages[stage].done += here;
  }

  add(stage: 'copy' | 'fetch', bytes: number): void {
    const { done, total } = this.stages[stage];
    this.stages[stage].done = done + bytes;
    this.onProgress?.(stage, done + bytes, total);
  }
}
