/** fs-verity files laid out as the kernel does it (fs/ext4/verity.c), tree and descriptor by the fsverity tool. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { makeImage, run } from '../../helpers/ext4-image.js';
import { withFileImage } from '../../helpers/file-image.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const VERITY_AND_EXTENTS = '0x180000';

describe('fs-verity', () => {
  for (const size of [1, 4096, 70_000, 1_000_000]) {
    oracleTest(['mkfs.ext4', 'debugfs', 'fsverity'], `${size} bytes: content, tree and descriptor are told apart`, () => withTempDir((temp) => {
      const source = join(temp, 'source');
      mkdirSync(source);
      const file = join(source, 'file');
      const content = noise(size, size);
      writeFileSync(file, content);
      const digest = run('fsverity', 'digest', '--compact', `--out-merkle-tree=${join(temp, 'tree')}`, `--out-descriptor=${join(temp, 'descriptor')}`, file).trim();
      const [tree, descriptor] = [readFileSync(join(temp, 'tree')), readFileSync(join(temp, 'descriptor'))];
      const last = Buffer.alloc(4096);
      descriptor.copy(last);
      last.writeUInt32LE(descriptor.length, 4092);
      writeFileSync(file, Buffer.concat([content, Buffer.alloc(Math.ceil(size / 65_536) * 65_536 - size), tree, last]));
      const image = join(temp, 'image');
      makeImage(image, '-b 4096 -O verity', source, 32 << 20);
      run('debugfs', '-w', '-R', `set_inode_field file size ${size}`, image);
      run('debugfs', '-w', '-R', `set_inode_field file flags ${VERITY_AND_EXTENTS}`, image);

      withFileImage(image, (access) => {
        const reader = new Ext4Reader(access);
        const { inode } = reader.resolve('/file');
        expect(Buffer.from(reader.read(inode, 0, 10_000_000))).toEqual(content);
        const verity = reader.verity(inode)!;
        expect(createHash('sha256').update(verity.descriptor).digest('hex')).toBe(digest);
        const stored = Buffer.concat(verity.tree.map(({ physical, length }) => access.read(physical, length)));
        expect(stored).toEqual(tree);
        checkStructure(reader);
        expect(reader.verity(reader.inode(2))).toBeUndefined();
      });
    }));
  }
});
