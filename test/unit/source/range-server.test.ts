/** The fake server itself: a wrong judge would pass wrong clients. Asked with Node's own client. */
import { get } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { withRangeServer } from '../../helpers/range-server.js';

const content = Buffer.from('0123456789');

interface Got { status: number | undefined; range: string | undefined; length: string | undefined; body: string }

function ask(url: string, range: string | undefined): Promise<Got> {
  return new Promise((resolve, reject) => {
    get(url, { headers: range === undefined ? {} : { range } }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => { body += part.toString(); });
      response.on('end', () => {
        resolve({ status: response.statusCode, range: response.headers['content-range'], length: response.headers['content-length'], body });
      });
    }).on('error', reject);
  });
}

describe('range server', () => {
  test.each([
    ['bytes=0-3', { status: 206, range: 'bytes 0-3/10', length: '4', body: '0123' }],
    ['bytes=9-9', { status: 206, range: 'bytes 9-9/10', length: '1', body: '9' }],
    ['bytes=8-100', { status: 206, range: 'bytes 8-9/10', length: '2', body: '89' }],
    ['bytes=7-', { status: 206, range: 'bytes 7-9/10', length: '3', body: '789' }],
    ['bytes=-2', { status: 206, range: 'bytes 8-9/10', length: '2', body: '89' }],
    ['bytes=10-11', { status: 416, range: 'bytes */10', length: '0', body: '' }],
    ['lines=1-2', { status: 200, range: undefined, length: '10', body: '0123456789' }],
    [undefined, { status: 200, range: undefined, length: '10', body: '0123456789' }],
  ])('%s', async (range, expected) => {
    await withRangeServer(content, {}, async (server) => {
      expect(await ask(server.url, range)).toEqual(expected);
      expect(server.seen).toEqual([expect.objectContaining({ method: 'GET', range })]);
      expect(server.bytesSent).toBe(expected.body.length);
    });
  });
});
