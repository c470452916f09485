/**
 * Files on web servers, read by closed ranges (`bytes=a-b`): open-ended ones and HEAD are refused by some servers that
 * serve closed ones well. Redirects are followed and remembered; a target that stops working (signed links expire) is
 * resolved again from the original URL.
 */
import { hasCode, ThawfsError } from '../errors.js';
import { sha256 } from '../hash/sha256.js';
import { MiB } from '../units.js';
import { Authorizer, basic } from './authorizer.js';
import { HttpClient, type HttpAnswer, type HttpClientOptions } from './http-client.js';
import type { LinkObserver } from './link-meter.js';
import { judgeRange, one, redirectStatuses, type RangeRequest, type RemoteState } from './http-answer.js';
import { splitCredentials, withoutSecrets } from './http-url.js';
import { MemorySource, requireInside } from './memory.js';
import { networkError } from './network-error.js';
import type { KnownSource, OnRequest, OpenedSource, RangeSource, ReadOptions } from './range-source.js';

export interface HttpOptions extends HttpClientOptions, ReadOptions {
  /** Sent to the server that the URL names, not to where it redirects, for example `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest time for a request, milliseconds for each MiB begun. Default 60,000. */
  readonly transferTimeout?: number;
  readonly onRequest?: OnRequest;
  /** Told how the link behaves. */
  readonly link?: LinkObserver;
  /** Told of every attempt that failed, also of those that are made again. */
  readonly onFailure?: (failure: ThawfsError) => void;
}

const MAX_REDIRECTS = 5;

/**
 * One attempt, no retries. Proxies are taken from the environment (`http_proxy`, `https_proxy`, `no_proxy`).
 *
 * @param openingLength bytes to ask for in the one request that opening costs
 * @throws BAD_ARGUMENT, SOURCE_UNREACHABLE, TIMEOUT, RANGE_NOT_SUPPORTED, AUTH_REQUIRED, OBJECT_MISSING, HTTP_STATUS
 */
export async function openHttpSource(url: string, openingLength: number, options: HttpOptions = {}): Promise<OpenedSource> {
  const { origin, access } = accessTo(url, options);
  return await openHttpFile(origin, openingLength, options, access);
}

/** As {@link openHttpSource}, without a request. @param known what the file was when it was opened, and its first bytes */
export function reopenHttpSource(url: string, { state, opening }: KnownSource, options: HttpOptions = {}): RangeSource {
  const { origin, access } = accessTo(url, options);
  return new HttpSource(new HttpFile(origin, options, access), state, opening);
}

function accessTo(url: string, options: HttpOptions): { readonly origin: URL; readonly access: HttpAccess } {
  const { origin, credentials } = splitCredentials(url);
  const client = new HttpClient(options);
  return { origin, access: { client, authorizer: new Authorizer(client, () => credentials, origin.protocol === 'https:', basic(credentials)), location: withoutSecrets(origin) } };
}

/** How a file is reached; the client is closed with the source, also when that cannot be opened. */
export interface HttpAccess {
  readonly client: HttpClient;
  readonly authorizer: Authorizer;
  /** For messages. */
  readonly location: string;
}

