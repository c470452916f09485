/**
 * A user who is not in the password file (`docker run --user 12345`, dynamic users of services) has no shell and perhaps no home there.
 * oclif and its dependencies ask for both, some while they load, and fail: so this is imported before them.
 */
import { homedir } from 'node:os';

process.env['SHELL'] ??= '/bin/sh';
try {
  homedir();
} catch {
  process.env['HOME'] = '/'; // as container runtimes do
}
