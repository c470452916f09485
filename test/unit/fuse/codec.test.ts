import { constants } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { ChunkMissing } from '../../../src/bytes/random-access.js';
import {
  attributes, attributesReply, directoryEntry, entryReply, readRequest, replyHeader, requestHeader, statfsReply, xattrReply,
} from '../../../src/format/fuse.js';
import { answer } from '../../../src/fuse/dispatch.js';
import { encodeDevice, FuseError, type FileSystem, type NodeAttributes } from '../../../src/fuse/file-system.js';
import { Reply } from '../../../src/fuse/reply.js';
import { Request } from '../../../src/fuse/request.js';
import { describe as describeRequest } from '../../../src/fuse/trace.js';

const sample: NodeAttributes = {
  inode: 2 ** 40 + 5, mode: 0o104755, linkCount: 3, uid: 4_000_000_000, gid: 7, device: encodeDevice(259, 70_000), size: 2 ** 45 + 1, blocks: 2 ** 36, blockSize: 4096,
  atimeSeconds: -1, atimeNanoseconds: 1, mtimeSeconds: -2_208_988_800, mtimeNanoseconds: 999_999_999, ctimeSeconds: 4_102_444_800, ctimeNanoseconds: 2,
};

/** A file system whose methods all fail unless given. */
function fake(methods: Partial<FileSystem>): FileSystem {
  return new Proxy(methods, {
    get: (target, name) => Reflect.get(target, name) as unknown ?? (() => { throw new Error(`${String(name)} was called`); }),
  }) as FileSystem;
}

function requestOf(opcode: number, body: Uint8Array, unique = 77n): Request {
  const bytes = new Uint8Array(requestHeader.size + body.length);
  requestHeader.encode({ length: bytes.length, opcode, unique, nodeId: 9n, uid: 7, pid: 33 }, bytes);
  bytes.set(body, requestHeader.size);
  const request = new Request(bytes);
  expect(request.accept(bytes.length)).toBe(true);
  return request;
}

const newReply = (): Reply => new Reply(new Uint8Array(8192).fill(0xee), 3600);
const EIO = (): number => constants.errno.EIO;

function run(fileSystem: Partial<FileSystem>, request: Request, errnoOf: (error: unknown) => number = EIO): { error: number; body: Uint8Array; unique: bigint } {
  const reply = newReply();
  expect(answer(fake(fileSystem), request, reply, errnoOf)).toBe(true);
  const bytes = reply.finish().slice();
  const header = replyHeader.decode(bytes);
  expect(header.length).toBe(bytes.length);
  return { error: header.error | 0, body: bytes.subarray(replyHeader.size), unique: header.unique };
}

const name = (text: string): Uint8Array => Buffer.from(`${text}\0`);

