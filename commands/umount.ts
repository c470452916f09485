import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';

export default class Umount extends BaseCommand {
  static override aliases = ['unmount'];
  static override summary = 'Unmount an image.';
  static override description = `Returns when nothing is left of the mount: no loop device, no process. Fetched chunks stay in the cache. \
When the directory is in use the processes that hold it are named. umount(8) does the same.`;

  static override examples = [{ description: 'Unmount:', command: '<%= config.bin %> <%= command.id %> /srv/app' }];

  static override args = { directory: string({ required: true, description: 'Where the image is mounted.' }) };

  static override flags = { lazy: boolean({ char: 'l', summary: 'Take it out of the tree now; it ends with its last user.' }) };

  async run(): Promise<{ unmounted: string; ended: boolean }> {
    const { args: { directory }, flags: { lazy } } = await this.parse(Umount);
    const { unmountImage } = await import('../src/mount/unmount.js');
    const gone = await unmountImage(directory, { lazy });
    if (!gone) this.remark('It is out of the tree; its server ends with its last user. thawfs status shows it until then.');
    return { unmounted: directory, ended: gone };
  }
}
