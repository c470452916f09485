import { writeFileSync } from 'node:fs';
import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { imageArgument, withFiles } from '../src/cli/opened-image.js';
import { writeStdout } from '../src/cli/stdout.js';
import { trustFlags } from '../src/cli/trust.js';
import { KiB } from '../src/units.js';

const BATCH = 64 * KiB;

export default class Dump extends BaseCommand {
  static override summary = 'Write the tree of an image as text, one line per file.';
  static override description = `Each line has path, type, permissions, owner, group, time, size, device numbers, symlink target, digest and extended attributes, separated by spaces, \
\\xHH for bytes that would confuse. Two dumps are equal when the trees are. thawfs build dump:FILE makes an image of the attributes again; contents are holes.

With --json, the lines are in an array.`;

  static override examples = [
    { description: 'What differs between two images:', command: 'diff <(<%= config.bin %> <%= command.id %> old.img.zst --trust ci.pub) <(<%= config.bin %> <%= command.id %> new.img.zst --trust ci.pub)' },
    { description: 'With a digest of every file, for which the whole image is read:', command: '<%= config.bin %> <%= command.id %> app.img.zst --digests -o app.dump --trust ci.pub' },
  ];

  static override args = { image: imageArgument };

  static override flags = {
    digests: boolean({ summary: 'Add the SHA-256 of every file.' }),
    output: string({ char: 'o', helpValue: 'FILE', summary: 'Write to this file instead of standard output.' }),
    ...trustFlags,
  };

  async run(): Promise<{ readonly output: string } | { readonly lines: readonly string[] }> {
    const { args: { image }, flags } = await this.parse(Dump);
    const [{ dumpImage }, { writeOutput }] = await Promise.all([import('../src/image/dump.js'), import('../src/image/output-file.js')]);
    return withFiles(image, flags, this, async (files) => {
      const dump = dumpImage(files, { digests: flags.digests, signal: this.signal });
      const { output } = flags;
      if (output !== undefined) {
        await writeOutput(output, async ({ fd }) => {
          for await (const text of inBatches(dump)) writeFileSync(fd, text);
        }, [image]);
        return { output };
      }
      const lines: string[] = [];
      if (this.jsonEnabled()) for await (const line of dump) lines.push(line.slice(0, -1));
      else for await (const text of inBatches(dump)) await writeStdout(text);
      return { lines };
    });
  }
}

/** Written together: a system call for each line would take longer than making them. */
async function* inBatches(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let text = '';
  for await (const line of lines) {
    text += line;
    if (text.length < BATCH) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
