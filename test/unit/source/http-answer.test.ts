import { describe, expect, test } from '@jest/globals';
import { judgeRange, type Headers, type RemoteState } from '../../../src/source/http-answer.js';

const request = { location: 'http://host/a', offset: 100, length: 50 };
const opening = { ...request, offset: 0 };
const known: RemoteState = { size: 1000, etag: '"a"', lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT' };
const good: Headers = { 'content-range': 'bytes 100-149/1000', 'etag': '"a"', 'last-modified': known.lastModified };

function codeOf(judge: () => unknown): unknown {
  try {
    judge();
    return undefined;
  } catch (error) {
    return (error as { code: unknown }).code;
  }
}

describe('judging an answer', () => {
  test('a right answer tells the state', () => {
    expect(judgeRange(206, good, request)).toEqual(known);
    expect(judgeRange(206, good, request, known)).toEqual(known);
  });

  test('a range is cut at the end of the file', () => {
    expect(judgeRange(206, { 'content-range': 'bytes 100-119/120' }, request).size).toBe(120);
  });

  test.each([
    'bytes 100-148/1000', 'bytes 99-148/1000', 'bytes 100-150/1000', 'bytes 100-149/149', 'bytes 100-149/*', 'bytes */1000', 'bytes 100-149', 'octets 100-149/1000',
    'bytes 100-149/99999999999999999999', 'bytes 100-149/9007199254740993', ' bytes 100-149/1000', undefined,
  ])('content-range "%s" is another range', (range) => {
    expect(codeOf(() => judgeRange(206, { ...good, 'content-range': range }, request))).toBe('RANGE_NOT_SUPPORTED');
  });

  test('an encoded body is not the range', () => {
    expect(codeOf(() => judgeRange(206, { ...good, 'content-encoding': 'gzip' }, request))).toBe('RANGE_NOT_SUPPORTED');
    expect(judgeRange(206, { ...good, 'content-encoding': 'identity' }, request)).toEqual(known);
  });

  test.each<[string, Headers, typeof request, string | undefined]>([
    ['as large as asked', { 'content-length': '50' }, opening, undefined],
    ['larger', { 'content-length': '51' }, opening, 'RANGE_NOT_SUPPORTED'],
    ['of unknown length', {}, opening, 'RANGE_NOT_SUPPORTED'],
    ['for a later range', { 'content-length': '50' }, request, 'RANGE_NOT_SUPPORTED'],
    ['encoded', { 'content-length': '50', 'content-encoding': 'br' }, opening, 'RANGE_NOT_SUPPORTED'],
  ])('the whole file, %s', (_, headers, asked, expected) => {
    expect(codeOf(() => judgeRange(200, headers, asked))).toBe(expected);
  });

  test.each<[string, Headers, string | undefined]>([
    ['another ETag', { ...good, etag: '"b"' }, 'SOURCE_CHANGED'],
    ['the same ETag, weak', { ...good, etag: 'W/"a"' }, undefined],
    ['the same ETag and another date (a mirror)', { ...good, 'last-modified': 'Tue, 02 Jan 2024 00:00:00 GMT' }, undefined],
    ['no ETag and another date', { ...good, 'etag': undefined, 'last-modified': 'Tue, 02 Jan 2024 00:00:00 GMT' }, 'SOURCE_CHANGED'],
    ['neither ETag nor date', { 'content-range': good['content-range'] }, undefined],
    ['another size', { ...good, 'content-range': 'bytes 100-149/1001' }, 'SOURCE_CHANGED'],
  ])('%s', (_, headers, expected) => {
    expect(codeOf(() => judgeRange(206, headers, request, known))).toBe(expected);
  });

  test.each<[number, string, boolean | undefined]>([
    [401, 'AUTH_REQUIRED', false], [403, 'AUTH_REQUIRED', false], [407, 'AUTH_REQUIRED', false], [404, 'OBJECT_MISSING', false], [410, 'OBJECT_MISSING', false],
    [416, 'TRUNCATED', false], [408, 'HTTP_STATUS', true], [429, 'HTTP_STATUS', true], [500, 'HTTP_STATUS', true], [502, 'HTTP_STATUS', true],
    [503, 'HTTP_STATUS', true], [504, 'HTTP_STATUS', true], [400, 'HTTP_STATUS', false], [204, 'HTTP_STATUS', false], [304, 'HTTP_STATUS', false], [501, 'HTTP_STATUS', false],
  ])('status %d is %s, retryable %s', (status, code, retryable) => {
    expect(() => judgeRange(status, {}, request)).toThrow(expect.objectContaining({ code, detail: expect.objectContaining({ status, retryable }) }));
  });

  test('416 for a range inside the file that was opened means that the file is another', () => {
    expect(codeOf(() => judgeRange(416, {}, request, known))).toBe('SOURCE_CHANGED');
  });

  test.each<[string | undefined, number | undefined]>([['2', 2000], ['0', 0], ['Wed, 21 Oct 2026 07:28:00 GMT', undefined], ['-1', undefined], [undefined, undefined]])('retry-after %s', (text, retryAfter) => {
    expect(() => judgeRange(503, { 'retry-after': text }, request)).toThrow(expect.objectContaining({ detail: expect.objectContaining({ retryAfter }) }));
  });
});
