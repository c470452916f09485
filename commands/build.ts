import { string as stringArgument } from '@oclif/core/args';
import { boolean, integer, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { clampTime, withClampTime } from '../src/cli/clamp-mtime.js';
import { hexFlag, ownerFlag, percentFlag, platformFlag, sizeFlag, timeFlag, uuidFlag } from '../src/cli/flags.js';
import { given } from '../src/cli/given.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields, percent } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import { readSigningKeys, signingFlags } from '../src/cli/signing-keys.js';
import { formatSize } from '../src/units.js';
import type { BaseReport, BuildOptions, BuildReport } from '../src/image/build.js';
import type { ReleaseReport } from '../src/update/release.js';

/** What is said of a base, where there must be one. */
const ofBase = <Flag extends object>(flag: Flag): Flag => ({ ...flag, dependsOn: ['base'] });
const { trust, threshold, 'allow-unsigned': allowUnsigned } = trustFlags;
const baseTrustFlags = { trust: ofBase(trust), threshold: ofBase(threshold), 'allow-unsigned': ofBase(allowUnsigned) };

export default class Build extends BaseCommand {
  static override summary = 'Turn a directory, tar or container image into one compressed, signed image.';
  static override description = `The image is a zstd file: zstd -dc gives a raw disk image [ext4 | dm-verity superblock | hash tree] that any kernel mounts. \
The same tree gives the same bytes, whoever builds it, where and when. When it is done, the image is read back and checked; it appears under its name when it is whole, or not at all.

SOURCE is one of:
  a directory             needs no rights but to read it
  FILE.tar                also .tar.gz and .tar.zst; - reads a tar from standard input
  oci:DIR[:TAG]           OCI layout directory
  oci-archive:FILE[:TAG]  the same in a tar, as skopeo, podman and buildx write it; FILE may be -
  docker-archive:FILE     what docker save writes; FILE may be -
  ext4:FILE               a file system that exists; its bytes are kept
  dump:FILE               what thawfs dump writes; attributes only; FILE may be -`;

  static override examples = [
    { description: 'A signed image of a directory:', command: '<%= config.bin %> <%= command.id %> rootfs/ -o app.img.zst --key ci.pem --name app --sequence 17' },
    { description: 'Of a tar on standard input, not signed:', command: 'tar -c rootfs | <%= config.bin %> <%= command.id %> - -o app.img.zst' },
    { description: 'Of a container image:', command: 'skopeo copy docker://debian:12 oci:layout && <%= config.bin %> <%= command.id %> oci:layout -o debian.img.zst --key ci.pem' },
    { description: 'Reproducible although the tree has fresh times and the owner of whoever made it:', command: 'SOURCE_DATE_EPOCH=1700000000 <%= config.bin %> <%= command.id %> out/ -o app.img.zst --clamp-mtime --owner 0:0' },
    { description: 'The next release, laid out so that whoever has the last one fetches little:', command: '<%= config.bin %> <%= command.id %> rootfs/ -o app-18.img.zst --base app-17.img.zst --trust ci.pub --key ci.pem --name app --sequence 18' },
    { description: 'The same with the patch that pull fetches instead of chunks:', command: '<%= config.bin %> <%= command.id %> rootfs/ -o app-18.img.zst --base app-17.img.zst --publish --trust ci.pub --key ci.pem --name app --sequence 18' },
    { description: 'Laid out for a fast start, as an earlier version was seen to start:', command: '<%= config.bin %> run app1.img.zst --record app.profile -- ./bin/app --version && <%= config.bin %> <%= command.id %> rootfs/ -o app2.img.zst --profile app.profile' },
    { description: 'With the signature that the kernel and systemd check:', command: '<%= config.bin %> <%= command.id %> rootfs/ -o app.img.zst --key release.pem --cert release.crt' },
  ];

  static override args = { source: stringArgument({ required: true, description: 'What to build from, see below.' }) };

  static override flags = {
    'output': string({ char: 'o', required: true, helpValue: 'IMAGE', summary: 'File to write; the custom is NAME.img.zst.' }),
    'name': string({ summary: 'Name of the image family; sequences count within it. [default: image]' }),
    'label': string({ summary: 'Version for people.' }),
    'sequence': integer({ min: 0, helpValue: 'N', summary: 'Release counter: readers refuse a lower one than they have accepted. [default: 0]' }),
    'expires': timeFlag({ summary: 'Readers refuse the image afterwards: a date, or a span such as 30d.' }),
    ...signingFlags,
    'level': integer({ min: 1, max: 19, helpValue: '1..19', helpGroup: 'PACKING', summary: 'zstd level; 3 is quicker with what is not text. [default: 3]' }),
    'chunk-size': sizeFlag({ helpGroup: 'PACKING', summary: 'Raw bytes that are compressed and fetched together, 16K to 1M. [default: 64K]' }),
    'jobs': integer({ char: 'j', min: 1, helpValue: 'N', helpGroup: 'PACKING', summary: 'Threads that compress and hash; as many as processors unless given.' }),
    'check': boolean({ allowNo: true, default: true, helpGroup: 'PACKING', summary: 'Read the finished image back and check it.' }),
    'profile': string({ helpValue: 'FILE', helpGroup: 'PACKING', summary: 'Lay out first what this start-up profile names, and have mounts fetch it first; written by mount --record and run --record.' }),
    'exclude': string({ multiple: true, multipleNonGreedy: true, helpValue: 'GLOB', helpGroup: 'TREE', summary: 'Leave out what matches. May be repeated.' }),
    'one-file-system': boolean({ helpGroup: 'TREE', summary: 'Take directories that other file systems are mounted on as empty: /proc and /sys of a running system.' }),
    'platform': platformFlag({ helpGroup: 'TREE', summary: 'Which image of an OCI layout for several platforms: linux/arm64. [default: linux on a processor as this machine has]' }),
    'owner': ownerFlag({ helpGroup: 'TREE', summary: 'Owner of everything, instead of that in the source.' }),
    'clamp-mtime': string({
      helpValue: 'TIME', helpGroup: 'TREE', summary: 'No file is modified later than this, by default SOURCE_DATE_EPOCH.',
      description: 'Write --clamp-mtime alone to use the environment variable SOURCE_DATE_EPOCH, or --clamp-mtime=TIME.',
    }),
    'base': string({ helpValue: 'IMAGE|URL', helpGroup: 'BASE', summary: 'Continue the layout of this older version, so that readers who have it fetch little.' }),
    'max-waste': percentFlag({ helpGroup: 'BASE', dependsOn: ['base'], summary: 'Begin afresh when more of the file system would be of no use. [default: 20%]' }),
    'publish': boolean({ helpGroup: 'BASE', dependsOn: ['base'], summary: 'Make the patch from the base too, and put it beside the image, where pull finds it: a tenth of what chunks are.' }),
    'zero-free': boolean({ helpGroup: 'BASE', dependsOn: ['base'], summary: 'Blank what is no longer used, instead of leaving old bytes where that saves fetching.' }),
    ...baseTrustFlags,
    'salt': hexFlag({ helpGroup: 'FILE SYSTEM', summary: 'Salt of the hash tree, at most 256 bytes. [default: none]' }),
    'uuid': uuidFlag({ helpGroup: 'FILE SYSTEM', summary: 'UUID of the file system; derived from the tree unless given.' }),
    'volume-name': string({ helpGroup: 'FILE SYSTEM', summary: 'Volume name of the file system, at most 16 bytes.' }),
    'size': sizeFlag({ helpGroup: 'FILE SYSTEM', summary: 'Size of the file system; just what is needed unless given.' }),
    'free': sizeFlag({ helpGroup: 'FILE SYSTEM', exclusive: ['size'], summary: 'Free space in the file system. [default: 0]' }),
    'fs-verity': boolean({ helpGroup: 'FILE SYSTEM', summary: 'Make every file an fs-verity file.' }),
    'journal': boolean({ helpGroup: 'FILE SYSTEM', summary: 'Give the file system a journal, for those who will write to the raw image.' }),
    'inline-data': boolean({ helpGroup: 'FILE SYSTEM', summary: 'Keep tiny files inside their inodes.' }),
    'share': boolean({ allowNo: true, default: true, helpGroup: 'FILE SYSTEM', summary: 'Let files of equal content share their blocks; such an image can only be mounted read-only.' }),
  };

  constructor(argv: string[], config: ConstructorParameters<typeof BaseCommand>[1]) {
    super(withClampTime(argv), config);
  }

  async run(): Promise<BuildReport | ReleaseReport> {
    const { args: { source }, flags } = await this.parse(Build);
    const started = performance.now();
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const options: BuildOptions = {
        source, output: flags.output, ...await readSigningKeys(flags),
        check: flags.check, share: flags.share,
        ...given({
          fsVerity: flags['fs-verity'], journal: flags.journal, inlineData: flags['inline-data'],
          name: flags.name, label: flags.label, sequence: flags.sequence, expires: flags.expires, level: flags.level, chunkSize: flags['chunk-size'],
          jobs: flags.jobs, profile: flags.profile, exclude: flags.exclude, oneFileSystem: flags['one-file-system'], platform: flags.platform, owner: flags.owner, clampMtime: clampTime(flags['clamp-mtime'], process.env), salt: flags.salt, uuid: flags.uuid,
          volumeName: flags['volume-name'], size: flags.size, freeBytes: flags.free,
        }),
        signal: this.signal,
      };
      const watched = { ...options, onProgress: progress.update };
      const report = flags.base === undefined ? await (await import('../src/image/build.js')).buildImage(watched)
        : await (await import('../src/update/release.js')).buildRelease({ ...watched, publish: flags.publish, base: {
            location: flags.base, zeroFree: flags['zero-free'],
            trust: await trustPolicy({ ...flags, 'any-sequence': true }), // an older version than this machine has accepted is as good a base
            ...given({ maxWaste: flags['max-waste'] }),
          } });
      progress.stop();
      for (const warning of report.warnings) this.remark(`warning: ${warning}`);
      this.log(summary(report, (performance.now() - started) / 1000));
      return report;
    } finally {
      progress.stop();
    }
  }
}

