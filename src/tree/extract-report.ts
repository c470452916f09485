/** What extraction could not keep, because it needs a right or a file system that is not there. */
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { fromErrno, hasCode } from '../errors.js';

export interface ExtractReport {
  /** Names written, directories included. */
  readonly entries: number;
  /** Bytes of file content written; holes do not count. */
  readonly bytes: number;
  /** One line per thing left out, `path: what (why)`, the first 1000. */
  readonly skipped: readonly string[];
  readonly skippedCount: number;
}

const LINES_MAX = 1000;
/** Errors that mean "not here, or not you"; everything else stops the extraction. */
const forgivable = new Set(['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS', 'E2BIG']);

export class ReportKeeper implements ExtractReport {
  entries = 0;
  bytes = 0;
  readonly skipped: string[] = [];
  skippedCount = 0;

  skip(path: ByteString, what: string, why: string): void {
    if (this.skippedCount++ < LINES_MAX) this.skipped.push(`${display(path)}: ${what} (${why})`);
  }

  /** Runs `action`; what the system does not allow is noted. @returns whether it was done */
  attempt(path: ByteString, what: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!forgivable.has(code) && !hasCode(error, 'TOOL_MISSING')) throw fromErrno(error, `writing ${display(path)}`);
      this.skip(path, what, code);
      return false;
    }
  }
}
