/** fs-verity files: the metadata of fsverity(1) is where the kernel looks for it (fs/ext4/verity.c), and e2fsck agrees. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import { bytesContent, type Content } from '../../../src/model/content.js';
import { complaints, debugfs, withImage } from '../../helpers/ext4-judges.js';
import { noise } from '../../helpers/make-tree.js';
import { directory, file, sparse } from '../../helpers/nodes.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readContent } from '../../helpers/tree-model.js';

interface Metadata { readonly tree: Buffer; readonly descriptor: Buffer; readonly onDisk: Uint8Array }

/** Hash tree, descriptor at the next block, its size in the last four bytes. */
async function metadataOf(content: Content): Promise<Metadata> {
  return withTempDir((folder) => {
    writeFileSync(`${folder}/f`, readContent(content));
    const { status, stderr } = spawnSync('fsverity', ['digest', `${folder}/f`, `--out-merkle-tree=${folder}/tree`, `--out-descriptor=${folder}/descriptor`], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    const [tree, descriptor] = [readFileSync(`${folder}/tree`), readFileSync(`${folder}/descriptor`)];
    const onDisk = new Uint8Array(tree.length + 4096);
    onDisk.set(tree);
    onDisk.set(descriptor, tree.length);
    new DataView(onDisk.buffer).setUint32(onDisk.length - 4, descriptor.length, true);
    return { tree, descriptor, onDisk };
  });
}

const contents: Readonly<Record<string, Content>> = {
  'empty': bytesContent(new Uint8Array(0)),
  'one byte': bytesContent(noise(1, 1)),
  '64 KiB': bytesContent(noise(65_536, 2)),
  '64 KiB and a byte': bytesContent(noise(65_537, 3)),
  'two levels of tree': bytesContent(noise(600_000, 4)),
  'sparse': sparse(1_000_000, { 0: noise(10, 5), 700_000: noise(5000, 6) }),
  'in many runs': sparse(200 * 8192, Object.fromEntries(Array.from({ length: 200 }, (_, i) => [i * 8192, noise(100, i)]))),
};

describe('fs-verity', () => {
  for (const [name, content] of Object.entries(contents)) {
    oracleTest(['e2fsck', 'debugfs', 'fsverity'], name, async () => {
      const { tree, descriptor, onDisk } = await metadataOf(content);
      const node = file(content);
      await withImage(directory({ f: node, plain: file('plain') }), { verityTrees: new Map([[node, onDisk]]) }, ({ path, layout }) => {
        expect(complaints(path)).toBe('');
        expect(layout.features).toContain('verity');
        expect(debugfs(path, 'stat f')).toContain('Flags: 0x180000');
        expect(debugfs(path, 'stat plain')).toContain('Flags: 0x80000');
        expect(debugfs(path, 'stat f')).toContain(`Size: ${content.size}`);

        const image = readFileSync(path);
        const block = (logical: number): Buffer => {
          const physical = Number(debugfs(path, `bmap f ${logical}`));
          expect(physical).toBeGreaterThan(0);
          return image.subarray(physical * 4096, (physical + 1) * 4096);
        };
        const first = Math.ceil(content.size / 65_536) * 16;
        const read = Buffer.concat(Array.from({ length: onDisk.length / 4096 }, (_, i) => block(first + i)));
        const descriptorSize = read.readUInt32LE(read.length - 4);
        expect(descriptorSize).toBe(descriptor.length);
        expect(read.subarray(0, tree.length).equals(tree)).toBe(true);
        expect(read.subarray(tree.length, tree.length + descriptorSize).equals(descriptor)).toBe(true);
        expect(debugfs(path, `bmap f ${first + onDisk.length / 4096}`).trim()).toBe('0');
      });
    });
  }

  oracleTest(['e2fsck'], 'a small file stays out of its inode, for verity needs extents', async () => {
    const node = file('x');
    await withImage(directory({ f: node }), { inlineData: readContent, verityTrees: new Map([[node, new Uint8Array(8192)]]) }, ({ path }) => {
      expect(complaints(path)).toBe('');
    });
    expect(layOutExt4(directory({ f: file('x') })).features).not.toContain('verity');
  });
});
