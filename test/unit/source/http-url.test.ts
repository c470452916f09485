import { describe, expect, test } from '@jest/globals';
import { printable, splitCredentials } from '../../../src/source/http-url.js';

describe('URLs', () => {
  test.each([
    ['https://joe:secret@host/a%20b.img.zst?token=secret#x', 'https://host/a%20b.img.zst?…'],
    ['http://[::1]:8080/a', 'http://[::1]:8080/a'],
    ['/srv/a?b', '/srv/a?b'],
    ['http:a', 'http://a/'],
    ['ext4:/dev/vda', 'ext4:/dev/vda'],
  ])('%s is printed as %s', (location, printed) => { expect(printable(location)).toBe(printed); });

  test('credentials are taken apart, whatever bytes they have', () => {
    const { origin, credentials } = splitCredentials('http://j%C3%B6:a%3Ab%zz@host/');
    expect(origin.href).toBe('http://host/');
    expect(Buffer.from(credentials!).toString()).toBe('j\u00f6:a:b%zz');
  });
});
