/** Requests to a container registry (distribution-spec 1.1), with credentials once it asks for them. */
import type { Readable } from 'node:stream';
import { ThawfsError } from '../errors.js';
import { MiB } from '../units.js';
import { Authorizer, readSmall } from './authorizer.js';
import { statusError, type Headers } from './http-answer.js';
import { HttpClient, type HttpClientOptions } from './http-client.js';
import { networkError } from './network-error.js';
import { registryCredentials } from './registry-credentials.js';
import { parseReference, type RegistryReference } from './registry-reference.js';

/** What registries accept of a manifest themselves; other answers are shorter. Blobs are not read this way. */
const ANSWER_MAX = 4 * MiB;

export interface RegistryRequest {
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT';
  /** Below `/v2/REPOSITORY/`, or a URL that the registry gave. */
  readonly to: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent once: whether the registry knows who asks has to be clear before. */
  readonly body?: Uint8Array | Readable;
  readonly signal: AbortSignal;
  /** Milliseconds without an answer; default the client's. */
  readonly patience?: number;
}

export interface RegistryAnswer {
  readonly statusCode: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

export class RegistryClient {
  readonly reference: RegistryReference;
  readonly client: HttpClient;
  readonly authorizer: Authorizer;

  /** @throws BAD_ARGUMENT */
  constructor(location: string, options: HttpClientOptions = {}) {
    this.reference = parseReference(location);
    this.client = new HttpClient(options);
    this.authorizer = new Authorizer(this.client, () => registryCredentials(this.reference), this.reference.origin.startsWith('https:'));
  }

  urlOf(path: string): URL {
    const { origin, repository } = this.reference;
    return new URL(path, `${origin}/v2/${repository}/`);
  }

  /**
   * @returns the whole answer, whatever its status but 401 and 403
   * @throws AUTH_REQUIRED, LIMIT_EXCEEDED, SOURCE_UNREACHABLE, TIMEOUT; the signal's reason
   */
  async request(request: RegistryRequest): Promise<RegistryAnswer> {
    const { authorizer, reference: { location, origin, host } } = this;
    const { to, signal } = request;
    const url = this.urlOf(to);
    const own = url.origin === origin;
    try {
      const { headers } = authorizer;
      let answer = await this.send(url, own ? headers : {}, request);
      if (answer.statusCode === 401 && own && await authorizer.answer(headers['authorization'], answer.headers['www-authenticate'], signal)) answer = await this.send(url, authorizer.headers, request);
      if (answer.statusCode !== 401 && answer.statusCode !== 403) return answer;
      throw new ThawfsError('AUTH_REQUIRED', `${location}: the registry refuses access (HTTP ${answer.statusCode})`, {
        detail: { location, status: answer.statusCode, retryable: false }, suggestion: `Log in first: docker login ${host} (or podman, skopeo, oras).`,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw networkError(error, location, false);
    }
  }

  private async send(url: URL, authorization: Readonly<Record<string, string>>, { method = 'GET', headers = {}, body, signal, patience }: RegistryRequest): Promise<RegistryAnswer> {
    const answer = await this.client.request(url, { method, headers: { 'user-agent': 'thawfs', ...headers, ...authorization }, body, signal, patience });
    const bytes = await readSmall(answer, ANSWER_MAX, this.reference.location);
    await this.client.freed();
    return { statusCode: answer.statusCode, headers: answer.headers, bytes };
  }

  /** @throws OBJECT_MISSING, HTTP_STATUS: the answer is none of those that were hoped for */
  refuse({ statusCode, headers }: RegistryAnswer): never {
    throw statusError(statusCode, headers, { location: this.reference.location, offset: 0, length: 0 });
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
