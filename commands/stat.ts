import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { modeText } from '../src/cli/entry-line.js';
import { imageArgument, withFiles } from '../src/cli/opened-image.js';
import { exactSize, fields, utc } from '../src/cli/report.js';
import { trustFlags } from '../src/cli/trust.js';
import type { FileStatus } from '../src/image/list.js';

export default class Stat extends BaseCommand {
  static override summary = 'Show everything about one file of an image.';
  static override description = `Type, permissions, ids, times, extended attributes, and where the content lies in the raw image. \
A symlink is shown itself unless --dereference is given.`;

  static override examples = [
    { description: 'One file:', command: '<%= config.bin %> <%= command.id %> app.img.zst /usr/bin/env --trust ci.pub' },
    { description: 'Where its content lies, as byte ranges of the raw image:', command: '<%= config.bin %> <%= command.id %> app.img.zst /usr/bin/env --trust ci.pub --json | jq .extents' },
  ];

  static override args = { image: imageArgument, path: string({ required: true, description: 'File in the image.' }) };

  static override flags = { dereference: boolean({ char: 'L', summary: 'Show what a symlink leads to.' }), ...trustFlags };

  async run(): Promise<FileStatus> {
    const { args: { image, path }, flags } = await this.parse(Stat);
    const { statImage } = await import('../src/image/list.js');
    const status = await withFiles(image, flags, this, (files) => statImage(files, path, { followSymlinks: flags.dereference, signal: this.signal }));
    this.log(statusText(status));
    return status;
  }
}

function statusText(status: FileStatus): string {
  const { permissions, kind, mtimeSeconds, mtimeNanoseconds, device, xattrs, extents } = status;
  return fields([
    ['path', status.path], ['type', kind], ['target', status.target], ['device', device && `${device.major}, ${device.minor}`],
    ['inode', status.inode], ['links', status.links],
    ['mode', `${permissions.toString(8).padStart(4, '0')} ${modeText(kind, permissions)}`], ['owner', status.uid], ['group', status.gid],
    ['size', exactSize(status.size)], ['allocated', exactSize(status.allocated)],
    ['modified', `${utc(mtimeSeconds)}.${String(mtimeNanoseconds).padStart(9, '0')} UTC`], ['fs-verity', status.verity ? 'yes' : undefined],
    ...Object.entries(xattrs).map(([name, hex]): [string, string] => ['xattr', `${name} = ${xattrText(hex)}`]),
    ...extents.map(({ logical, physical, length, unwritten }): [string, string] => ['extent', `file ${logical}+${length} at ${physical}${unwritten ? ' (unwritten: zeros)' : ''}`]),
  ]);
}

/** As getfattr shows values: text in quotes where it is printable, else hex. */
function xattrText(hex: string): string {
  const text = Buffer.from(hex, 'hex').toString('latin1').replace(/\0$/, '');
  return /^[\x20-\x7e]*$/.test(text) ? `"${text}"` : `0x${hex}`;
}
