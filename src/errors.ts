/**
 * Every error a user can meet, as data: a closed code, typed detail, one suggestion, the cause.
 *
 * Policy: public functions throw a {@link ThawfsError}; a cause is attached, never re-worded; tests assert on the
 * code; docs/errors.md has a heading for every code (a test holds the two against each other).
 */

/** Kind of failure; decides the exit status (src/cli/exit-codes.ts) and the errno a mount answers. */
export type ErrorKind =
  | 'usage' | 'integrity' | 'trust' | 'source' | 'format' | 'unsupported' | 'not-found' | 'resource' | 'mount';

/** The closed table of codes. Add a code here, its heading in docs/errors.md and a test that provokes it. */
export const errorCodes = {
  BAD_ARGUMENT: 'usage',
  // What was read does not follow its format.
  BAD_MAGIC: 'format',
  TRUNCATED: 'format',
  BAD_FIELD: 'format',
  CHECKSUM_MISMATCH: 'format',
  LIMIT_EXCEEDED: 'format',
  // It follows a format that we do not speak.
  FEATURE_UNSUPPORTED: 'unsupported',
  VERSION_UNSUPPORTED: 'unsupported',
  // Bytes differ from the digest that vouches for them.
  CHUNK_DIGEST_MISMATCH: 'integrity',
  INDEX_DIGEST_MISMATCH: 'integrity',
  ROOT_DIGEST_MISMATCH: 'integrity',
  BLOB_DIGEST_MISMATCH: 'integrity',
  STRUCTURE_INVALID: 'integrity',
  WRONG_BASE: 'integrity',
  // The bytes are what was signed, but the policy says no.
  SIGNATURE_INVALID: 'trust',
  SIGNATURE_MISSING: 'trust',
  KEY_UNTRUSTED: 'trust',
  THRESHOLD_NOT_MET: 'trust',
  IMAGE_EXPIRED: 'trust',
  SEQUENCE_ROLLBACK: 'trust',
  // Something asked for is not there.
  PATH_MISSING: 'not-found',
  CHUNK_MISSING: 'not-found',
  OBJECT_MISSING: 'not-found',
  // Where bytes come from failed.
  SOURCE_UNREACHABLE: 'source',
  SOURCE_CHANGED: 'source',
  HTTP_STATUS: 'source',
  RANGE_NOT_SUPPORTED: 'source',
  TIMEOUT: 'source',
  AUTH_REQUIRED: 'source',
  // This machine lacks room, a right or a device.
  NO_SPACE: 'resource',
  OUTPUT_BUSY: 'resource',
  FETCH_LIMIT_EXCEEDED: 'resource',
  IO_FAILED: 'resource',
  NOT_PERMITTED: 'resource',
  TOOL_MISSING: 'resource',
  INTERRUPTED: 'resource',
  WORKER_FAILED: 'resource',
  NO_FUSE_DEVICE: 'mount',
  MOUNT_FAILED: 'mount',
  MOUNT_BUSY: 'mount',
  NOT_MOUNTED: 'mount',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCodes;

/** Facts about the failure: byte offsets and lengths in bytes, digests in lowercase hex. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface ErrorExtras {
  readonly detail?: ErrorDetail;
  /** One imperative sentence: what the user does next. */
  readonly suggestion?: string;
  readonly cause?: unknown;
}

/** The one error class of the public API; `kind` follows from `code`. */
export class ThawfsError extends Error {
  override readonly name = 'ThawfsError';
  readonly kind: ErrorKind;
  readonly detail: ErrorDetail;
  /** Shape that oclif prints below the message. */
  readonly suggestions: string[];

  constructor(readonly code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.kind = errorCodes[code];
    this.detail = extras.detail ?? {};
    this.suggestions = extras.suggestion === undefined ? [] : [extras.suggestion];
  }
}

/** @returns whether `error` is ours and has one of `codes` (any of our codes when none is given). */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is ThawfsError {
  return error instanceof ThawfsError && (codes.length === 0 || codes.includes(error.code));
}

const errnoCodes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'NO_SPACE', EDQUOT: 'NO_SPACE', EFBIG: 'NO_SPACE',
  EACCES: 'NOT_PERMITTED', EPERM: 'NOT_PERMITTED', EROFS: 'NOT_PERMITTED',
  ENOENT: 'PATH_MISSING', ENOTDIR: 'PATH_MISSING',
};

const errnoSuggestions: Readonly<Record<string, string>> = {
  NO_SPACE: 'Free some space, or name a place with more room.',
  NOT_PERMITTED: 'Check the permissions, or run as a user who has them.',
  PATH_MISSING: 'Check the spelling of the path.',
};

/** Names of failed system calls (ENOSPC), and those that Node gives to arguments it refuses (ERR_INVALID_ARG_VALUE). */
const errnoName = /^E[A-Z0-9_]+$/;

/**
 * As {@link fromErrno}, for what may have thrown something else than system calls.
 *
 * @returns the failed system call with its code; anything else as it is: errors of ours, the reason of a signal, defects
 */
export function ifErrno(error: unknown, doing: string): unknown {
  const { code } = Object(error) as { readonly code?: unknown };
  return typeof code === 'string' && errnoName.test(code) ? fromErrno(error, doing) : error;
}

/**
 * Gives a failed system call its code, so that a full disk or a missing right is never an "unexpected error".
 *
 * @param error what was caught; anything of ours is returned as it is
 * @param doing what was being done, for the message, for example `writing /tmp/a.img`
 */
export function fromErrno(error: unknown, doing: string): ThawfsError {
  if (error instanceof ThawfsError) return error;
  // By shape, not by class: an error of another realm (jest, vm) is no instance of this one's Error.
  const { code: errno = '', message: reason = String(error) } = (error ?? {}) as { readonly code?: string; readonly message?: string };
  const code = errnoCodes[errno] ?? 'IO_FAILED';
  const suggestion = errnoSuggestions[code];
  return new ThawfsError(code, `${doing}: ${reason}`, {
    detail: { errno }, cause: error, ...(suggestion === undefined ? {} : { suggestion }),
  });
}
