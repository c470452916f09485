/** Exit statuses of every command. One table: `--help`, README and the tests print or read it. */
import { constants } from 'node:os';
import { ThawfsError, type ErrorKind } from '../errors.js';

export const exitCodes = {
  ok: 0, unexpected: 1, usage: 2, integrity: 3, source: 4, format: 5, mount: 6, resource: 7, notFound: 8,
} as const;

/** What each status means, for people. */
export const exitMeanings: readonly (readonly [status: number, meaning: string])[] = [
  [exitCodes.ok, 'done'],
  [exitCodes.unexpected, 'unexpected failure: a defect of thawfs; of diff: there are differences'],
  [exitCodes.usage, 'wrong command, flag or argument'],
  [exitCodes.integrity, 'integrity or trust: bytes differ from what was signed, or the trust policy refuses'],
  [exitCodes.source, 'source or network: bytes could not be fetched, or changed while they were read'],
  [exitCodes.format, 'format: not an image, damaged in its structure, or a feature that is not supported'],
  [exitCodes.mount, 'mount'],
  [exitCodes.resource, 'this machine: no space, no permission, a tool is missing'],
  [exitCodes.notFound, 'not found: file, path in the image, or object on the server'],
  [130, 'interrupted (129 hang-up, 130 Ctrl-C, 143 SIGTERM); temporary files are removed'],
];

const byKind: Readonly<Record<ErrorKind, number>> = {
  'usage': exitCodes.usage, 'integrity': exitCodes.integrity, 'trust': exitCodes.integrity, 'source': exitCodes.source,
  'format': exitCodes.format, 'unsupported': exitCodes.format, 'not-found': exitCodes.notFound,
  'resource': exitCodes.resource, 'mount': exitCodes.mount,
};

/** @returns the exit status for what was thrown; 1 for what is not a ThawfsError. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ThawfsError)) return exitCodes.unexpected;
  const signal = error.code === 'INTERRUPTED' ? error.detail['signal'] : undefined;
  if (signal === 'SIGINT' || signal === 'SIGTERM' || signal === 'SIGHUP') return 128 + constants.signals[signal];
  return byKind[error.kind];
}