describe('hand-written codecs agree with the tables of format/fuse.ts', () => {
  function expectAttributes(bytes: Uint8Array): void {
    const decoded = attributes.decode(bytes);
    expect(decoded).toEqual({
      inode: BigInt(sample.inode), size: BigInt(sample.size), blocks: BigInt(sample.blocks),
      atime: BigInt.asUintN(64, -1n), mtime: BigInt.asUintN(64, -2_208_988_800n), ctime: 4_102_444_800n,
      atimeNanoseconds: 1, mtimeNanoseconds: 999_999_999, ctimeNanoseconds: 2, mode: sample.mode, linkCount: 3,
      uid: 4_000_000_000, gid: 7, device: sample.device, blockSize: 4096, flags: 0,
    });
  }

  test('request header', () => {
    const request = requestOf(15, new Uint8Array(readRequest.size), 2n ** 63n + 4n);
    expect([request.opcode, request.nodeId, request.uid, request.pid, request.unique, request.bodyLength]).toEqual([15, 9, 7, 33, 2n ** 63n + 4n, 40]);
  });

  test('GETATTR', () => {
    const { body, error, unique } = run({ getAttributes: () => sample }, requestOf(3, new Uint8Array(16)));
    expect([error, unique, body.length]).toEqual([0, 77n, attributesReply.size]);
    expect(attributesReply.decode(body)).toEqual({ valid: 3600n, validNanoseconds: 0 });
    expectAttributes(body.subarray(attributesReply.offsetOf('valid') + 16));
  });

  test('LOOKUP, found and not', () => {
    const found = run({ lookup: (node, text) => node === 9 && text === 'etc' ? { node: 2 ** 41, generation: 6, attributes: sample } : undefined }, requestOf(1, name('etc')));
    expect(entryReply.decode(found.body)).toEqual({
      nodeId: 2n ** 41n, generation: 6n, entryValid: 3600n, attributesValid: 3600n, entryValidNanoseconds: 0, attributesValidNanoseconds: 0,
    });
    expectAttributes(found.body.subarray(40));
    const absent = run({ lookup: () => undefined }, requestOf(1, name('nope')));
    expect(entryReply.decode(absent.body)).toMatchObject({ nodeId: 0n, entryValid: 3600n });
  });

  test('READ passes offset and size, and may answer less', () => {
    const body = readRequest.encode({ offset: 2n ** 40n + 3n, size: 4096, handle: 5n });
    const seen: unknown[] = [];
    const { body: data } = run({ read: (node, offset, target) => { seen.push(node, offset, target.length); target.set([1, 2, 3]); return 3; } }, requestOf(15, body));
    expect(seen).toEqual([9, 2 ** 40 + 3, 4096]);
    expect([...data]).toEqual([1, 2, 3]);
  });

  test('READDIR and READDIRPLUS pack items until the room is full, and resume at the offset', () => {
    const items = [{ name: '.', inode: 9, mode: 0o040000 }, { name: 'a', inode: 11, mode: 0o100000 }, { name: 'longer-name', inode: 12, mode: 0o120000 }];
    const list = (_: number, from: number): typeof items => items.slice(from);
    const plain = run({ list }, requestOf(28, readRequest.encode({ offset: 1n, size: 4096 }))).body;
    expect(directoryEntry.decode(plain)).toEqual({ inode: 11n, offset: 2n, nameLength: 1, type: 8 });
    expect(directoryEntry.decode(plain, 32)).toEqual({ inode: 12n, offset: 3n, nameLength: 11, type: 10 });
    expect(Buffer.from(plain.subarray(56, 67)).toString()).toBe('longer-name');
    expect(plain.length).toBe(32 + 40);
    // Room for the first with its entry only.
    const plus = run({ list, entry: (inode) => ({ node: inode - 10, generation: 0, attributes: sample }) }, requestOf(44, readRequest.encode({ offset: 0n, size: 340 }))).body;
    expect(entryReply.decode(plus).nodeId).toBe(0n); // "." comes without an entry
    expect(entryReply.decode(plus, 160).nodeId).toBe(1n);
    expect(directoryEntry.decode(plus, 160 + 128)).toMatchObject({ inode: 11n, offset: 2n });
    expect(plus.length).toBe(320);
  });

  test('STATFS and xattrs', () => {
    const statistics = { blockSize: 4096, blocks: 10, blocksFree: 1, files: 20, filesFree: 2 };
    const { body } = run({ statistics: () => statistics }, requestOf(17, new Uint8Array()));
    expect(statfsReply.decode(body)).toMatchObject({ blocks: 10n, blocksFree: 1n, blocksAvailable: 1n, files: 20n, filesFree: 2n, blockSize: 4096, nameLength: 255, fragmentSize: 4096 });
    expect(body.length).toBe(statfsReply.size);
    const getXattr = (_: number, key: string): Uint8Array | undefined => key === 'user.a' ? new Uint8Array([1, 2]) : undefined;
    const sized = (size: number, key: string): Uint8Array => Buffer.concat([new Uint8Array(new Uint32Array([size, 0]).buffer), name(key)]);
    expect(xattrReply.decode(run({ getXattr }, requestOf(22, sized(0, 'user.a'))).body).size).toBe(2);
    expect([...run({ getXattr }, requestOf(22, sized(2, 'user.a'))).body]).toEqual([1, 2]);
    expect(run({ getXattr }, requestOf(22, sized(1, 'user.a'))).error).toBe(-constants.errno.ERANGE);
    expect(run({ getXattr }, requestOf(22, sized(8, 'user.b'))).error).toBe(-constants.errno.ENODATA);
    const { body: names } = run({ listXattrs: () => ['user.a', 'user.bc'] }, requestOf(23, new Uint8Array(new Uint32Array([100, 0]).buffer)));
    expect(Buffer.from(names).toString()).toBe('user.a\0user.bc\0');
  });
});

