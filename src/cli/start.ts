/** Start of the program: runs one command, prints a failure the same way wherever it came from, sets the exit status. */
import './nameless-user.js';
import { fileURLToPath } from 'node:url';
import { run } from '@oclif/core/run';
import { exitCodes } from './exit-codes.js';
import { classify, describeFailure, failureText } from './failure.js';
import { paintFor } from './paint.js';
import { requireStdout, StdoutClosed } from './stdout.js';
import { wordsOfOurs } from './words.js';

/**
 * @param argv arguments without node and script
 * @param root any file URL inside the package; oclif finds package.json and oclif.manifest.json from it
 * @returns the exit status; the caller ends the process with it
 */
export async function start(argv: readonly string[], root: string): Promise<number> {
  try {
    // oclif would look for plugins of its own in the user's home, and warn where that may not be entered: sudo and services leave other people's in HOME.
    await run(argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv], { root: fileURLToPath(root), userPlugins: false });
    await requireStdout();
    return Number(process.exitCode ?? exitCodes.ok); // `diff` and `run` have their own ways to succeed
  } catch (error) {
    if (error instanceof StdoutClosed) return exitCodes.ok; // `thawfs ls IMAGE / | head`: the reader has what it wanted.
    const failure = describeFailure(classify(error));
    if (wordsOfOurs(argv).includes('--json')) process.stdout.write(`${JSON.stringify({ error: failure }, undefined, 2)}\n`);
    else process.stderr.write(failureText(failure, paintFor(process.stderr)));
    return failure.exitCode;
  }
}
