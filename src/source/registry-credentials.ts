/** Credentials for registries, from where `docker login`, `podman login`, `skopeo login` and `oras login` put them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { ThawfsError } from '../errors.js';
import type { RegistryReference } from './registry-reference.js';

/** Milliseconds for a helper program: it may ask a key ring, not a person. */
const HELPER_PATIENCE = 10_000;

/** What of such a file is looked at (docker/cli, cli/config/configfile; containers-auth.json(5)). */
interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string } | undefined>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string | undefined>>;
}

/**
 * @returns `user:password`; undefined where nobody has logged in
 * @throws BAD_ARGUMENT for a file that is no JSON. Cost: some files are read, and a helper program is run where one of them says so
 */
export function registryCredentials({ host, repository }: Pick<RegistryReference, 'host' | 'repository'>, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  for (const path of authFiles(environment)) {
    const file = readAuthFile(path);
    const found = file === undefined ? undefined : credentialsIn(file, host, repository, environment);
    if (found !== undefined) return found;
  }
  return undefined;
}

function authFiles({ REGISTRY_AUTH_FILE: named, DOCKER_CONFIG: docker, XDG_RUNTIME_DIR: runtime, HOME: home = homedir() }: NodeJS.ProcessEnv): string[] {
  if (named !== undefined) return [named];
  return [`${docker ?? `${home}/.docker`}/config.json`, ...(runtime === undefined ? [] : [`${runtime}/containers/auth.json`]), `${home}/.config/containers/auth.json`];
}

function readAuthFile(path: string): AuthFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below; what is in it is nobody's business.
  }
  throw new ThawfsError('BAD_ARGUMENT', `${path}: not a file of registry credentials`, { detail: { path }, suggestion: 'Log in to the registry again, or remove the file.' });
}

function credentialsIn({ auths = {}, credsStore, credHelpers = {} }: AuthFile, host: string, repository: string, environment: NodeJS.ProcessEnv): string | undefined {
  const parts = [host, ...repository.split('/')];
  const prefixes = parts.map((_, i) => parts.slice(0, parts.length - i).join('/')); // the longest first
  const servers = host === 'docker.io' ? [...prefixes, 'https://index.docker.io/v1/'] : [...prefixes, `https://${host}`];
  for (const server of servers) {
    const helper = credHelpers[server];
    const found = helper === undefined ? decoded(auths[server]?.auth) : askHelper(helper, server, environment);
    if (found !== undefined) return found;
  }
  if (credsStore === undefined) return undefined;
  return askHelper(credsStore, host === 'docker.io' ? 'https://index.docker.io/v1/' : host, environment);
}

function decoded(auth: string | undefined): string | undefined {
  const pair = Buffer.from(auth ?? '', 'base64').toString();
  return pair.includes(':') ? pair : undefined;
}

/** docker-credential-helpers, "get": the server on standard input, JSON on standard output. One that knows nothing fails. */
function askHelper(name: string, server: string, env: NodeJS.ProcessEnv): string | undefined {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return undefined;
  const { status, stdout } = spawnSync(`docker-credential-${name}`, ['get'], { input: server, env, encoding: 'utf8', timeout: HELPER_PATIENCE, stdio: ['pipe', 'pipe', 'ignore'] });
  if (status !== 0) return undefined;
  try {
    const { Username: user, Secret: secret } = JSON.parse(stdout) as { readonly Username?: unknown; readonly Secret?: unknown };
    // "<token>" is for those who speak OAuth2 with the registry.
    return typeof user === 'string' && typeof secret === 'string' && user !== '<token>' ? `${user}:${secret}` : undefined;
  } catch {
    return undefined;
  }
}