describe('what goes wrong', () => {
  test('a request shorter than its length, or than a header, is not accepted', () => {
    const request = new Request(requestHeader.encode({ length: 41, opcode: 3 }));
    expect(request.accept(40)).toBe(false);
    expect(request.accept(12)).toBe(false);
  });

  test.each([[1, 0], [15, 39], [22, 9], [28, 12], [46, 23]])('opcode %i with %i body bytes is EINVAL before anybody looks at it', (opcode, size) => {
    expect(run({}, requestOf(opcode, new Uint8Array(size))).error).toBe(-constants.errno.EINVAL);
  });

  test('a name without its NUL is EINVAL', () => {
    expect(run({}, requestOf(1, Buffer.from('abc'))).error).toBe(-constants.errno.EINVAL);
  });

  test('writing is EROFS, opening and the unknown are ENOSYS', () => {
    for (const opcode of [4, 6, 8, 9, 10, 11, 12, 13, 16, 21, 24, 35, 45]) expect(run({}, requestOf(opcode, new Uint8Array(64))).error).toBe(-constants.errno.EROFS);
    for (const opcode of [14, 25, 27, 34, 50, 999]) expect(run({}, requestOf(opcode, new Uint8Array(64))).error).toBe(-constants.errno.ENOSYS);
  });

  test('a throw becomes an errno and nothing of the answer so far; a missing chunk is passed on', () => {
    const request = requestOf(3, new Uint8Array(16));
    expect(run({ getAttributes: () => { throw new FuseError(2); } }, request)).toMatchObject({ error: -2, body: new Uint8Array(0) });
    expect(run({ getAttributes: () => { throw new Error('broken'); } }, request, () => 117).error).toBe(-117);
    const missing = new ChunkMissing([4]);
    expect(() => answer(fake({ getAttributes: () => { throw missing; } }), request, newReply(), EIO)).toThrow(missing);
  });

  test('FORGET and INTERRUPT have no reply', () => {
    for (const opcode of [2, 36, 42]) expect(answer(fake({}), requestOf(opcode, new Uint8Array(16)), newReply(), EIO)).toBe(false);
  });

  test('a READ beyond what a reply can hold is refused', () => {
    expect(run({}, requestOf(15, readRequest.encode({ size: 2 ** 30 }))).error).toBe(-constants.errno.EINVAL);
  });
});

test('a request and its outcome in one line', () => {
  const reply = newReply();
  const request = requestOf(1, name('etc'));
  answer(fake({ lookup: () => undefined }), request, reply, EIO);
  expect(describeRequest(request, reply)).toBe('#77 LOOKUP node 9 "etc" by 33: 128 bytes');
  answer(fake({ lookup: () => { throw new FuseError(2); } }), request, reply, EIO);
  expect(describeRequest(request, reply)).toBe('#77 LOOKUP node 9 "etc" by 33: ENOENT');
  expect(describeRequest(requestOf(15, readRequest.encode({ offset: 5n, size: 6 })), new ChunkMissing([3, 4]))).toBe('#77 READ node 9 5+6 by 33: waits for 2 chunks from 3');
});
