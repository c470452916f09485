import { expect, test } from '@jest/globals';
import { verityTreesOf } from '../../../src/image/verity-files.js';
import type { FileNode } from '../../../src/model/tree.js';
import { parseDump } from '../../../src/tree/dump.js';
import { GiB } from '../../../src/units.js';

test('a sparse file whose digests do not fit into memory is refused by name', () => {
  const tree = parseDump('/ directory 0755 0 0 0.000000000 - - - -\n/sparse file 0644 0 0 0.000000000 0 - - -\n');
  (tree.children.get('sparse') as FileNode).content = { size: 2048 * GiB, pieces: [] };
  expect(() => verityTreesOf(tree)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', detail: { path: 'sparse', size: 2048 * GiB, limit: 64 * GiB } }));
});
