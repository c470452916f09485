/** A thrown value as users meet it: one description, printed as text or as JSON, so that the two cannot disagree. */
import { inspect } from 'node:util';
import { fromErrno, ThawfsError, type ErrorCode, type ErrorDetail, type ErrorKind } from '../errors.js';
import { exitCodeOf } from './exit-codes.js';
import { nearest } from './nearest.js';
import type { Paint } from './paint.js';

export interface Cause { readonly name: string; readonly message: string; readonly code?: string }

/** The object below `error` in the output of `--json`. */
export interface Failure {
  /** From the table in docs/errors.md; UNEXPECTED for a defect of ours. */
  readonly code: ErrorCode | 'UNEXPECTED';
  readonly kind: ErrorKind | 'unexpected';
  readonly exitCode: number;
  readonly message: string;
  readonly detail: ErrorDetail;
  readonly suggestion: string;
  /** What led to it, nearest first. */
  readonly causes: readonly Cause[];
  /** Only for defects: where it was thrown. */
  readonly stack?: string;
}

/** What oclif throws for wrong flags and arguments. */
interface CommandLineError extends Error { readonly oclif: { readonly exit?: number } }
/** What it throws for flags that a command does not have. */
interface UnknownFlagsError extends CommandLineError {
  readonly flags: readonly string[];
  readonly parse: { readonly input: { readonly flags: Readonly<Record<string, { readonly allowNo?: boolean }>> } };
}

/**
 * @param commandId as oclif has it, `key:generate`
 * @returns the error as ours where it has a place in our table: oclif's complaints about usage, and system calls that nobody named
 */
export function classify<T>(error: T, commandId?: string): T | ThawfsError {
  if (!(error instanceof Error)) return error;
  const { message, flag } = withoutOclif(error.message);
  if (error instanceof ThawfsError) {
    const { code, detail, cause, suggestions: [suggestion] } = error;
    return message === error.message ? error : new ThawfsError(code, message, { detail, cause, ...(suggestion === undefined ? {} : { suggestion }) });
  }
  if ('oclif' in error && (error as CommandLineError).oclif.exit === 2) {
    const command = ['thawfs', ...(commandId?.split(':') ?? []), '--help'].join(' ');
    return new ThawfsError('BAD_ARGUMENT', flag === undefined ? message : `${flag}: ${message}`, { suggestion: `${flagMeant(error)}See ${command}` });
  }
  if ('syscall' in error && 'errno' in error) return fromErrno(error, `system call ${String(error.syscall)}`);
  return error;
}

function flagMeant(error: Error): string {
  if (!('flags' in error)) return '';
  const { flags, parse } = error as UnknownFlagsError;
  const known = Object.entries(parse.input.flags).flatMap(([name, { allowNo }]) => (allowNo === true ? [name, `no-${name}`] : [name]));
  const meant = nearest(flags[0]!.replace(/^--?|=.*$/gs, ''), known);
  return meant === undefined ? '' : `Did you mean --${meant}? `;
}

/** oclif wraps what a flag's parser throws into words of its own. */
function withoutOclif(text: string): { readonly message: string; readonly flag?: string } {
  const message = text.replace(/\n?See more help with --help$/, '');
  const parsing = /^Parsing (--\S+) \n\t([^]*)$/.exec(message);
  return parsing === null ? { message } : { message: parsing[2]!, flag: parsing[1]! };
}

/** For errors that come without a suggestion of their own. */
const commonSuggestions: Readonly<Record<ErrorKind, string>> = {
  'usage': 'See thawfs --help',
  'integrity': 'Do not use this copy: fetch the image again from its origin.',
  'trust': 'See which keys signed it with thawfs inspect.',
  'source': 'Check the location and the network, then try again.',
  'format': 'Check that it is the file you mean; if it is, fetch or copy it again.',
  'unsupported': 'Make it without that feature, or use a newer thawfs.',
  'not-found': 'Check the spelling.',
  'resource': 'See what this machine lacks with thawfs doctor.',
  'mount': 'See what this machine lacks with thawfs doctor.',
};

/** @param error what {@link classify} returned */
export function describeFailure(error: unknown): Failure {
  const exitCode = exitCodeOf(error);
  if (error instanceof ThawfsError) {
    const { code, kind, message, detail, suggestions: [suggestion = commonSuggestions[kind]] } = error;
    return { code, kind, exitCode, message, detail, suggestion, causes: causesOf(error) };
  }
  const known = error instanceof Error ? error : new Error(inspect(error));
  return {
    code: 'UNEXPECTED', kind: 'unexpected', exitCode, message: `${known.name}: ${known.message}`, detail: {},
    suggestion: 'Please report this, with the command and the stack.', causes: causesOf(known), ...(known.stack === undefined ? {} : { stack: known.stack }),
  };
}

/** A chain longer than this is a loop. */
const CAUSES_AT_MOST = 8;

function causesOf(error: Error): Cause[] {
  const causes: Cause[] = [];
  for (let cause = error.cause; cause !== undefined && causes.length < CAUSES_AT_MOST; cause = cause instanceof Error ? cause.cause : undefined) {
    causes.push(cause instanceof Error
      ? { name: cause.name, message: cause.message, ...('code' in cause && typeof cause.code === 'string' ? { code: cause.code } : {}) }
      : { name: typeof cause, message: inspect(cause) });
  }
  return causes;
}

/** @returns lines for standard error, ending in a newline. */
export function failureText(failure: Failure, paint: Paint): string {
  const lines = [`${paint.red('Error:')} ${failure.message}`, `  code: ${failure.code} (${failure.kind}, exit status ${failure.exitCode})`];
  for (const cause of failure.causes) {
    if (!failure.message.includes(cause.message)) lines.push(`  cause: ${cause.message}`);
  }
  if (failure.stack !== undefined) lines.push(failure.stack);
  lines.push(`  ${paint.bold('try:')} ${failure.suggestion}`);
  return `${lines.join('\n')}\n`;
}
