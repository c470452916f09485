/** Whether a descriptor has something to read, without reading it (poll(2)). */
import { i32le, struct, u16le } from '../bytes/struct.js';
import { libcFunction } from './libc.js';

/** struct pollfd of poll.h. */
const pollRecord = struct('pollfd', 8, [[0, 'descriptor', i32le, 'fd'], [4, 'events', u16le, ''], [6, 'happened', u16le, 'revents']]);
const POLLIN = 1;

const poll = libcFunction('int poll(void *fds, unsigned long nfds, int timeout)');

/** @returns at once; true also for an error that reading would show, and where there is no C library to ask */
export function isReadable(descriptor: number): boolean {
  if (poll === undefined) return true;
  const record = pollRecord.encode({ descriptor, events: POLLIN });
  return Number(poll(record, 1, 0)) !== 0;
}