/** As {@link openHttpSource}, for who has talked to the server before. */
export async function openHttpFile(url: URL, openingLength: number, options: HttpOptions, access: HttpAccess): Promise<OpenedSource> {
  const file = new HttpFile(url, options, access);
  try {
    const { state, bytes, whole } = await file.readRange(0, openingLength, options);
    if (!whole) return { source: new HttpSource(file, state, bytes), opening: bytes };
    await file.close();
    return { source: new MemorySource(bytes, access.location), opening: new Uint8Array(bytes) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * ETags differ between the nodes of one server, and when a file is published again: another one is a reason to look at the first bytes of the file
 * once more, not to refuse it. Are they the same, then ETags and dates say nothing here and are not compared any more. What people read is
 * checked against digests in any case.
 */
class HttpSource implements RangeSource {
  readonly location: string;
  readonly size: number;
  readonly identity: string | undefined;
  private readonly openingLength: number;
  private readonly openingDigest: Uint8Array;
  /** Looking once more; undefined while there was no reason to, or when that failed. */
  private secondLook: Promise<boolean> | undefined;

  constructor(private readonly client: HttpFile, public state: RemoteState, opening: Uint8Array) {
    this.location = client.location;
    this.size = state.size;
    this.identity = state.etag ?? state.lastModified;
    this.openingLength = opening.length;
    this.openingDigest = sha256(opening);
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
    requireInside(this, offset, length);
    if (length === 0) return new Uint8Array(0);
    try {
      return (await this.client.readRange(offset, length, options, this.state)).bytes;
    } catch (error) {
      if (!hasCode(error, 'SOURCE_CHANGED') || !await this.isSameAfterAll()) throw error;
      options.signal?.throwIfAborted();
      return (await this.client.readRange(offset, length, options, this.state)).bytes;
    }
  }

  private isSameAfterAll(): Promise<boolean> {
    this.secondLook ??= this.client.readRange(0, this.openingLength, {}).then(({ state, bytes }) => {
      const isSame = state.size === this.size && Buffer.compare(sha256(bytes), this.openingDigest) === 0;
      if (isSame) this.state = { size: this.size, etag: undefined, lastModified: undefined };
      return isSame;
    }).catch(() => {
      this.secondLook = undefined;
      return false;
    });
    return this.secondLook;
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/** A range, and for whom. */
interface Wanted extends RangeRequest, ReadOptions {
  /** The state when the file was opened; undefined for the opening read. */
  readonly known: RemoteState | undefined;
}

interface Answer {
  readonly state: RemoteState;
  readonly bytes: Uint8Array;
  /** The server ignores ranges, and these are all bytes there are. */
  readonly whole: boolean;
}

/** The conversation with the servers: origin, redirects, deadlines, bodies. */
class HttpFile {
  readonly location: string;
  private readonly client: HttpClient;
  private readonly authorizer: Authorizer;
  /** Where the last redirect led. */
  private resolved: URL | undefined;
  private isClosed = false;

  constructor(private readonly origin: URL, private readonly options: HttpOptions, { client, authorizer, location }: HttpAccess) {
    this.client = client;
    this.authorizer = authorizer;
    this.location = location;
  }

  /** @param known the state when the file was opened; undefined for the opening read */
  async readRange(offset: number, length: number, options: ReadOptions, known?: RemoteState): Promise<Answer> {
    try {
      return await this.attempt(offset, length, options, known);
    } catch (error) {
      // What is under way when it is closed ends with that, and says nothing of the server.
      if (error instanceof ThawfsError && !this.isClosed) this.options.onFailure?.(error);
      throw error;
    }
  }

  private async attempt(offset: number, length: number, { signal, onArrival }: ReadOptions, known: RemoteState | undefined): Promise<Answer> {
    signal?.throwIfAborted();
    const wanted: Wanted = { location: this.location, offset, length, signal, onArrival, known };
    const target = this.resolved;
    if (target !== undefined) {
      try {
        return await this.follow(target, wanted);
      } catch {
        signal?.throwIfAborted();
        this.resolved = undefined; // Expired, moved or down: ask the origin where it is now.
      }
    }
    return this.follow(this.origin, wanted);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.client.close();
  }

  private async follow(start: URL, wanted: Wanted): Promise<Answer> {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await this.exchange(url, wanted);
      if (!(answer instanceof URL)) {
        this.resolved = url === this.origin ? undefined : url;
        return answer;
      }
      url = answer;
    }
    throw new ThawfsError('SOURCE_UNREACHABLE', `${this.location}: redirects more than ${MAX_REDIRECTS} times`, {
      detail: { location: this.location, retryable: false }, suggestion: 'Check the server: it probably redirects in a circle.',
    });
  }

  /** One request and its answer, or the place that it redirects to. @param again after the server wanted to know who asks */
  private async exchange(url: URL, wanted: Wanted, again = false): Promise<Answer | URL> {
    const { offset, length, signal, known } = wanted;
    const { transferTimeout = 60_000, onRequest, link } = this.options;
    const deadline = new Deadline(transferTimeout * Math.ceil(length / MiB), signal);
    const received = { bytes: 0 };
    const sent = performance.now();
    try {
      const { headers } = this.authorizer;
      const response = await this.client.get(url, {
        'accept-encoding': 'identity', 'user-agent': 'thawfs', 'range': `bytes=${offset}-${offset + length - 1}`,
        ...(url.origin === this.origin.origin ? { ...headers, ...this.options.headers } : {}),
      }, deadline.signal);
      link?.answered(performance.now() - sent);
      response.body.on('error', () => undefined); // Errors reach us through the iterator; a body that is dropped has no other listener.
      try {
        if (redirectStatuses.has(response.statusCode)) return this.redirectTarget(url, response, wanted);
        if (response.statusCode === 401 && url.origin === this.origin.origin && !again && await this.authorizer.answer(headers['authorization'], response.headers['www-authenticate'], deadline.signal)) {
          return await this.exchange(url, wanted, true);
        }
        const state = judgeRange(response.statusCode, response.headers, wanted, known);
        const bytes = await collect(response.body, Math.min(length, state.size - offset), wanted, received, link);
        await this.client.freed();
        return { state, bytes, whole: response.statusCode === 200 };
      } finally {
        // Only what was read to its end leaves the connection fit for the next request; of the rest we want no more bytes.
        if (!response.body.readableEnded) response.body.destroy();
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw networkError(error, this.location, deadline.expired);
    } finally {
      deadline.clear();
      onRequest?.({ location: this.location, offset, length, bytesReceived: received.bytes });
    }
  }

  private redirectTarget(from: URL, response: HttpAnswer, { location }: RangeRequest): URL {
    const text = one(response.headers, 'location');
    const target = text !== undefined && URL.canParse(text, from.href) ? new URL(text, from) : undefined;
    // From https only to https: otherwise whoever sits on the wire chooses what is read.
    const follows = target !== undefined && (target.protocol === 'https:' || (target.protocol === 'http:' && from.protocol === 'http:'));
    if (follows) return target;
    throw new ThawfsError('SOURCE_UNREACHABLE', `${location}: redirects to ${target === undefined ? 'nowhere' : withoutSecrets(target)}, which is not followed`, {
      detail: { location, status: response.statusCode, retryable: false }, suggestion: 'Name the final URL.',
    });
  }
}

/** Gathers a body that must have exactly `length` bytes. */
async function collect(body: AsyncIterable<Uint8Array>, length: number, { location, offset, onArrival }: Wanted, received: { bytes: number }, link: LinkObserver | undefined): Promise<Uint8Array> {
  const target = Buffer.allocUnsafeSlow(length);
  for await (const part of body) {
    const at = received.bytes;
    received.bytes += part.length;
    if (received.bytes > length) {
      throw new ThawfsError('RANGE_NOT_SUPPORTED', `${location}: sends more than the ${length} bytes that it announced`, {
        detail: { location, offset, length, retryable: false }, suggestion: 'Serve the file from another server.',
      });
    }
    target.set(part, at);
    link?.arrived(part.length);
    onArrival?.(target, received.bytes);
  }
  if (received.bytes === length) return target;
  throw new ThawfsError('SOURCE_UNREACHABLE', `${location}: the answer ended after ${received.bytes} of ${length} bytes`, {
    detail: { location, offset, length, actual: received.bytes, retryable: true }, suggestion: 'Try again; if it persists, check the server.',
  });
}

/** Aborts when the caller does or the time is up. AbortSignal.any would keep every request alive as long as a long-lived signal. */
class Deadline {
  expired = false;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly forward = (): void => { this.controller.abort(this.parent?.reason); };

  constructor(milliseconds: number, private readonly parent: AbortSignal | undefined) {
    parent?.throwIfAborted();
    this.timer = setTimeout(() => {
      this.expired = true;
      this.controller.abort();
    }, milliseconds);
    parent?.addEventListener('abort', this.forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  clear(): void {
    clearTimeout(this.timer);
    this.parent?.removeEventListener('abort', this.forward);
  }
}
