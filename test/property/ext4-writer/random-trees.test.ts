/** Whatever the tree, e2fsck has nothing to say, and our own reader gives the tree back. */
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { readTree } from '../../../src/ext4/reader/tree.js';
import type { Ext4Options } from '../../../src/ext4/writer/writer.js';
import { walk, type DirectoryNode } from '../../../src/model/tree.js';
import { formatDump } from '../../../src/tree/dump.js';
import { createHash } from 'node:crypto';
import { arbitraryTree } from '../../helpers/arbitrary-tree.js';
import { complaints, withImage } from '../../helpers/ext4-judges.js';
import { withFileImage } from '../../helpers/file-image.js';
import { oracleTest } from '../../helpers/oracle.js';
import { readContent } from '../../helpers/tree-model.js';

const options: fc.Arbitrary<Ext4Options> = fc.record({
  journal: fc.boolean(), inlineData: fc.constantFrom(undefined, readContent), freeBytes: fc.constantFrom(0, 1, 5_000_000, 200_000_000),
}).map(({ inlineData, ...rest }) => (inlineData === undefined ? rest : { ...rest, inlineData }));

function dump(root: DirectoryNode): string {
  return formatDump(root, ({ content }) => createHash('sha256').update(readContent(content)).digest('hex'));
}

oracleTest(['e2fsck'], 'random trees: silent check, equal when read back', async () => {
  let nodes = 0;
  await fc.assert(fc.asyncProperty(arbitraryTree, options, async (tree, given) => {
    nodes += [...walk(tree)].length;
    await withImage(tree, given, ({ path }) => {
      expect(complaints(path)).toBe('');
      withFileImage(path, (image) => { expect(dump(readTree(new Ext4Reader(image)))).toBe(dump(tree)); });
    });
  }), { numRuns: 150 });
  expect(nodes).toBeGreaterThan(1000);
}, 600_000);
