import { string } from '@oclif/core/args';
import { boolean, string as stringFlag } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { mountFlags, mountOptions } from '../src/cli/mount-flags.js';
import { fields } from '../src/cli/report.js';
import { wordsOf } from '../src/cli/words.js';
import { ThawfsError } from '../src/errors.js';
import type { MountReport } from '../src/mount/mount-options.js';

type Report = Omit<MountReport, 'ended'>

export default class Mount extends BaseCommand {
  static override summary = 'Mount an image before it is downloaded.';
  static override description = `Returns when the directory can be used; what is read is fetched when it is read, verified, and kept. \
A server stays in the background until the directory is unmounted, or until the whole image is here: then the kernel reads the local copy, and no process is needed.

As root the kernel's own ext4 reads the image (--backend block). Everybody else gets the tree back-end.`;

  static override examples = [
    { description: 'Run from an image on a server at once:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub' },
    { description: 'Fetch only what is used, and nothing else:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --no-fill' },
    { description: 'Record what a start reads, and lay the next image out by it:', command: '<%= config.bin %> <%= command.id %> app.img.zst /srv/app --record app.profile && … && <%= config.bin %> umount /srv/app && <%= config.bin %> build rootfs/ -o app2.img.zst --profile app.profile' },
    { description: 'A writable view:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --upper /srv/app.changes' },
    { description: 'Without root\'s ext4, and yet as fast as local files once they are here:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --backend tree --populate' },
    { description: 'Update a live mount; files that are open stay as they are:', command: '<%= config.bin %> <%= command.id %> --replace https://example.org/app-2.img.zst /srv/app --trust ci.pub' },
    { description: 'Roll back:', command: '<%= config.bin %> <%= command.id %> --replace https://example.org/app-1.img.zst /srv/app --trust ci.pub --any-sequence' },
    { description: 'Use only what was fetched before:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --offline' },
  ];

  static override strict = false;
  static override args = {
    image: string({ required: true, description: 'Image: a path or an http(s) URL. Several are stacked, the first on top.' }),
    directory: string({ required: true, description: 'An existing directory.' }),
  };

  static override flags = {
    ...mountFlags,
    upper: stringFlag({ helpValue: 'DIR', helpGroup: 'OVERLAY', summary: 'Make it writable: changes go to this directory.' }),
    work: stringFlag({ helpValue: 'DIR', helpGroup: 'OVERLAY', dependsOn: ['upper'], summary: 'Working directory of the overlay, on the same file system; UPPER.work unless given.' }),
    populate: boolean({
      helpGroup: 'OVERLAY', summary: 'Copy files out of the image as soon as they are whole here.',
      description: 'Whoever opens them then reads a plain local file, and no server hears of it: for the tree back-end, and for mounts that are not filled. The copies lie in the cache folder and end with the mount. Needs Linux 5.12.',
    }),
    replace: boolean({
      summary: 'Take the place of the image that is mounted there.',
      description: 'The new image is mounted and checked first, then it takes the old one\'s place in one step: open files keep the old, new opens see the new. An upper directory stays. Needs Linux 6.5.',
    }),
    once: boolean({ exclusive: ['replace', 'foreground'], summary: 'Do nothing when the image is mounted there already, as mount -t thawfs and fstab do.' }),
    nosuid: boolean({ helpGroup: 'RESTRICTIONS', summary: 'Ignore set-user-id and set-group-id bits and capabilities; the tree back-end always does.' }),
    nodev: boolean({ helpGroup: 'RESTRICTIONS', summary: 'Devices in the image cannot be opened; the tree back-end never lets them.' }),
    noexec: boolean({ helpGroup: 'RESTRICTIONS', summary: 'Programs in the image cannot be run.' }),
    foreground: boolean({ char: 'f', summary: 'Stay until the directory is unmounted; Ctrl-C unmounts.' }),
  };

  async run(): Promise<Report> {
    const parsed = await this.parse(Mount);
    const { foreground, once, populate, replace, upper, work, ...flags } = parsed.flags;
    const places = wordsOf(parsed, Mount);
    const directory = places.pop()!;
    if (places.length === 0) throw new ThawfsError('BAD_ARGUMENT', 'mount: needs an image and a directory', { suggestion: 'Write: thawfs mount IMAGE DIR' });
    const [{ mountImages }, { restrictions }] = await Promise.all([import('../src/mount/mount-image.js'), import('../src/mount/restrictions.js')]);
    const { ended, ...report } = await mountImages(places, directory, {
      ...await mountOptions(flags, this.signal), restrictions: restrictions.filter((restriction) => flags[restriction]), foreground, once, populate, replace, ...(upper === undefined ? {} : { upper }), ...(work === undefined ? {} : { work }),
    });
    this.log(fields([
      [report.already === true ? 'mounted already' : 'mounted', directory], ['back-end', report.backend],
      ...report.layers.flatMap(({ name, rootHash, id }): [string, string][] => [['image', name], ['root hash', rootHash], ['server', id ?? 'none needed: the image is complete here']]),
      ['upper', report.upper],
    ]));
    if (report.previousInUse === true) this.remark('Files of the old image are still open; its server ends with the last of them. thawfs status shows it.');
    if (foreground) await ended;
    return report;
  }
}
