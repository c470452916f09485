/** What each option of a build does to the image, as outside judges see it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type { BuildOptions } from '../../../src/image/build.js';
import { compareTrees } from '../../helpers/compare-tree.js';
import { debugfs, withMount } from '../../helpers/ext4-judges.js';
import { judges, verdicts, withBuilt, type BuiltImage } from '../../helpers/image-judges.js';
import { makeTree, noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { Cli } from '../../helpers/cli.js';

const MiB = 1 << 20;
const needs = [...judges, 'debugfs', 'loop'];
const scratch = new Cli();
const tree = scratch.path('tree');
beforeAll(() => {
  mkdirSync(tree);
  makeTree(tree);
  mkdirSync(`${tree}/twins`);
  for (const name of ['one', 'two', 'three']) {
    mkdirSync(`${tree}/twins/${name}`);
    writeFileSync(`${tree}/twins/${name}/same`, noise(50_000, 4));
  }
});
afterAll(() => { scratch.remove(); });

/** Builds the tree, and demands of any image that judges accept it and that the mounted tree is the source. */
async function judged(options: Partial<BuildOptions>, body: (image: BuiltImage) => void | Promise<void> = () => undefined, compare: Parameters<typeof compareTrees>[2] = {}): Promise<void> {
  await withBuilt({ source: tree, ...options }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    await withMount(image.raw, (mountPoint) => { expect(compareTrees(tree, mountPoint, { ignore: ['lost+found'], ...compare })).toEqual([]); });
    await body(image);
  });
}

const superblock = (raw: string): string => debugfs(raw, 'show_super_stats -h');
const field = (raw: string, name: string): string | undefined => new RegExp(`^${name}: +(.*)$`, 'm').exec(superblock(raw))?.[1];
const freeBytes = (raw: string): number => Number(field(raw, 'Free blocks')) * 4096;

describe('the file system', () => {
  oracleTest(needs, 'by default: nothing free, no journal, equal files share their blocks', () => judged({}, ({ raw }) => {
    expect(freeBytes(raw)).toBe(0);
    expect(field(raw, 'Filesystem features')).not.toContain('has_journal');
    expect(field(raw, 'Filesystem features')).toContain('shared_blocks');
    const [one, two, three] = ['one', 'two', 'three'].map((name) => debugfs(raw, `blocks /twins/${name}/same`));
    expect(one).toMatch(/^\d+( \d+){12}/);
    expect([two, three]).toEqual([one, one]);
  }));

  oracleTest(needs, 'share: false', () => judged({ share: false }, ({ raw }) => {
    expect(field(raw, 'Filesystem features')).not.toContain('shared_blocks');
    expect(debugfs(raw, 'blocks /twins/one/same')).not.toBe(debugfs(raw, 'blocks /twins/two/same'));
  }));

  oracleTest(needs, 'journal', () => judged({ journal: true }, ({ raw }) => {
    expect(field(raw, 'Filesystem features')).toContain('has_journal');
    expect(debugfs(raw, 'stat <8>')).toMatch(/Size: [1-9]\d{5,}/);
  }));

  oracleTest(needs, 'inline data', () => judged({ inlineData: true }, ({ raw }) => {
    expect(field(raw, 'Filesystem features')).toContain('inline_data');
    expect(debugfs(raw, 'stat /sizes/60')).toContain('Blockcount: 0');
  }));

  oracleTest(needs, 'size, with journal and inline data', () => judged({ size: 64 * MiB, journal: true, inlineData: true }, ({ raw, report }) => {
    expect(report.manifest.raw.fileSystemSize).toBe(64 * MiB);
    expect(Number(field(raw, 'Block count'))).toBe(64 * MiB / 4096);
  }));

  oracleTest(needs, 'free, written to when copied and given a writable mount', () => judged({ freeBytes: 32 * MiB, share: false }, ({ raw }) => {
    expect(freeBytes(raw)).toBeGreaterThanOrEqual(32 * MiB);
    const mountPoint = scratch.path('writable');
    mkdirSync(mountPoint);
    expect(spawnSync('mount', ['-o', 'loop', '-t', 'ext4', raw, mountPoint]).status).toBe(0);
    try {
      writeFileSync(`${mountPoint}/new`, noise(30 * MiB, 1));
      mkdirSync(`${mountPoint}/directory`);
    } finally {
      spawnSync('mount', ['-o', 'remount,ro', mountPoint]); // Mount namespaces of other suites may keep it mounted.
      spawnSync('umount', [mountPoint]);
    }
    expect(spawnSync('e2fsck', ['-fn', raw]).status).toBe(0);
  }));

  oracleTest(needs, 'uuid and volume name', () => judged({ uuid: Buffer.from('0123456789abcdef0123456789abcdef', 'hex'), volumeName: 'frozen' }, ({ raw }) => {
    expect(field(raw, 'Filesystem UUID')).toBe('01234567-89ab-cdef-0123-456789abcdef');
    expect(field(raw, 'Filesystem volume name')).toBe('frozen');
  }));
});

