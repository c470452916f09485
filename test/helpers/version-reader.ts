/**
 * A process that reads files of a mount whose image is replaced under it: `node version-reader.js MOUNTED SEED ORIGINAL…`.
 * Each file must be one of the originals' from its first byte to its last, and stay that while it is open. Some files are kept
 * open while others are read. Prints a dot for every file, and on SIGTERM a {@link VersionReport} as JSON.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { libcFunction } from '../../src/sys/libc.js';
import { startDotted, type DottedProcess } from './dotted-process.js';

const POSIX_FADV_DONTNEED = 4;
/** Files kept open. */
const HELD = 3;

export interface VersionReport {
  readonly reads: number;
  /** Files that were each original's. */
  readonly seen: readonly number[];
  /** For people; at most 20 of each. */
  readonly errors: readonly string[];
  readonly wrong: readonly string[];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await readUntilStopped(process.argv[2]!, Number(process.argv[3]), process.argv.slice(4));

async function readUntilStopped(mounted: string, seed: number, originals: readonly string[]): Promise<void> {
  const forget = libcFunction('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
  if (forget === undefined) throw new Error('no posix_fadvise');
  const stop = new AbortController();
  process.on('SIGTERM', () => { stop.abort(); });
  const names = readdirSync(originals[0]!, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(`${originals[0]!}/${name}`).isFile());
  const contents = originals.map((original) => new Map(names.map((name) => [name, readFileSync(`${original}/${name}`)])));
  const report = { reads: 0, seen: originals.map(() => 0), errors: [] as string[], wrong: [] as string[] };
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const versionOf = (fd: number, name: string): number => {
    forget(fd, 0, 0, POSIX_FADV_DONTNEED); // what is cached proves nothing
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size;) {
      const count = readSync(fd, bytes, at, Math.min(size - at, 65_536), at);
      if (count === 0) break;
      at += count;
    }
    return contents.findIndex((content) => content.get(name)!.equals(bytes));
  };
  const held: { fd: number; name: string; version: number }[] = [];
  while (!stop.signal.aborted) {
    const name = names[random(names.length)]!;
    try {
      const fd = openSync(`${mounted}/${name}`, 'r');
      const version = versionOf(fd, name);
      if (version < 0) report.wrong.push(`${name}: no version's`);
      else report.seen[version]!++;
      held.push({ fd, name, version });
      const old = held.length > HELD ? held.splice(random(HELD), 1)[0]! : undefined;
      if (old !== undefined) {
        const now = versionOf(old.fd, old.name);
        closeSync(old.fd);
        if (now !== old.version) report.wrong.push(`${old.name}: was version ${old.version} and is ${now}`);
      }
    } catch (error) {
      if (report.errors.length < 20) report.errors.push(`${name}: ${String(error)}`);
    }
    report.reads++;
    writeSync(1, '.');
    await turn(); // SIGTERM
  }
  writeFileSync(1, JSON.stringify({ ...report, wrong: report.wrong.slice(0, 20) }));
}

/** @returns a reader that has read its first file */
export function startVersionReader(mounted: string, seed: number, originals: readonly string[]): Promise<DottedProcess<VersionReport>> {
  return startDotted(fileURLToPath(import.meta.url), [mounted, String(seed), ...originals]);
}
