import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { startProgress } from '../src/cli/progress.js';

export default class Fill extends BaseCommand {
  static override summary = 'Fetch the rest of a mounted image now.';
  static override description = `Returns when the whole image is on this machine, and, with the block back-end, the kernel reads the local copy without a server \
(unless --no-handover was given, or the disk is too small). Interrupting stops waiting, not fetching.`;

  static override examples = [{ description: 'Before going on a journey:', command: '<%= config.bin %> <%= command.id %> /srv/app' }];

  static override args = { directory: string({ required: true, description: 'Where the image is mounted.' }) };

  async run(): Promise<{ complete: true; served: boolean }> {
    const { args: { directory } } = await this.parse(Fill);
    const { fillMount } = await import('../src/mount/fill-mount.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const served = await fillMount(directory, { signal: this.signal, onProgress: (done, total) => { progress.update('fetching', done, total); } });
      progress.stop();
      this.log(served ? 'complete; served from the cache' : 'complete; no server is needed any more');
      return { complete: true, served };
    } finally {
      progress.stop();
    }
  }
}
