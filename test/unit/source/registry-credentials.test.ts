import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { registryCredentials } from '../../../src/source/registry-credentials.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const auth = (pair: string): { auth: string } => ({ auth: Buffer.from(pair).toString('base64') });
const app = { host: 'r.example.org', repository: 'team/app' };

/** @param files what lies where below the home directory */
function withHome(files: Readonly<Record<string, unknown>>, body: (home: string) => void): Promise<void> {
  return withTempDir((home) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(`${home}/${path}`), { recursive: true });
      writeFileSync(`${home}/${path}`, typeof content === 'string' ? content : JSON.stringify(content));
    }
    body(home);
    return Promise.resolve();
  });
}

describe('credentials for registries', () => {
  test('come from docker, then from podman; the longest name wins', () => withHome({
    '.docker/config.json': { auths: { 'r.example.org': auth('docker:1'), 'https://index.docker.io/v1/': auth('hub:2') } },
    '.config/containers/auth.json': { auths: { 'r.example.org': auth('podman:3'), 'r.example.org/team/app': auth('app:4'), 'other.org/team': auth('team:5:6') } },
    'elsewhere.json': { auths: { 'r.example.org': auth('host:7'), 'r.example.org/team': auth('team:8'), 'r.example.org/team/app': { auth: '' } } },
  }, (HOME) => {
    expect(registryCredentials(app, { HOME })).toBe('docker:1');
    expect(registryCredentials({ host: 'docker.io', repository: 'library/debian' }, { HOME })).toBe('hub:2');
    expect(registryCredentials({ host: 'other.org', repository: 'team/x' }, { HOME })).toBe('team:5:6');
    expect(registryCredentials({ host: 'nobody.org', repository: 'x' }, { HOME })).toBeUndefined();
    expect(registryCredentials(app, { HOME, DOCKER_CONFIG: `${HOME}/nowhere` })).toBe('app:4');
    expect(registryCredentials(app, { HOME, REGISTRY_AUTH_FILE: `${HOME}/elsewhere.json` })).toBe('team:8');
  }));

  test('helpers are asked; one that knows nothing, or only a token, is no answer', () => withHome({
    '.docker/config.json': { credsStore: 'store', credHelpers: { 'r.example.org': 'own', 'none.org': 'absent', 'token.org': 'token', 'bad.org': '../../bin/sh' } },
    'bin/docker-credential-own': '#!/bin/sh\n[ "$1" = get ] || exit 1\nread server\necho "{\\"Username\\":\\"u\\",\\"Secret\\":\\"of $server\\"}"\n',
    'bin/docker-credential-token': '#!/bin/sh\necho "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"t\\"}"\n',
    'bin/docker-credential-store': '#!/bin/sh\nread server\n[ "$server" = stored.org ] || exit 1\necho "{\\"Username\\":\\"s\\",\\"Secret\\":\\"p\\"}"\n',
  }, (HOME) => {
    for (const name of ['own', 'token', 'store']) chmodSync(`${HOME}/bin/docker-credential-${name}`, 0o755);
    const of = (host: string): string | undefined => registryCredentials({ host, repository: 'app' }, { HOME, PATH: `${HOME}/bin:${process.env['PATH'] ?? ''}` });
    expect(of('r.example.org')).toBe('u:of r.example.org');
    expect(of('stored.org')).toBe('s:p');
    expect([of('none.org'), of('token.org'), of('bad.org'), of('other.org')]).toEqual([undefined, undefined, undefined, undefined]);
  }));

  test.each([['{', 'broken'], ['3', 'another thing']])('a file that is %s is refused by its name, without its content', (content) => withHome({ '.docker/config.json': content }, (HOME) => {
    expect(() => registryCredentials(app, { HOME })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT', message: `${HOME}/.docker/config.json: not a file of registry credentials` }));
  }));
});
