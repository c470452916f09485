/** Names of things in container registries, as their clients write them: `oci://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. */
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import { sha256 } from '../hash/sha256.js';

export interface RegistryReference {
  /** As it was given, for messages. */
  readonly location: string;
  /** Host and port as users write them, and credentials are filed under. */
  readonly host: string;
  /** Where the registry answers: `https://host:port`; http for this machine only. */
  readonly origin: string;
  readonly repository: string;
  /** `latest` unless given. */
  readonly tag: string;
  /** `sha256:…` of the manifest; then the tag says nothing. */
  readonly digest: string | undefined;
}

/** distribution-spec 1.1, "Pulling manifests". */
const repositoryForm = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagForm = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digestForm = /^sha256:[0-9a-f]{64}$/;
const hostForm = /^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const thisMachine = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/** @throws BAD_ARGUMENT for what is no such name */
export function parseReference(location: string): RegistryReference {
  const { host = '', path = '', digest } = /^oci:\/\/(?<host>[^/]*)\/(?<path>[^@]*)(?:@(?<digest>.*))?$/i.exec(location)?.groups ?? {};
  const { name = '', tag = 'latest' } = /^(?<name>[^:]*)(?::(?<tag>.*))?$/.exec(path)?.groups ?? {};
  // Docker's registry answers elsewhere than where it is named, and has its official images in a folder.
  const isDocker = host === 'docker.io' || host === 'index.docker.io';
  const repository = isDocker && !name.includes('/') ? `library/${name}` : name;
  if (!hostForm.test(host) || !repositoryForm.test(repository) || !tagForm.test(tag) || (digest !== undefined && !digestForm.test(digest))) {
    throw new ThawfsError('BAD_ARGUMENT', `${location}: not the name of an image in a registry`, { detail: { location }, suggestion: 'Write oci://HOST/REPOSITORY:TAG, such as oci://ghcr.io/example/app:2.' });
  }
  return { location, host, origin: `${thisMachine.test(host) ? 'http' : 'https'}://${isDocker ? 'registry-1.docker.io' : host}`, repository, tag, digest };
}

/** @returns the digest of bytes, as registries write it */
export function blobDigest(bytes: Uint8Array): string {
  return `sha256:${toHex(sha256(bytes))}`;
}

/** @returns the name of what belongs to an image: its tag with something behind it */
export function besideReference(location: string, suffix: string): string {
  const { host, repository, tag } = parseReference(location);
  return `oci://${host}/${repository}:${tag}${suffix}`;
}
