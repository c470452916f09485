/**
 * An HTTP client with a pool of connections. Of undici only what that takes is loaded: its whole (web sockets, caches, mocks) costs every
 * command that is given a URL, and every server, 0.1 s and 9 MB more. The version is pinned; test/unit/source/http.test.ts holds what is used of it.
 */
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import methods from 'undici/lib/api/index.js';
import DispatcherOfUndici from 'undici/lib/dispatcher/dispatcher.js';
import EnvHttpProxyAgent from 'undici/lib/dispatcher/env-http-proxy-agent.js';
import type { Dispatcher } from 'undici';
import { proxiesOf } from './proxies.js';

// As the package does itself when all of it is loaded.
Object.assign(DispatcherOfUndici.prototype, methods);

export type HttpAnswer = Dispatcher.ResponseData;

export interface HttpClientOptions {
  /** Connections at a time to one server. Default 8. */
  readonly connections?: number | undefined;
  /** Longest wait for a connection, for the answer's headers, and between two parts of its body, milliseconds. Default 20,000. */
  readonly idleTimeout?: number | undefined;
  /** Certificate authorities (PEM) to trust instead of those of Node. */
  readonly ca?: string | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable | undefined;
  readonly signal: AbortSignal;
  readonly patience?: number | undefined;
}

export class HttpClient {
  private readonly agent: Dispatcher;
  private readonly idleTimeout: number;

  /** Proxies are taken from the environment (`http_proxy`, `https_proxy`, `no_proxy`). @throws BAD_ARGUMENT when they cannot be understood */
  constructor({ connections = 8, idleTimeout = 20_000, ca }: HttpClientOptions) {
    this.idleTimeout = idleTimeout;
    const connect = { timeout: idleTimeout, ...(ca === undefined ? {} : { ca }) };
    // requestTls: what `connect` is for the server behind a proxy. Without TLS the proxy is asked for the URL: many refuse tunnels to other ports than 443.
    this.agent = new EnvHttpProxyAgent({ connections, connect, requestTls: connect, proxyTunnel: false, ...proxiesOf(process.env) });
  }

  /** @throws the errors of undici and of Node's sockets; redirects are answers like others */
  get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer> {
    return this.request(url, { method: 'GET', headers, signal });
  }

  /** As {@link get}. @param patience milliseconds to wait for the answer's headers after the body is sent; default as for everything */
  request(url: URL, { method, headers, body, signal, patience = this.idleTimeout }: HttpRequest): Promise<HttpAnswer> {
    return this.agent.request({ origin: url.origin, path: url.pathname + url.search, method, headers, body: body ?? null, signal, headersTimeout: patience, bodyTimeout: this.idleTimeout });
  }

  /**
   * To be awaited after an answer was read to its end. Its connection counts as busy until then: whoever sends the next request before
   * is given a new one, with its handshake and slow start.
   */
  freed(): Promise<void> {
    return turn();
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.agent.destroy();
  }
}
