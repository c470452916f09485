import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { imageArgument, withFiles } from '../src/cli/opened-image.js';
import { writeStdout } from '../src/cli/stdout.js';
import { trustFlags } from '../src/cli/trust.js';

export default class Cat extends BaseCommand {
  static override summary = 'Write the content of a file of an image to standard output.';
  static override description = `Symlinks are followed inside the image. Every byte is verified before it is written; when verification fails, \
what was written before is right, and the exit status is 3. Only the chunks that hold the file are fetched.

With --json the output is one object: path, and content in base64.`;

  static override examples = [
    { description: 'Read a file:', command: '<%= config.bin %> <%= command.id %> app.img.zst /etc/os-release --trust ci.pub' },
    { description: 'The same from a server, without downloading the image:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /etc/os-release --trust ci.pub' },
  ];

  static override args = { image: imageArgument, path: string({ required: true, description: 'File in the image.' }) };

  static override flags = { ...trustFlags };

  async run(): Promise<void> {
    const { args: { image, path }, flags } = await this.parse(Cat);
    await withFiles(image, flags, this, async (files) => {
      const content = files.content(path, { signal: this.signal });
      if (this.jsonEnabled()) await writeObject(path, content);
      else for await (const bytes of content) await writeStdout(bytes);
    });
  }
}

/** A JSON object whose content is written while it arrives: memory does not grow with the file. */
async function writeObject(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  let carry = Buffer.alloc(0); // base64 spells three bytes at a time
  let started = false;
  const begin = `{"path":${JSON.stringify(path)},"encoding":"base64","content":"`;
  for await (const bytes of content) {
    const all = Buffer.concat([carry, bytes]);
    const whole = all.length - all.length % 3;
    await writeStdout((started ? '' : begin) + all.toString('base64', 0, whole));
    carry = all.subarray(whole);
    started = true;
  }
  await writeStdout(`${started ? '' : begin}${carry.toString('base64')}"}\n`);
}
