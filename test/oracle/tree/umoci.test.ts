/** Random stacks of layers, flattened by us and unpacked by umoci: the same files, or both refuse. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import fc from 'fast-check';
import { openTree } from '../../../src/tree/open-source.js';
import type { TreeSource } from '../../../src/tree/tree-source.js';
import { compareMounted } from '../../helpers/compare-mounted.js';
import { LAYER, putBlob, putImage, putIndex } from '../../helpers/oci-layout.js';
import { oracleTest } from '../../helpers/oracle.js';
import { archive, entry, type EntryFields } from '../../helpers/tar-writer.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const name = fc.constantFrom('a', 'b');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const whiteout = (hidden: string): string => hidden.replace(/[^/]+$/, '.wh.$&');
const opaque = (inside: string): string => inside.replace(/[^/]+$/, '.wh..wh..opq');
/** Never one that would replace its own target: we take what was there before, umoci finds it gone. */
const link = fc.record({ name: path, type: fc.constant('1'), linkName: path }).filter(({ name: at, linkName }) => !`${linkName}/`.startsWith(`${at}/`));
const member: fc.Arbitrary<EntryFields> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ name: path, data: fc.string({ maxLength: 3 }) }) },
  { weight: 3, arbitrary: path.map((at) => ({ name: `${at}/`, type: '5', mode: 0o755 })) },
  { weight: 2, arbitrary: fc.record({ name: path, type: fc.constant('2'), linkName: fc.constantFrom('a', 'b', '../a', '/b', 'b/a', 'nowhere') }) },
  { weight: 1, arbitrary: link },
  { weight: 3, arbitrary: path.map((at) => ({ name: whiteout(at) })) },
  { weight: 1, arbitrary: path.map((at) => ({ name: opaque(at) })) },
);
const layer = fc.uniqueArray(member, { minLength: 1, maxLength: 7, selector: ({ name: at }) => at!.replace(/\/$/, '') });

/** @returns undefined when it refuses */
async function ours(spec: string): Promise<TreeSource | undefined> {
  return openTree(spec).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'BAD_FIELD' });
    return undefined;
  });
}

function unpacks(image: string, bundle: string): boolean {
  try {
    execFileSync('umoci', ['unpack', '--image', image, bundle], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

describe('layers', () => {
  oracleTest(['umoci', 'root'], 'random stacks are what umoci makes of them', () => withTempDir(async (temp) => {
    let count = 0;
    let compared = 0;
    await fc.assert(fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 4 }), async (layers) => {
      const directory = `${temp}/${count++}`;
      mkdirSync(directory);
      const blobs = layers.map((members) => putBlob(`${directory}/layout`, archive(...members.map((fields) => entry({ mtime: 1_000_000_000, ...fields }))), LAYER));
      putIndex(`${directory}/layout`, [{ ...putImage(`${directory}/layout`, blobs), annotations: { 'org.opencontainers.image.ref.name': 't' } }]);
      const source = await ours(`oci:${directory}/layout:t`);
      expect(unpacks(`${directory}/layout:t`, `${directory}/bundle`)).toBe(source !== undefined);
      if (source === undefined) return;
      // Directories that no entry names have the time of the unpacking there; so have those that lost an entry.
      expect(compareMounted(source.root, `${directory}/bundle/rootfs`).filter((line) => !line.includes(': mtime is '))).toEqual([]);
      compared++;
    }), { numRuns: 60, seed: 20 });
    expect(compared).toBeGreaterThan(10);
  }));
});
