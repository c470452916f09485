/** Leaves of a large image: on disk they make the hash area that they make in memory. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { wholeContent } from '../../../src/image/content-reader.js';
import { LeafFile } from '../../../src/update/leaf-file.js';
import { buildHashArea } from '../../../src/verity/hash-tree.js';
import { LeafStore } from '../../../src/verity/leaf-store.js';
import { noise } from '../../helpers/make-tree.js';

test('8 MiB stay in memory, the rest goes to a file without a name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thawfs-leaves-'));
  const file = new LeafFile(join(folder, 'leaves'));
  try {
    const [salt, uuid] = [new Uint8Array(0), new Uint8Array(16)];
    const stores = [new LeafStore(salt), new LeafStore(salt, file)] as const;
    const leaves = noise(12_000_000 - 12_000_000 % 32, 1);
    for (const store of stores) {
      for (let at = 0; at < leaves.length; at += 3200) store.add(leaves.subarray(at, at + 3200));
      store.addZeroBlocks(10_000);
      store.add(leaves.subarray(0, 320));
    }
    expect(file.size).toBeGreaterThan(3_000_000);
    expect(file.size).toBeLessThan(4_000_000);
    expect(readdirSync(folder)).toEqual([]);
    const [inMemory, onDisk] = stores.map((store) => buildHashArea({ leaves: store, salt, uuid }));
    expect(Buffer.compare(onDisk!.rootHash, inMemory!.rootHash)).toBe(0);
    expect(Buffer.compare(wholeContent(onDisk!.content), wholeContent(inMemory!.content))).toBe(0);
  } finally {
    file.close();
    rmSync(folder, { recursive: true });
  }
});
