import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { mountFlags, mountOptions } from '../src/cli/mount-flags.js';
import { wordsOf } from '../src/cli/words.js';
import { ThawfsError } from '../src/errors.js';

export default class Run extends BaseCommand {
  static override summary = 'Mount an image for one command, without any rights.';
  static override description = `The image is mounted where only the command and its children see it, and is gone when the command ends. \
Ordinary users run in a user namespace, as its root; files of the image belong to them.

{} in the command's arguments becomes the directory, which is also in the environment as THAWFS_ROOT and is the working directory. \
The exit status is the command's.`;

  static override examples = [
    { description: 'Run a program from an image on a server:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst --trust ci.pub -- ./bin/app --version' },
    { description: 'Record what a program reads, for thawfs build --profile:', command: '<%= config.bin %> <%= command.id %> app.img.zst --trust ci.pub --record app.profile -- ./bin/app --version' },
    { description: 'Look around:', command: '<%= config.bin %> <%= command.id %> app.img.zst --allow-unsigned -- find . -size +1M' },
  ];

  static override strict = false;
  static override args = { image: string({ required: true, description: 'Image: a path or an http(s) URL.' }) };

  static override flags = mountFlags;

  private isInside = false;

  /** The one inside the namespace reports. */
  protected override logJson(json: unknown): void {
    if (this.isInside) super.logJson(json);
  }

  async run(): Promise<{ status: number }> {
    const parsed = await this.parse(Run);
    const { flags } = parsed;
    const [image, command, ...args] = wordsOf(parsed, Run) as [string, ...string[]];
    if (command === undefined) throw new ThawfsError('BAD_ARGUMENT', 'run: no command', { suggestion: 'Write: thawfs run IMAGE -- COMMAND' });
    const { exitStatus, INSIDE, runAgainInside } = await import('../src/mount/namespace.js');
    this.isInside = process.env[INSIDE] !== undefined;
    if (!this.isInside) {
      const status = await this.leaveSignalsTo(runAgainInside);
      process.exitCode = status;
      return { status };
    }
    const [{ mountImages }, { unmountImage }] = await Promise.all([import('../src/mount/mount-image.js'), import('../src/mount/unmount.js')]);
    const directory = mkdtempSync(`${tmpdir()}/thawfs-run-`);
    try {
      // Of its own: when it is mounted a signal ends the command, and that the mount.
      const mounting = new AbortController();
      const giveUp = (): void => { mounting.abort(this.signal.reason); };
      this.signal.addEventListener('abort', giveUp);
      const { ended } = await mountImages([image], directory, { ...await mountOptions(flags, mounting.signal), foreground: true });
      this.signal.removeEventListener('abort', giveUp);
      try {
        const place = (text: string): string => text.replaceAll('{}', directory);
        const env = { ...process.env, [INSIDE]: undefined, THAWFS_ROOT: directory };
        const status = await this.leaveSignalsTo(() => exitStatus(place(command), args.map(place), env, directory));
        process.exitCode = status;
        return { status };
      } finally {
        // Whatever the command left running keeps its files; nobody else sees the mount any more.
        await unmountImage(directory, { lazy: true });
        await ended;
      }
    } finally {
      rmdirSync(directory);
    }
  }
}
