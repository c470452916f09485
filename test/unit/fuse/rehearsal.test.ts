import { expect, test } from '@jest/globals';
import { ChunkMissing } from '../../../src/bytes/random-access.js';
import { Session } from '../../../src/fuse/session.js';
import { SingleFile } from '../../../src/fuse/single-file.js';

const NOBODY = -1; // a descriptor that nothing can be written to

/** @returns where the file was read, and what else was thrown */
function rehearse(enough: () => boolean = () => false, missing = false): { read: number[]; failures: unknown[] } {
  const read: number[] = [];
  const failures: unknown[] = [];
  const fileSystem = new SingleFile('image', {
    size: 300_000,
    readInto: (target, offset) => {
      expect(target.length).toBe(4096);
      read.push(offset);
      if (missing) throw new ChunkMissing([0]);
    },
  });
  const unused = (): void => { throw new Error('a rehearsal has no audience'); };
  new Session({ fd: NOBODY, fileSystem, validSeconds: 1, defer: unused, interrupted: unused, busy: unused, errnoOf: (error) => { failures.push(error); return 5; } }).rehearse(enough);
  return { read, failures };
}

test('looks up and reads what there is, and tells nobody', () => {
  expect(rehearse()).toEqual({ read: [0, 131_072, 262_144], failures: [] });
});

test('goes on where bytes are not here', () => {
  expect(rehearse(undefined, true)).toEqual({ read: [0, 131_072, 262_144], failures: [] });
});

test('stops when it is told to', () => {
  let left = 3; // a look-up, attributes, one read
  expect(rehearse(() => left-- === 0).read).toEqual([0]);
});
