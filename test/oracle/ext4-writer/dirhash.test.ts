/** The directory hashes against e2fsprogs' own, all versions, signed and unsigned, every length. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { toBytes } from '../../../src/bytes/byte-string.js';
import { hashVersions } from '../../../src/format/ext4/directory.js';
import { superblock, superblockFlags } from '../../../src/format/ext4/superblock.js';
import { directoryHash, hashSeed } from '../../../src/ext4/dirhash.js';
import { takeInventory } from '../../../src/ext4/writer/inventory.js';
import { HASH_SEED } from '../../../src/ext4/writer/parameters.js';
import { debugfs, withImage } from '../../helpers/ext4-judges.js';
import { directory, file } from '../../helpers/nodes.js';
import { oracleTest } from '../../helpers/oracle.js';

const signed = { legacy: hashVersions.legacy, half_md4: hashVersions.halfMd4, tea: hashVersions.tea };
const seeds = { 'no seed': new Uint8Array(16), 'a seed': Uint8Array.from({ length: 16 }, (_, i) => 0xf0 - 7 * i) };

/** Characters that debugfs takes as they are, half of them beyond ASCII. */
const names = Array.from({ length: 255 }, (_, i) => Array.from({ length: i + 1 }, (__, k) => String.fromCharCode(k % 2 === 0 ? 0x61 + (i * 5 + k) % 26 : 0xa1 + (i * 11 + k * 3) % 94)).join(''));

function uuidText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

describe('directory hashes equal those of debugfs', () => {
  for (const [name, version] of Object.entries(signed)) {
    for (const [label, seed] of Object.entries(seeds)) {
      oracleTest(['debugfs'], `${name}, ${label}`, () => {
        const requests = names.map((each) => `dx_hash -h ${name} -s ${uuidText(seed)} ${each}\n`).join('');
        const { stdout } = spawnSync('debugfs', ['-f', '-'], { input: toBytes(requests), encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } });
        const theirs = [...stdout.matchAll(/^Hash of (.+) is (0x[0-9a-f]+)/gm)].map((match) => Number(match[2]));
        expect(theirs).toHaveLength(names.length);
        expect(names.map((each) => directoryHash(each, { version, seed: hashSeed(seed) }))).toEqual(theirs);
      });
    }

    // dx_hash knows no unsigned forms, but htree_dump hashes as the superblock says: so an indexed directory is told to be unsigned.
    oracleTest(['debugfs'], `${name}, unsigned`, async () => {
      const tree = directory(names.map((each) => [each, file()] as const));
      await withImage(tree, {}, ({ path }) => {
        const image = readFileSync(path);
        image.writeUInt32LE(superblockFlags.of('unsignedDirectoryHash'), 1024 + superblock.offsetOf('flags'));
        const root = Number(debugfs(path, 'bmap / 0'));
        image[root * 4096 + 28] = version;
        writeFileSync(path, image);

        const dump = spawnSync('debugfs', ['-n', '-R', 'htree_dump /', path], { encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } }).stdout;
        const theirs = new Map([...dump.matchAll(/(\d+) (0x[0-9a-f]{8})-[0-9a-f]{8} \(\d+\)/g)].map((match) => [Number(match[1]), Number(match[2])]));
        const { inodes, entryNames, entryNodes } = takeInventory(tree);
        const ours = new Map(entryNames.map((each, at) => [inodes[entryNodes[at]!]!, directoryHash(each, { version: version + hashVersions.legacyUnsigned, seed: hashSeed(HASH_SEED) })]));
        expect(theirs.size).toBe(names.length);
        expect([...theirs].sort()).toEqual([...ours].sort());
      });
    });
  }
});
