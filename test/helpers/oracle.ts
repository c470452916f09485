/**
 * Tests that need an outside judge. A missing tool or right skips the test with the reason in its name;
 * with REQUIRE_ORACLES=1 (one CI job) it fails instead, so that a skip never hides for long.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';

function onPath(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function knownFileSystem(name: string): boolean {
  return existsSync('/proc/filesystems') && readFileSync('/proc/filesystems', 'utf8').split(/\s/).includes(name);
}

const isRoot = (): boolean => process.getuid?.() === 0;

/** What is not a command name. */
const conditions: Readonly<Record<string, () => boolean>> = {
  linux: () => process.platform === 'linux',
  root: isRoot,
  loop: () => isRoot() && existsSync('/dev/loop-control'),
  fuse: () => existsSync('/dev/fuse'),
  overlay: () => isRoot() && knownFileSystem('overlay'),
};

/** @returns those of `needs` that this machine does not meet. */
export function missing(needs: readonly string[]): string[] {
  return needs.filter((need) => !(conditions[need]?.() ?? onPath(need)));
}

/**
 * @param needs command names, or `root`, `loop`, `fuse`, `overlay`, `linux`
 * @param name of the test
 * @param timeout milliseconds; default as in jest.config.js
 */
export function oracleTest(needs: readonly string[], name: string, body: () => void | Promise<void>, timeout?: number): void {
  const absent = missing(needs);
  if (absent.length === 0) {
    test(name, body, timeout);
  } else if (process.env['REQUIRE_ORACLES'] === '1') {
    test(name, () => { throw new Error(`needs ${absent.join(', ')}, and REQUIRE_ORACLES=1 forbids skipping`); });
  } else {
    test.skip(`${name} (skipped: needs ${absent.join(', ')})`, body, timeout);
  }
}
