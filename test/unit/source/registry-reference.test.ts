import { describe, expect, test } from '@jest/globals';
import { besideReference, parseReference } from '../../../src/source/registry-reference.js';

const digest = `sha256:${'a'.repeat(64)}`;

describe('names in registries', () => {
  test.each([
    ['oci://ghcr.io/example/app:2', 'https://ghcr.io', 'example/app', '2', undefined],
    ['oci://ghcr.io/example/app', 'https://ghcr.io', 'example/app', 'latest', undefined],
    [`oci://ghcr.io/a/b/c@${digest}`, 'https://ghcr.io', 'a/b/c', 'latest', digest],
    [`oci://r.example.org:5000/app:v1.0_x@${digest}`, 'https://r.example.org:5000', 'app', 'v1.0_x', digest],
    ['oci://docker.io/debian:12', 'https://registry-1.docker.io', 'library/debian', '12', undefined],
    ['OCI://docker.io/example/app', 'https://registry-1.docker.io', 'example/app', 'latest', undefined],
    ['oci://localhost:5000/app', 'http://localhost:5000', 'app', 'latest', undefined],
    ['oci://127.0.0.1:5000/app', 'http://127.0.0.1:5000', 'app', 'latest', undefined],
    ['oci://[::1]:5000/app', 'http://[::1]:5000', 'app', 'latest', undefined],
    ['oci://127.0.0.1.example.org/app', 'https://127.0.0.1.example.org', 'app', 'latest', undefined],
  ])('%s', (location, origin, repository, tag, pinned) => {
    expect(parseReference(location)).toMatchObject({ location, origin, repository, tag, digest: pinned });
  });

  test.each([
    'oci://', 'oci://host', 'oci://host/', 'oci:///app', 'oci://host/App', 'oci://host/a//b', 'oci://host/../b', 'oci://host/app:', 'oci://host/app:a/b', 'oci://host/app:-1',
    `oci://host/app:${'x'.repeat(129)}`, 'oci://host/app@sha256:12', 'oci://host/app@', 'oci://user:password@host/app', 'oci://host/app?x=1', 'oci://host:port/app', 'oci://ho st/app', 'oci:/host/app',
  ])('%s is none', (location) => {
    expect(() => parseReference(location)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });

  test('what lies beside an image has its tag with something behind it', () => {
    expect(besideReference('oci://localhost:5000/app:2', '.from-12.thawpatch')).toBe('oci://localhost:5000/app:2.from-12.thawpatch');
    expect(besideReference(`oci://docker.io/app@${digest}`, '.x')).toBe('oci://docker.io/library/app:latest.x');
  });
});
