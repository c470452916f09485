/** Help with the exit statuses at its end: they are the same for every command. */
import type { Command } from '@oclif/core/command';
import { Help } from '@oclif/core/help';
import { exitMeanings } from './exit-codes.js';

export default class HelpWithExitStatuses extends Help {
  override async showRootHelp(): Promise<void> {
    await super.showRootHelp();
    this.logExitStatuses();
  }

  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    await super.showCommandHelp(command);
    this.logExitStatuses();
  }

  private logExitStatuses(): void {
    const rows = exitMeanings.map(([status, meaning]): [string, string] => [String(status), meaning]);
    this.log(`${this.section('EXIT STATUSES', this.renderList(rows, { indentation: 2, spacer: '\n', stripAnsi: this.opts.stripAnsi ?? false }))}\n`);
  }
}
