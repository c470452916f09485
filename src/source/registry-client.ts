/** Requests to a container registry (distribution-spec 1.1), with credentials once it asks for them. */
import type { Readable } from 'node:stream';
import { ThawfsError } from '../errors.js';
import { Authorizer } from './authorizer.js';
import { statusError } from './http-answer.js';
import { HttpClient, type HttpAnswer } from './http-client.js';
import { networkError, type HttpOptions } from './http.js';
import { registryCredentials } from './registry-credentials.js';
import { parseReference, type RegistryReference } from './registry-reference.js';

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

export class RegistryClient {
  readonly reference: RegistryReference;
  readonly client: HttpClient;
  readonly authorizer: Authorizer;

  /** @throws BAD_ARGUMENT */
  constructor(location: string, { connections = 8, idleTimeout = 20_000, ca }: HttpOptions = {}) {
    this.reference = parseReference(location);
    this.client = new HttpClient({ connections, idleTimeout, ca });
    this.authorizer = new Authorizer(this.client, () => registryCredentials(this.reference), this.reference.origin.startsWith('https:'));
  }

  urlOf(path: string): URL {
    const { origin, repository } = this.reference;
    return new URL(path, `${origin}/v2/${repository}/`);
  }

  /**
   * @returns the answer, whatever its status but 401 and 403; its body must be read
   * @throws AUTH_REQUIRED, and what the network throws
   */
  async request({ method = 'GET', to, headers = {}, body, signal, patience }: RegistryRequest): Promise<HttpAnswer> {
    const { client, authorizer, reference: { location, origin, host } } = this;
    const url = this.urlOf(to);
    const own = url.origin === origin;
    const ask = (): Promise<HttpAnswer> => client.request(url, { method, headers: { 'user-agent': 'thawfs', ...headers, ...(own ? authorizer.headers : {}) }, body, signal, patience });
    try {
      const sent = authorizer.headers['authorization'];
      let answer = await ask();
      if (answer.statusCode === 401 && own && await authorizer.answer(sent, answer.headers['www-authenticate'], signal)) {
        answer.body.on('error', () => undefined).destroy();
        answer = await ask();
      }
      if (answer.statusCode !== 401 && answer.statusCode !== 403) return answer;
      answer.body.on('error', () => undefined).destroy();
      throw new ThawfsError('AUTH_REQUIRED', `${location}: the registry refuses access (HTTP ${answer.statusCode})`, {
        detail: { location, status: answer.statusCode, retryable: false }, suggestion: `Log in first: docker login ${host} (or podman, skopeo, oras).`,
      });
    } catch (error) {
      throw networkError(error, location, isTimeout(error));
    }
  }

  /** @throws OBJECT_MISSING, HTTP_STATUS: the answer is none of those that were hoped for */
  refuse({ statusCode, headers }: HttpAnswer): never {
    throw statusError(statusCode, headers, { location: this.reference.location, offset: 0, length: 0 });
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
