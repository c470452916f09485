import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { entryCells, entryNumberColumns } from '../src/cli/entry-line.js';
import { imageArgument, withFiles } from '../src/cli/opened-image.js';
import { table } from '../src/cli/report.js';
import { writeStdout } from '../src/cli/stdout.js';
import { trustFlags } from '../src/cli/trust.js';
import type { Entry } from '../src/image/list.js';

/** Files that are aligned and written together: memory stays bounded in a tree of any size. */
const BATCH = 1000;

export default class Ls extends BaseCommand {
  static override summary = 'List files of an image.';
  static override description = `The columns are those of ls -l: type and permissions, links, owner, group, size (or device numbers), modification time in UTC, path. \
Names are in byte order; bytes that are not UTF-8 are shown as \\xHH. With --json each file is one line of JSON.`;

  static override examples = [
    { description: 'The root of an image:', command: '<%= config.bin %> <%= command.id %> app.img.zst --trust ci.pub' },
    { description: 'Everything below /etc of an image on a server; the metadata is fetched, no file content:', command: '<%= config.bin %> <%= command.id %> -R https://example.org/app.img.zst /etc --trust ci.pub' },
    { description: 'The ten largest files:', command: '<%= config.bin %> <%= command.id %> -R app.img.zst --allow-unsigned --json | jq -rs \'sort_by(-.size)[:10][] | "\\(.size) \\(.path)"\'' },
  ];

  static override args = { image: imageArgument, path: string({ default: '/', description: 'Directory or file in the image.' }) };

  static override flags = { recursive: boolean({ char: 'R', summary: 'List what is below directories too.' }), ...trustFlags };

  async run(): Promise<void> {
    const { args: { image, path }, flags } = await this.parse(Ls);
    const { listImage } = await import('../src/image/list.js');
    await withFiles(image, flags, this, async (files) => {
      const text = (entries: readonly Entry[]): string => this.jsonEnabled()
        ? entries.map((entry) => JSON.stringify(entry)).join('\n')
        : table(entries.map(entryCells), entryNumberColumns);
      let batch: Entry[] = [];
      for await (const entry of listImage(files, path, { recursive: flags.recursive, signal: this.signal })) {
        batch.push(entry);
        if (batch.length < BATCH) continue;
        await writeStdout(`${text(batch)}\n`);
        batch = [];
      }
      if (batch.length > 0) await writeStdout(`${text(batch)}\n`);
    });
  }
}
