#!/usr/bin/env node
// Install as /sbin/mount.thawfs (a symlink will do): then `mount -t thawfs IMAGE DIR` and fstab work.
const { launch } = await import('../dist/src/cli/launch.js');
const { givenArguments } = await import('../dist/src/cli/given-arguments.js');
const { mountHelperArguments, mountHelperStatus } = await import('../dist/src/cli/mount-helper.js');
try {
  const argv = mountHelperArguments(givenArguments());
  if (argv !== undefined) process.exitCode = mountHelperStatus(await launch(argv, import.meta.url));
} catch (error) {
  process.stderr.write(`${error.message}\n${error.suggestions?.map((line) => `  try: ${line}\n`).join('') ?? ''}`);
  process.exitCode = mountHelperStatus(2);
}
