/**
 * Replaces the signature sections of an image in place; its data is not touched. A head is readable at every moment, so a
 * kill or a power cut leaves the image with the old signatures or with the new ones:
 *
 *   1. write the new sections at the end of the head, where nothing lies
 *   2. write the header that points to them: 72 bytes inside one sector, and inside one page of memory, so whole or not at all
 *   3. write the new sections a second time, at the front, over the old ones
 *   4. write the header that points to the front
 *   5. zero the end
 *
 * with an fsync after each. Between 2 and 4 the front is free; before and after, the end is. An interrupted run is finished by
 * the next one (steps 3 to 5). In the end the head has the very bytes that it would have had with these signatures from the start.
 */
import { fsyncSync, readSync } from 'node:fs';
import { decodeHead, encodeHead, type Head } from '../chunk/head.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE, headHeader } from '../format/container.js';
import { writeFully } from '../sys/write.js';

/** Bytes to put at a place of the file. */
export interface HeadWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** @returns the head of an open image file; the caller owns its bytes. */
export function readHead(fd: number): Head {
  return decodeHead(readStart(fd));
}

/**
 * @param fd open for reading and writing, locked by the caller against other writers
 * @param sections to set; one that is left out stays as it is
 * @throws as {@link planHeadRewrite}, and the file is unchanged then
 */
export function replaceSignatures(fd: number, sections: SignatureSections): void {
  for (const { offset, bytes } of planHeadRewrite(readStart(fd), sections)) {
    writeFully(fd, bytes, offset);
    fsyncSync(fd);
  }
}

export type SignatureSections = Partial<Pick<Head, 'signatures' | 'pkcs7'>>;

/**
 * @param start the file's first bytes, at least its head
 * @returns what to write, in this order, each to be on the disk before the next begins
 * @throws what decodeHead throws; LIMIT_EXCEEDED when the head cannot hold the new sections twice, or once beside the old ones
 */
export function planHeadRewrite(start: Uint8Array, sections: SignatureSections): HeadWrite[] {
  const old = decodeHead(start);
  const wanted = { ...old, ...sections };
  demandRoom(old, wanted);
  const back = encodeHead(wanted, 'back');
  const isSettled = Buffer.compare(start.subarray(0, old.headSize), encodeHead(old)) === 0;
  return [
    ...(isSettled ? [] : settle(old)),
    part(back, backStart(wanted), wanted.headSize),
    part(back, 0, headHeader.size),
    ...settle(wanted),
  ].filter(({ bytes }) => bytes.length > 0);
}

/** Steps 3 to 5. */
function settle(head: Head): HeadWrite[] {
  const front = encodeHead(head);
  return [part(front, rootPageEnd(front), backStart(head)), part(front, 0, headHeader.size), part(front, backStart(head), head.headSize)];
}

function part(head: Uint8Array, from: number, to: number): HeadWrite {
  return { offset: from, bytes: head.subarray(from, to) };
}

function demandRoom(old: Head, wanted: Head): void {
  const end = Math.max(frontEnd(old), frontEnd(wanted));
  const start = Math.min(backStart(old), backStart(wanted));
  if (end <= start) return;
  throw new ThawfsError('LIMIT_EXCEEDED', `head: no room to put the signatures at byte ${start} while others end at byte ${end}`, {
    detail: { record: 'head', headSize: old.headSize }, suggestion: 'Use smaller signatures (Ed25519 or ECDSA), or give all keys to thawfs build.',
  });
}

function rootPageEnd(head: Uint8Array): number {
  const { rootPageOffset, rootPageSize } = headHeader.decode(head);
  return rootPageOffset + rootPageSize;
}

function frontEnd(head: Head): number {
  const front = encodeHead(head);
  const { signaturesOffset, signaturesSize, pkcs7Offset, pkcs7Size } = headHeader.decode(front);
  return Math.max(rootPageEnd(front), signaturesOffset + signaturesSize, pkcs7Offset + pkcs7Size);
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
