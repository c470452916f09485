/** One fake web server for all tests: serves one file by ranges as RFC 9110 section 14 says, and writes down what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What is served: bytes in memory, or anything that can be read by position. */
export interface Served {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  /** The Range header as it came. */
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** @returns whether it has taken care of the request; otherwise the server answers as it should. `count` is 1 for the first request */
export type Interference = (request: IncomingMessage, response: ServerResponse, server: RangeServer, count: number) => boolean;

export interface RangeServerOptions {
  readonly etag?: string;
  readonly interfere?: Interference;
  /** PEM key and certificate: speaks https. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export class RangeServer {
  readonly seen: Seen[] = [];
  /** Body bytes handed to the network. */
  bytesSent = 0;
  etag: string;
  private readonly server: Server;
  private readonly scheme: string;

  constructor(public served: Served, private readonly options: RangeServerOptions = {}) {
    this.etag = options.etag ?? '"v1"';
    const handle = (request: IncomingMessage, response: ServerResponse): void => { this.handle(request, response); };
    this.server = options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle);
    this.scheme = options.tls === undefined ? 'http' : 'https';
  }

  get origin(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.origin}/app.img.zst`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => { this.server.close(resolve); });
    this.server.closeAllConnections();
    await closed;
  }

  /** The right answer to `range`; public so that a liar can begin with the truth. */
  answer(range: string | undefined): { readonly status: number; readonly headers: Record<string, string>; readonly body: Uint8Array } {
    const { size } = this.served;
    const headers = { 'etag': this.etag, 'accept-ranges': 'bytes', 'content-type': 'application/zstd' };
    const asked = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
    if (asked === null || (asked[1] === '' && asked[2] === '')) {
      return { status: 200, headers: { ...headers, 'content-length': String(size) }, body: this.served.read(0, size) };
    }
    const first = asked[1] === '' ? Math.max(0, size - Number(asked[2])) : Number(asked[1]);
    const last = asked[1] === '' || asked[2] === '' ? size - 1 : Math.min(Number(asked[2]), size - 1);
    if (first > last) return { status: 416, headers: { ...headers, 'content-range': `bytes */${size}`, 'content-length': '0' }, body: new Uint8Array(0) };
    return {
      status: 206, body: this.served.read(first, last - first + 1),
      headers: { ...headers, 'content-range': `bytes ${first}-${last}/${size}`, 'content-length': String(last - first + 1) },
    };
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const { range, authorization } = request.headers;
    this.seen.push({ method: request.method ?? '', path: request.url ?? '', range, authorization });
    if (this.options.interfere?.(request, response, this, this.seen.length) === true) return;
    if (request.method !== 'GET') {
      response.writeHead(405).end();
      return;
    }
    const { status, headers, body } = this.answer(range);
    response.writeHead(status, headers);
    this.bytesSent += body.length;
    response.end(body);
  }
}

/** @returns `bytes` to be served */
export function servedBytes(bytes: Uint8Array): Served {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Runs `body` beside a server, which stops when it ends, however it ends. */
export async function withRangeServer<T>(served: Served | Uint8Array, options: RangeServerOptions, body: (server: RangeServer) => Promise<T>): Promise<T> {
  const server = new RangeServer(served instanceof Uint8Array ? servedBytes(served) : served, options);
  await server.listen();
  try {
    return await body(server);
  } finally {
    await server.close();
  }
}
