/** Listens to a progress callback, and says what a progress bar would show wrong. */

export class ProgressWatch {
  private readonly stages = new Map<string, { done: number; total: number }>();
  readonly complaints: string[] = [];

  /** For callbacks that name a stage. */
  readonly ofStage = (stage: string, done: number, total: number): void => {
    const before = this.stages.get(stage);
    if (!(done >= 0 && done <= total)) this.complaints.push(`${stage}: ${done} of ${total}`);
    if (before !== undefined && (done < before.done || total < before.total)) this.complaints.push(`${stage}: from ${before.done} of ${before.total} to ${done} of ${total}`);
    this.stages.set(stage, { done, total });
  };

  readonly only = (done: number, total: number): void => { this.ofStage('', done, total); };

  /** @returns what is wrong: with what was heard, and with how it ended; and stages that were not heard of */
  finish(...expected: readonly string[]): string[] {
    const ends = [...this.stages].filter(([, { done, total }]) => done !== total).map(([stage, { done, total }]) => `${stage}: ends at ${done} of ${total}`);
    const silent = (expected.length === 0 ? [''] : expected).filter((stage) => !this.stages.has(stage)).map((stage) => `${stage}: nothing`);
    return [...this.complaints, ...ends, ...silent];
  }
}
