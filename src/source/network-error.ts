/** What the HTTP client and the sockets below it throw, in our own words. */
import { ThawfsError } from '../errors.js';

const timeoutCodes = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);
/** The names that Node gives to certificates of authorities that it does not know. */
const unknownAuthority = /^(?:UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;
/** What else no retry mends: other faults of certificates, and a source that was closed. */
const lasting = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UND_ERR_DESTROYED|UND_ERR_CLOSED)/;

/**
 * @param expired the time that a request had was up
 * @returns errors of ours as they are; others as TIMEOUT or SOURCE_UNREACHABLE, retryable where another try may help
 */
export function networkError(error: unknown, location: string, expired: boolean): ThawfsError {
  if (error instanceof ThawfsError) return error;
  const { code: errno = '', message = '' } = error as { readonly code?: string; readonly message?: string };
  if (expired || timeoutCodes.has(errno)) {
    return new ThawfsError('TIMEOUT', `${location}: the server is too slow${expired ? '' : ` (${message})`}`, {
      detail: { location, errno, retryable: true }, cause: error, suggestion: 'Try again later, or from a better connection.',
    });
  }
  // An AggregateError (one attempt per address) has no message of its own.
  const isUnknownAuthority = unknownAuthority.test(errno);
  return new ThawfsError('SOURCE_UNREACHABLE', `${location}: ${message || errno}`, {
    detail: { location, errno, retryable: !isUnknownAuthority && !lasting.test(errno) }, cause: error,
    suggestion: isUnknownAuthority ? 'If the authority is your own, name its certificate: NODE_EXTRA_CA_CERTS=ca.pem.' : 'Check the host name and the network.',
  });
}
