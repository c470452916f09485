/** What all commands have in common: `--json`, interruption, output that survives a closed pipe. */
import { Command } from '@oclif/core/command';
import { classify } from './failure.js';
import { Interruption } from './interruption.js';
import { watchStdout } from './stdout.js';

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  private readonly interruption = new Interruption();

  /** Aborted by Ctrl-C, SIGTERM and hang-up, with an INTERRUPTED error as its reason; pass it to everything that takes time. */
  get signal(): AbortSignal { return this.interruption.signal; }

  /** Runs a program on our terminal: meanwhile signals are its business, and how often and how long it takes them too. */
  protected async leaveSignalsTo<T>(program: () => Promise<T>): Promise<T> {
    this.interruption.stopListening();
    try {
      return await program();
    } finally {
      this.interruption.listen();
    }
  }

  protected override async init(): Promise<void> {
    await super.init();
    watchStdout();
    this.interruption.listen();
  }

  /** Thrown on, with `--json` too: start.ts prints every failure. oclif's own handling gives `--json` another exit status than text. */
  protected override catch(error: Error): Promise<never> {
    return Promise.reject(classify(error, this.id));
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    this.interruption.stopListening();
    await super.finally(error);
  }

  /** As oclif's, without colours: it is for programs. */
  protected override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
  }

  /** A remark for people on standard error: what was done on the way, not the result. Nothing with `--json`. */
  readonly remark = (text: string): void => {
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`);
  };
}
