import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { fields } from '../src/cli/report.js';
import { ThawfsError } from '../src/errors.js';
import { formatSize } from '../src/units.js';
import type { MountStatus } from '../src/mount/status.js';

export default class Status extends BaseCommand {
  static override summary = 'Show what is mounted, and how it is doing.';
  static override description = `How much of each image is here, what was fetched, what had to be repaired. With --json everything that the servers count.`;

  static override examples = [
    { description: 'All mounts:', command: '<%= config.bin %> <%= command.id %>' },
    { description: 'Damaged chunks that were found in the cache of one mount:', command: '<%= config.bin %> <%= command.id %> /srv/app --json | jq .mounts[0].corruptLocal' },
  ];

  static override args = { directory: string({ description: 'One mount instead of all.' }) };

  async run(): Promise<{ mounts: MountStatus[] }> {
    const { args: { directory } } = await this.parse(Status);
    const [{ mountStatus }, { realpathSync }] = await Promise.all([import('../src/mount/status.js'), import('node:fs')]);
    const all = await mountStatus();
    const wanted = directory === undefined ? undefined : realpathSync(directory, 'latin1');
    const mounts = all.filter(({ target }) => wanted === undefined || target === wanted);
    if (directory !== undefined && mounts.length === 0) {
      throw new ThawfsError('NOT_MOUNTED', `${directory}: no thawfs image is mounted there`, { detail: { directory } });
    }
    for (const mount of mounts) this.log(`${text(mount)}\n`);
    if (mounts.length === 0) this.remark('Nothing is mounted.');
    return { mounts };
  }
}

function text(mount: MountStatus): string {
  const number = (name: string): number => typeof mount[name] === 'number' ? mount[name] : 0;
  const completion = mount['completion'] as { readonly state: string; readonly done: number; readonly total: number; readonly reason?: string } | undefined;
  const local = mount.state === 'local';
  return fields([
    ['directory', mount.target], ['back-end', mount.backend],
    ['state', local ? 'complete; no server is needed' : mount.state],
    ['chunks', completion === undefined ? undefined : `${completion.done} of ${completion.total} here (${completion.state}${completion.reason === undefined ? '' : `: ${completion.reason}`})`],
    ['fetched', local ? undefined : `${formatSize(number('bytesFetched'))} in ${number('requests')} requests`],
    ['read', local ? undefined : `${number('diskHits')} chunks from disk, ${number('fetched')} from the origin`],
    ['repaired', number('corruptLocal') + number('refetched') === 0 ? undefined : `${number('corruptLocal')} chunks damaged on disk, ${number('refetched')} on the way`],
    ['servers replaced', number('replaced') === 0 ? undefined : number('replaced')],
  ]);
}
