import { describe, expect, test } from '@jest/globals';
import { array, bytes, chars, i32le, reserved, struct, toSafeNumber, u16be, u16le, u32le, u64le, u8, zeros } from '../../../src/bytes/struct.js';

const record = struct('sample', 40, [
  [0, 'magic', bytes(4), ''],
  [4, 'small', u8, ''],
  [5, 'pad1', zeros(1), ''],
  [6, 'port', u16be, ''],
  [8, 'count', u32le, ''],
  [12, 'signed', i32le, ''],
  [16, 'size', u64le, ''],
  [24, 'name', chars(8), ''],
  [32, 'pair', array(u16le, 2), ''],
  [36, 'pad2', reserved(4), ''],
]);

const value = { magic: Uint8Array.of(1, 2, 3, 4), small: 200, port: 0x1234, count: 0xfffffffe, signed: -5, size: 2n ** 63n, name: 'abc', pair: [7, 65535] };

describe('struct', () => {
  test('what is encoded is decoded again', () => {
    expect(record.decode(record.encode(value))).toEqual(value);
  });

  test('numbers lie where and as the table says', () => {
    const encoded = record.encode(value);
    expect([...encoded.subarray(4, 16)]).toEqual([200, 0, 0x12, 0x34, 0xfe, 0xff, 0xff, 0xff, 0xfb, 0xff, 0xff, 0xff]);
    expect(record.offsetOf('size')).toBe(16);
  });

  test('fields left out are zero, also over old bytes', () => {
    const target = new Uint8Array(50).fill(0xff);
    record.encode({ small: 1 }, target, 5);
    expect([...target.subarray(5, 45)]).toEqual([0, 0, 0, 0, 1, ...new Array<number>(35).fill(0)]);
    expect(target[4]).toBe(0xff);
    expect(target[45]).toBe(0xff);
  });

  test('decoding copies: changing the source later does not change the value', () => {
    const source = record.encode(value);
    const decoded = record.decode(source);
    source.fill(0);
    expect([...decoded.magic]).toEqual([1, 2, 3, 4]);
  });

  test('too few bytes are refused', () => {
    expect(() => record.decode(new Uint8Array(39))).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
    expect(() => record.decode(new Uint8Array(60), 21)).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
    expect(() => record.decode(new Uint8Array(60), -1)).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
  });

  test('padding: must-be-zero is judged, reserved is not', () => {
    const encoded = record.encode(value);
    encoded[38] = 9;
    expect(record.decode(encoded)).toEqual(value);
    encoded[5] = 1;
    expect(() => record.decode(encoded)).toThrow(expect.objectContaining({ code: 'BAD_FIELD', detail: { record: 'sample', field: 'pad1', offset: 5 } }));
  });

  test('a table with a gap, an overlap, a double name or a wrong total does not load', () => {
    expect(() => struct('t', 8, [[0, 'a', u32le], [5, 'b', u8]])).toThrow(/previous field ends at 4/);
    expect(() => struct('t', 8, [[0, 'a', u32le], [3, 'b', u8]])).toThrow(/previous field ends at 4/);
    expect(() => struct('t', 8, [[0, 'a', u32le], [4, 'a', u32le]])).toThrow(/twice/);
    expect(() => struct('t', 9, [[0, 'a', u32le], [4, 'b', u32le]])).toThrow(/fields end at 8/);
  });

  test('values that do not fit are refused, not cut', () => {
    expect(() => record.encode({ magic: new Uint8Array(5) })).toThrow(RangeError);
    expect(() => record.encode({ pair: [1, 2, 3] })).toThrow(RangeError);
  });
});

test('toSafeNumber stops at 2^53-1', () => {
  expect(toSafeNumber(2n ** 53n - 1n, 'f')).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => toSafeNumber(2n ** 53n, 'f')).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', detail: { field: 'f' } }));
});