function summary({ output, manifest, fileSize, rawSize, tree, signedBy, checked, base, profile, update }: BuildReport & Partial<ReleaseReport>, seconds: number): string {
  return fields([
    ['image', output], ['size', exactSize(fileSize)], ['raw size', `${exactSize(rawSize)}, compressed to ${percent(fileSize, rawSize)}`],
    ['files', tree?.inodes], ['base', base === undefined ? undefined : baseSummary(base)], ['update', update === undefined ? undefined : updateSummary(update)], ['root hash', manifest.verity.rootHash],
    ['profile', profile === undefined ? undefined : `${profile.visits} visits, ${profile.gone} gone, ${profile.changed} changed; mounts fetch ${profile.chunks} chunks first`],
    ['signed by', signedBy.length === 0 ? 'nobody' : signedBy.map(({ keyId, scheme }) => `${keyId} (${scheme})`).join(', ')],
    ['checked', checked ? 'yes: read back, decompressed, hashed again' : 'no'], ['took', `${seconds.toFixed(1)} s`],
  ]);
}

function baseSummary({ location, continued, reason, kept = 0, fresh = 0, evacuated = 0, unused = 0, freed = 0 }: BaseReport): string {
  if (!continued) return `${location} is not continued, the layout begins afresh: ${reason}`;
  return `${location} is continued: ${formatSize(kept)} stay, ${formatSize(fresh)} are new${evacuated > 0 ? ` (${formatSize(evacuated)} moved to tidy up)` : ''}; `
    + `${formatSize(unused)} unused, ${formatSize(freed)} of it old bytes`;
}

function updateSummary({ chunks, patch }: ReleaseReport['update']): string {
  if (patch === undefined) return `who has the base fetches ${exactSize(chunks)} in chunks; --publish makes a patch`;
  return `who has the base fetches the patch ${patch.patch}, ${exactSize(patch.size)}, instead of ${exactSize(chunks)} in chunks`;
}
