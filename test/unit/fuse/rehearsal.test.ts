import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ChunkMissing } from '../../../src/bytes/random-access.js';
import { Session, type SessionOptions } from '../../../src/fuse/session.js';
import { SingleFile } from '../../../src/fuse/single-file.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const NOBODY = -1; // a descriptor that nothing can be written to

interface Stage { readonly session: Session; /** Where the file was read. */ readonly read: number[]; /** What else was thrown. */ readonly failures: unknown[] }

function stage({ size = 300_000, missing = false, ...options }: Partial<SessionOptions> & { readonly size?: number; readonly missing?: boolean } = {}): Stage {
  const read: number[] = [];
  const failures: unknown[] = [];
  const fileSystem = new SingleFile('image', {
    size,
    readInto: (target, offset) => {
      expect(target.length).toBe(4096);
      read.push(offset);
      if (missing) throw new ChunkMissing([0]);
    },
  });
  const unused = (): void => { throw new Error('a rehearsal has no audience'); };
  const session = new Session({ fd: NOBODY, fileSystem, validSeconds: 1, rehearsedReads: 128, defer: unused, interrupted: unused, busy: unused, errnoOf: (error) => { failures.push(error); return 5; }, ...options });
  return { session, read, failures };
}

const never = (): boolean => false;
const ALL = [0, 131_072, 262_144];

test.each([false, true])('looks up and reads what there is, and tells nobody; goes on where bytes are not here (%p)', (missing) => {
  const { session, read, failures } = stage({ missing });
  session.rehearse(never);
  expect({ read, failures }).toEqual({ read: ALL, failures: [] });
});

test('stops when it is told to, and goes on there', () => {
  const { session, read } = stage();
  let left = 3; // a look-up, attributes, one read
  session.rehearse(() => left-- === 0);
  expect(read).toEqual([0]);
  session.rehearse(never);
  session.rehearse(never);
  expect(read).toEqual(ALL);
});

test('reads all over a large file, as often as it was told', () => {
  const size = 2 ** 36;
  const { session, read } = stage({ size });
  session.rehearse(never);
  expect(read.length).toBe(128);
  expect(read.at(-1)).toBeGreaterThan(size * 0.98);
});

test('a session that nobody asks anything rehearses, aside', () => withTempDir((folder) => {
  execFileSync('mkfifo', [`${folder}/pipe`]);
  const pipe = openSync(`${folder}/pipe`, 'r+');
  const fd = openSync(`${folder}/pipe`, 'w'); // never readable, and reading it is an error: that ends the session
  try {
    let plays = 0;
    const { session, read } = stage({ fd, aside: (play) => { plays++; play(); plays++; } });
    expect(() => { session.serve(); }).toThrow('EBADF');
    expect({ read, plays }).toEqual({ read: ALL, plays: 2 });
  } finally {
    closeSync(fd);
    closeSync(pipe);
  }
}));
