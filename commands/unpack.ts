import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { imageArgument, withImage } from '../src/cli/opened-image.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags } from '../src/cli/trust.js';

interface UnpackReport {
  /** Files written, the raw image first. */
  readonly files: readonly string[];
  readonly rawSize: number;
  readonly rootHash: string;
  readonly hashOffset: number;
}

export default class Unpack extends BaseCommand {
  static override summary = 'Write the raw disk image that the kernel mounts.';
  static override description = `The raw image is [ext4 | dm-verity superblock | hash tree], the same bytes that zstd -dc gives, with holes where it is zero. \
It is verified while it is written, and appears under its name when it is whole.

With --sidecars, also RAW.verity (superblock and hash tree), RAW.roothash, and RAW.roothash.p7s where the image has a root-hash signature: the names that systemd looks for.`;

  static override examples = [
    { description: 'Unpack and mount:', command: '<%= config.bin %> <%= command.id %> app.img.zst -o app.raw --trust ci.pub && mount -o loop,ro app.raw /mnt' },
    { description: 'For systemd-dissect, RootImage= and portable services:', command: '<%= config.bin %> <%= command.id %> app.img.zst -o app.raw --sidecars --trust ci.pub' },
    {
      description: 'Attach it with the kernel checking every block (hashOffset is in the output of --json):',
      command: 'veritysetup open app.raw app app.raw $(cat app.raw.roothash) --hash-offset=$HASH_OFFSET',
    },
  ];

  static override args = { image: imageArgument };

  static override flags = {
    output: string({ char: 'o', required: true, helpValue: 'RAW', summary: 'File to write.' }),
    sidecars: boolean({ summary: 'Write the verity sidecars too.' }),
    ...trustFlags,
  };

  async run(): Promise<UnpackReport> {
    const { args: { image: location }, flags } = await this.parse(Unpack);
    const { unpackImage } = await import('../src/image/unpack.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      return await withImage(location, flags, this, async (image) => {
        const files = await unpackImage(image, flags.output, {
          sidecars: flags.sidecars, signal: this.signal, onProgress: (done, total) => { progress.update('unpack', done, total); },
        });
        progress.stop();
        const { raw, verity } = image.manifest;
        this.log(fields([['written', files.join(' ')], ['size', exactSize(raw.size)], ['root hash', verity.rootHash], ['hash offset', verity.hashOffset]]));
        return { files, rawSize: raw.size, rootHash: verity.rootHash, hashOffset: verity.hashOffset };
      });
    } finally {
      progress.stop();
    }
  }
}
