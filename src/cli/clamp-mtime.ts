/** `--clamp-mtime[=TIME]`: a flag whose value may be left out, which oclif does not have. */
import { ThawfsError } from '../errors.js';
import { parseTime } from './flags.js';

const FROM_ENVIRONMENT = 'SOURCE_DATE_EPOCH';

/** @returns the arguments with the value filled in where it was left out; a number or date that follows is the value. */
export function withClampTime(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const filled: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const alone = argv[i] === '--clamp-mtime' && (end === -1 || i < end);
    const next = argv[i + 1] ?? '';
    if (!alone) filled.push(argv[i]!);
    else if (/^@?\d{1,12}$|^\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$/.test(next)) filled.push(`--clamp-mtime=${argv[++i]!}`);
    else filled.push(`--clamp-mtime=${FROM_ENVIRONMENT}`);
  }
  return filled;
}

/**
 * @param value of the flag, undefined when it was not given
 * @returns seconds since 1970
 * @throws BAD_ARGUMENT when neither the flag nor the environment has a time
 */
export function clampTime(value: string | undefined, environment: { readonly [name: string]: string | undefined }): number | undefined {
  if (value === undefined) return undefined;
  if (value !== FROM_ENVIRONMENT) return parseTime(value, '--clamp-mtime', Date.now() / 1000);
  const epoch = environment[FROM_ENVIRONMENT] ?? '';
  if (/^\d{1,12}$/.test(epoch)) return Number(epoch);
  throw new ThawfsError('BAD_ARGUMENT', epoch === '' ? '--clamp-mtime: SOURCE_DATE_EPOCH is not set' : `--clamp-mtime: SOURCE_DATE_EPOCH is "${epoch}", not seconds since 1970`, {
    suggestion: 'Set it to seconds since 1970, or give the time: --clamp-mtime=2024-01-31.',
  });
}
