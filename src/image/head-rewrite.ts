/**
 * Replaces the signature sections of an image in place; its data is not touched. A head is readable at every moment, so a
 * kill or a power cut leaves the image with the old signatures or with the new ones:
 *
 *   1. write the new sections at the end of the head, where nothing lies
 *   2. write the header that points to them: 64 bytes inside one sector, and inside one page of memory, so whole or not at all
 *   3. write the new sections a second time, at the front, over the old ones
 *   4. write the header that points to the front
 *   5. zero the end
 *
 * with an fsync after each. Between 2 and 4 the front is free; before and after, the end is. An interrupted run is finished by
 * the next one (steps 3 to 5). In the end the head has the very bytes that it would have had with these signatures from the start.
 */
import { fsyncSync, readSync, writeSync } from 'node:fs';
import { decodeHead, encodeHead, type Head } from '../chunk/head.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE, headHeader } from '../format/container.js';

/** @returns the head of an open image file; the caller owns its bytes. */
export function readHead(fd: number): Head {
  return decodeHead(readStart(fd));
}

/**
 * @param fd open for reading and writing, locked by the caller against other writers
 * @param sections to set; one that is left out stays as it is
 * @throws LIMIT_EXCEEDED when the head cannot hold the new sections twice and the old ones beside them; the file is unchanged then
 */
export function replaceSignatures(fd: number, sections: Partial<Pick<Head, 'signatures' | 'pkcs7'>>): void {
  const start = readStart(fd);
  const old = decodeHead(start);
  const wanted = { ...old, ...sections };
  demandRoom(old, wanted);
  if (Buffer.compare(start.subarray(0, old.headSize), encodeHead(old)) !== 0) settle(fd, old);
  const back = encodeHead(wanted, 'back');
  write(fd, back, backStart(wanted), wanted.headSize);
  write(fd, back, 0, headHeader.size);
  settle(fd, wanted);
}

/** Steps 3 to 5. */
function settle(fd: number, head: Head): void {
  const front = encodeHead(head);
  const { rootPageOffset, rootPageSize } = headHeader.decode(front);
  write(fd, front, rootPageOffset + rootPageSize, backStart(head));
  write(fd, front, 0, headHeader.size);
  write(fd, front, backStart(head), head.headSize);
}

function demandRoom(old: Head, wanted: Head): void {
  const end = Math.max(frontEnd(old), frontEnd(wanted));
  if (end <= backStart(wanted)) return;
  throw new ThawfsError('LIMIT_EXCEEDED', `head: no room to put the signatures at byte ${backStart(wanted)} while others end at byte ${end}`, {
    detail: { record: 'head', headSize: old.headSize }, suggestion: 'Use smaller signatures (Ed25519 or ECDSA), or give all keys to thawfs build.',
  });
}

function frontEnd(head: Head): number {
  const { rootPageOffset, rootPageSize, signaturesOffset, signaturesSize, pkcs7Offset, pkcs7Size } = headHeader.decode(encodeHead(head));
  return Math.max(rootPageOffset + rootPageSize, signaturesOffset + signaturesSize, pkcs7Offset + pkcs7Size);
}

/** @returns where the signature sections begin when they lie at the end of the head; its size when there are none. */
function backStart(head: Head): number {
  const { signaturesOffset, pkcs7Offset } = headHeader.decode(encodeHead(head, 'back'));
  return Math.min(...[signaturesOffset, pkcs7Offset].filter((offset) => offset > 0), head.headSize);
}

function readStart(fd: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_MAX_SIZE);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

function write(fd: number, head: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to;) at += writeSync(fd, head, at, to - at, at);
  fsyncSync(fd);
}