describe('the container', () => {
  for (const chunkSize of [16384, MiB]) {
    oracleTest(needs, `chunks of ${chunkSize / 1024} KiB`, () => judged({ chunkSize }, ({ path, report: { rawSize } }) => {
      const frames = /^# Zstandard Frames: (\d+)$/m.exec(spawnSync('zstd', ['-lv', path], { encoding: 'utf8' }).stdout)?.[1];
      expect(Number(frames)).toBe(Math.ceil(rawSize / chunkSize));
    }));
  }

  oracleTest(needs, 'a salt: other digests, the same file system', () => judged({ salt: Buffer.from('c0ffee00', 'hex') }, async ({ raw, report: { manifest } }) => {
    expect(spawnSync('veritysetup', ['dump', raw, `--hash-offset=${manifest.verity.hashOffset}`], { encoding: 'utf8' }).stdout).toMatch(/Salt: +\tc0ffee00$/m);
    await withBuilt({ source: tree }, (plain) => {
      const { hashOffset } = manifest.verity;
      expect(readFileSync(raw).subarray(0, hashOffset).equals(readFileSync(plain.raw).subarray(0, hashOffset))).toBe(true);
      expect(plain.report.manifest.verity.rootHash).not.toBe(manifest.verity.rootHash);
    });
  }));
});

describe('the tree', () => {
  oracleTest(needs, 'owner', async () => {
    await judged({ owner: { uid: 1234, gid: 70_000 } }, ({ raw }) => withMount(raw, (mountPoint) => {
      const owners = spawnSync('find', [mountPoint, '-name', 'lost+found', '-o', '-printf', '%U:%G\\n'], { encoding: 'latin1' }).stdout.trim().split('\n');
      expect(owners.length).toBeGreaterThan(400);
      expect(new Set(owners)).toEqual(new Set(['1234:70000']));
    }), { owners: false });
  });

  oracleTest(needs, 'exclude', () => withBuilt({ source: tree, exclude: ['names', '*/level-3', 'links/two'] }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    await withMount(image.raw, (mountPoint) => {
      const differences = compareTrees(tree, mountPoint, { ignore: ['lost+found'] });
      expect(differences.filter((line) => line.endsWith('missing')).sort()).toEqual(expect.arrayContaining(['links/two: missing', 'names: missing']));
      expect(differences.filter((line) => !/missing$|^(links\/one|deep\/three|zz-four): link count is 3, expected 4$/.test(line))).toEqual([]);
    });
  }));

  oracleTest(needs, 'clamp-mtime: only what is later', () => withBuilt({ source: tree, clampMtime: 1_500_000_100 }, async (image) => {
    expect(verdicts(image)).toEqual([]);
    await withMount(image.raw, (mountPoint) => {
      const times = (top: string): Map<string, number> => new Map(spawnSync('find', [top, '-name', 'lost+found', '-prune', '-o', '-printf', '%P\\0%T@\\0'], { encoding: 'latin1' }).stdout.split('\0')
        .reduce<[string, number][]>((pairs, text, i, all) => (i % 2 === 1 ? [...pairs, [all[i - 1]!, Number(text)]] : pairs), []));
      const [before, after] = [times(tree), times(mountPoint)];
      expect(after.size).toBe(before.size);
      expect([...before].filter(([, time]) => time > 1_500_000_100).length).toBeGreaterThan(100);
      for (const [path, time] of before) expect([path, after.get(path)]).toEqual([path, Math.min(time, 1_500_000_100)]);
    });
  }));
});

describe('fs-verity', () => {
  /** What lies behind the content of a file: from the next 64 KiB on, up to the end of its blocks. */
  const metadataOf = (raw: string, path: string, size: number): Buffer => {
    const image = readFileSync(raw);
    const blocks: Buffer[] = [];
    for (let logical = Math.ceil(size / 65_536) * 16; ; logical++) {
      const physical = Number(debugfs(raw, `bmap /${path} ${logical}`));
      if (physical === 0) return Buffer.concat(blocks);
      blocks.push(image.subarray(physical * 4096, (physical + 1) * 4096));
    }
  };
  const paths = ['sizes/0', 'sizes/1', 'sizes/4096', 'sizes/4097', 'sizes/65536', 'sizes/100000', 'sparse/hole-between', 'sparse/only-hole', 'links/two', 'twins/one/same', 'twins/three/same'];

  // A kernel without CONFIG_FS_VERITY opens no such file, so fsverity(1) and debugfs judge.
  oracleTest([...needs, 'fsverity'], 'tree and descriptor of every file, shared or not, are those of fsverity', () => withBuilt({ source: tree, fsVerity: true }, async (image) => {
    const { raw, path: imagePath } = image;
    expect(verdicts(image)).toEqual([]);
    expect(field(raw, 'Filesystem features')).toMatch(/verity/);
    for (const path of paths) {
      const [merkle, descriptor] = [scratch.path('merkle'), scratch.path('descriptor')];
      const { stdout } = spawnSync('fsverity', ['digest', `${tree}/${path}`, `--out-merkle-tree=${merkle}`, `--out-descriptor=${descriptor}`], { encoding: 'utf8' });
      const metadata = metadataOf(raw, path, statSync(`${tree}/${path}`).size);
      const descriptorSize = metadata.readUInt32LE(metadata.length - 4);
      const treeSize = statSync(merkle).size;
      expect([path, metadata.subarray(0, treeSize).equals(readFileSync(merkle))]).toEqual([path, true]);
      expect([path, metadata.subarray(treeSize, treeSize + descriptorSize).equals(readFileSync(descriptor))]).toEqual([path, true]);
      expect(stdout.split(' ')[0]).toBe(`sha256:${createHash('sha256').update(metadata.subarray(treeSize, treeSize + descriptorSize)).digest('hex')}`);
      expect(debugfs(raw, `stat /${path}`)).toContain('Flags: 0x180000');
    }
    const { status, stderr } = await scratch.run(['extract', imagePath, '-C', 'extracted', '--allow-unsigned']);
    expect([status, stderr]).toEqual([0, '']);
    expect(compareTrees(tree, scratch.path('extracted'), { ignore: ['lost+found'] })).toEqual([]);
  }));
});
