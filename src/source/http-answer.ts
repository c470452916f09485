/** Judges an HTTP answer to a closed range request by its status and headers: pure, no I/O. */
import { ThawfsError } from '../errors.js';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What was asked, in the words of messages. */
export interface RangeRequest {
  /** URL without credentials and query. */
  readonly location: string;
  readonly offset: number;
  /** Bytes, at least 1. */
  readonly length: number;
}

/** What tells one state of a remote file from another. */
export interface RemoteState {
  readonly size: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

export const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const temporaryStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * @param known the state when the file was opened; undefined for the opening read
 * @returns the state now; the body then has the wanted bytes as far as the file goes
 * @throws RANGE_NOT_SUPPORTED when the answer is not the range that was asked for; SOURCE_CHANGED; the failures of {@link statusError}
 */
export function judgeRange(status: number, headers: Headers, request: RangeRequest, known?: RemoteState): RemoteState {
  if (status === 416 && known !== undefined) throw changedError(request, known); // the range lay inside the file that was opened
  if (status !== 200 && status !== 206) throw statusError(status, headers, request);
  const state = status === 200 ? judgeWhole(headers, request) : judgePart(headers, request);
  if (known !== undefined && !isSame(known, state)) throw changedError(request, known, state);
  return state;
}

function judgePart(headers: Headers, request: RangeRequest): RemoteState {
  const text = one(headers, 'content-range');
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(text ?? '');
  const [first, last, size] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  const asked = match !== null && Number.isSafeInteger(size) && last < size && first === request.offset
    && last === Math.min(request.offset + request.length, size) - 1;
  if (!asked || isEncoded(headers)) {
    throw rangeError(request, `answered with "${isEncoded(headers) ? `content-encoding: ${one(headers, 'content-encoding') ?? ''}` : text ?? 'no content-range'}"`);
  }
  return { size, etag: one(headers, 'etag'), lastModified: one(headers, 'last-modified') };
}

/** A server that ignores ranges sends the whole file. That is as good while it is no more than was asked for. */
function judgeWhole(headers: Headers, request: RangeRequest): RemoteState {
  const size = Number(one(headers, 'content-length') ?? NaN);
  if (request.offset !== 0 || !Number.isSafeInteger(size) || size > request.length || isEncoded(headers)) {
    throw rangeError(request, 'answered with the whole file');
  }
  return { size, etag: one(headers, 'etag'), lastModified: one(headers, 'last-modified') };
}

/** Size and ETag must agree, without ETags size and date. Only what both answers state is compared. */
function isSame(before: RemoteState, after: RemoteState): boolean {
  if (before.size !== after.size) return false;
  if (before.etag !== undefined && after.etag !== undefined) return weak(before.etag) === weak(after.etag);
  return before.lastModified === undefined || after.lastModified === undefined || before.lastModified === after.lastModified;
}

function changedError({ location }: RangeRequest, before: RemoteState, after?: RemoteState): ThawfsError {
  return new ThawfsError('SOURCE_CHANGED', `${location}: was replaced on the server while it was being read`, {
    detail: { location, sizeBefore: before.size, sizeAfter: after?.size, etagBefore: before.etag, etagAfter: after?.etag, retryable: false },
    suggestion: 'Open the image again.',
  });
}

/** Proxies turn a strong ETag into a weak one when they re-encode; the bytes of a range are pinned by digests anyhow. */
function weak(etag: string): string {
  return etag.replace(/^W\//, '');
}

/** @returns AUTH_REQUIRED, OBJECT_MISSING, TRUNCATED (416), or HTTP_STATUS, retryable where waiting may help */
export function statusError(status: number, headers: Headers, request: RangeRequest): ThawfsError {
  const { location } = request;
  if (status === 401 || status === 403 || status === 407) {
    return new ThawfsError('AUTH_REQUIRED', `${location}: the server refuses access (HTTP ${status})`, {
      detail: { location, status, retryable: false }, suggestion: 'Give credentials that may read it, or a fresh link if it was a signed one.',
    });
  }
  if (status === 404 || status === 410) {
    return new ThawfsError('OBJECT_MISSING', `${location}: not on the server (HTTP ${status})`, {
      detail: { location, status, retryable: false }, suggestion: 'Check the spelling of the URL.',
    });
  }
  if (status === 416) {
    return new ThawfsError('TRUNCATED', `${location}: has no bytes ${request.offset}-${request.offset + request.length - 1} (HTTP 416)`, {
      detail: { location, status, offset: request.offset, length: request.length, retryable: false }, suggestion: 'Publish the file again: it was probably cut short.',
    });
  }
  return new ThawfsError('HTTP_STATUS', `${location}: the server answered HTTP ${status}`, {
    detail: { location, status, retryable: temporaryStatuses.has(status), retryAfter: retryAfter(headers) },
    suggestion: temporaryStatuses.has(status) ? 'Try again later.' : 'Check the URL and the server.',
  });
}

/** @returns milliseconds; only the form in seconds is read, a date would depend on two clocks */
function retryAfter(headers: Headers): number | undefined {
  const text = one(headers, 'retry-after');
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

function rangeError({ location, offset, length }: RangeRequest, instead: string): ThawfsError {
  return new ThawfsError('RANGE_NOT_SUPPORTED', `${location}: asked for bytes ${offset}-${offset + length - 1}, the server ${instead}`, {
    detail: { location, offset, length, retryable: false }, suggestion: 'Serve the file from a server that supports range requests, or download it first.',
  });
}

function isEncoded(headers: Headers): boolean {
  const encoding = one(headers, 'content-encoding');
  return encoding !== undefined && encoding.toLowerCase() !== 'identity';
}

/** @returns the header's value; of repeated ones the first */
export function one(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
