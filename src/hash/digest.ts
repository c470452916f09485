/** Bytes of a SHA-256 digest. */
export const DIGEST_SIZE = 32;
