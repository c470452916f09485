import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { boolean } from '@oclif/core/flags';
import { display } from '../src/bytes/byte-string.js';
import { fields, percent, table, utc } from '../src/cli/report.js';
import { ThawfsError } from '../src/errors.js';
import { formatSize } from '../src/units.js';
import type { LayerFiles } from '../src/mount/file-status.js';
import type { MountStatus } from '../src/mount/status.js';

export default class Status extends BaseCommand {
  static override summary = 'Show what is mounted, and how it is doing.';
  static override description = `How much of each image is here, what was fetched and how fast that goes now, what had to be repaired. With --json everything that the servers count; \
rate is bytes per second over the last three seconds.

--files looks file by file: whole, partial, absent, or unknown, where the metadata that would tell has not been fetched. It fetches nothing itself.`;

  static override examples = [
    { description: 'All mounts:', command: '<%= config.bin %> <%= command.id %>' },
    { description: 'Which files are here, and what reads waited for:', command: '<%= config.bin %> <%= command.id %> /srv/app --files' },
    { description: 'What a mount fetches, bytes per second:', command: '<%= config.bin %> <%= command.id %> /srv/app --json | jq .mounts[0].rate' },
    { description: 'Damaged chunks that were found in the cache of one mount:', command: '<%= config.bin %> <%= command.id %> /srv/app --json | jq .mounts[0].corruptLocal' },
  ];

  static override args = { directory: string({ description: 'One mount instead of all.' }) };

  static override flags = { files: boolean({ summary: 'Every file, and the files that reads last had to wait for. Needs a directory.' }) };

  async run(): Promise<{ mounts: MountStatus[]; layers?: LayerFiles[] }> {
    const { args: { directory }, flags: { files } } = await this.parse(Status);
    if (files && directory === undefined) throw new ThawfsError('BAD_ARGUMENT', 'status --files: no directory', { suggestion: 'Write: thawfs status DIR --files' });
    const [{ mountStatus }, { localSize }, { resolveMounted, unserved }] = await Promise.all([import('../src/mount/status.js'), import('../src/mount/local-size.js'), import('../src/mount/own-mount.js')]);
    const all = await mountStatus();
    const wanted = directory === undefined ? undefined : resolveMounted(directory);
    const mounts = await Promise.all(all.filter(({ target }) => wanted === undefined || target === wanted).map(async (mount): Promise<MountStatus> => {
      const localBytes = await localSize(mount);
      return { ...mount, target: display(mount.target), ...(localBytes === undefined ? {} : { localBytes }) };
    }));
    if (directory !== undefined && mounts.length === 0) throw unserved(directory);
    for (const mount of mounts) this.log(`${text(mount)}\n`);
    if (mounts.length === 0) this.remark('Nothing is mounted.');
    if (!files) return { mounts };
    const { fileStatus } = await import('../src/mount/file-status.js');
    const layers = await fileStatus(directory!);
    for (const layer of layers) this.log(filesText(layer));
    return { mounts, layers };
  }
}

function text(mount: MountStatus): string {
  const number = (name: string): number => typeof mount[name] === 'number' ? mount[name] : 0;
  const completion = mount['completion'] as { readonly state: string; readonly reason?: string } | undefined;
  const populated = mount['populated'] as { readonly state: string; readonly files: number; readonly bytes: number } | undefined;
  const local = mount.state === 'local';
  const failures = Object.entries((mount['originFailures'] ?? {}) as Record<string, number>);
  const last = mount['lastOriginFailure'] as { readonly at: number; readonly message: string } | undefined;
  return fields([
    ['directory', mount.target], ['back-end', mount.backend],
    ['state', local ? 'complete; no server is needed' : mount.state],
    ['here', here(mount)],
    ['filling', completion === undefined ? undefined : `${completion.state}${completion.reason === undefined ? '' : `: ${completion.reason}`}`],
    ['fetched', local ? undefined : `${formatSize(number('bytesFetched'))} in ${number('requests')} requests, ${formatSize(number('rate'))}/s now`],
    ['read', local ? undefined : `${number('diskHits')} chunks from disk, ${number('fetched')} from the origin`],
    ['waiting', number('fuseRequestsWaiting') === 0 ? undefined : `${number('fuseRequestsWaiting')} reads`],
    ['retries', number('retries') === 0 ? undefined : number('retries')],
    ['repaired', number('corruptLocal') + number('refetched') === 0 ? undefined : `${number('corruptLocal')} chunks damaged on disk, ${number('refetched')} on the way`],
    ['populated', populated === undefined ? undefined : `${populated.files} files, ${formatSize(populated.bytes)} (${populated.state})`],
    ['origin failed', failures.length === 0 ? undefined : failures.map(([code, count]) => `${code} ${count}`).join(', ') + (last === undefined ? '' : `; last ${utc(Math.floor(last.at / 1000))}: ${last.message}`)],
    ['servers replaced', number('replaced') === 0 ? undefined : number('replaced')],
  ]);
}

function here({ localBytes, rawSize, state }: MountStatus): string | undefined {
  if (typeof localBytes !== 'number') return undefined;
  if (state === 'local') return formatSize(localBytes);
  return `${formatSize(localBytes)} of ${formatSize(Number(rawSize))} (${percent(localBytes, Number(rawSize))})`;
}

/** A chunk may hold many small files. */
const CAUSES_SHOWN = 3;

function filesText({ files, faults }: LayerFiles): string {
  const share = (localSize: number | undefined, size: number | undefined): string => `${localSize ?? '?'} of ${size ?? '?'}`;
  const count = (state: string): number => files.filter((file) => file.state === state).length;
  const causes = faults.map(({ at, chunks, files: of }) => {
    const more = of.length > CAUSES_SHOWN ? ` and ${of.length - CAUSES_SHOWN} more` : '';
    return [utc(Math.floor(at / 1000)), `${chunks.length} chunks`, of.length === 0 ? 'metadata' : of.slice(0, CAUSES_SHOWN).map(display).join(', ') + more];
  });
  return [
    table(files.map(({ path, state, size, localSize }) => [state, share(localSize, size), display(path)]), [1]),
    `\n${count('whole')} files whole, ${count('partial')} partial, ${count('absent')} absent, ${count('unknown')} unknown`,
    ...(causes.length === 0 ? [] : [`\nReads that last waited for the origin:\n${table(causes)}`]),
  ].join('\n');
}
