/** Holds every import of the project against the floors of ARCHITECTURE.md: data flows one way, a package has one owner. */
import { readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const floors: Readonly<Record<string, number>> = {
  'src/bytes': 0, 'src/units.ts': 0, 'src/errors.ts': 0,
  'src/model': 1, 'src/format': 1, 'src/codec': 1, 'src/hash': 1, 'src/sys': 1, 'wasm': 1,
  'src/ext4': 2, 'src/verity': 2, 'src/chunk': 2, 'src/tree': 2, 'src/trust': 2, 'src/source': 2, 'src/store': 2, 'src/fuse': 2,
  'src/image': 3,
  'src/mount': 4, 'src/update': 4, 'src/publish': 4,
  'src/index.ts': 5,
  'src/cli': 6,
  'commands': 7,
};

/** Same-floor imports that are meant, each with its reason in ARCHITECTURE.md. */
const exceptions = new Set(['src/bytes -> src/errors.ts', 'src/bytes -> src/units.ts', 'src/units.ts -> src/errors.ts', 'src/codec -> src/sys', 'src/codec -> wasm', 'src/codec -> src/format', 'wasm -> src/format', 'src/store -> src/source']);

/** Third-party package -> the only places that may import it. */
const owners: Readonly<Record<string, readonly string[]>> = {
  '@oclif/core': ['src/cli', 'commands'],
  'cli-progress': ['src/cli'],
  'koffi': ['src/sys'],
  'undici': ['src/source'],
  'pkijs': ['src/trust'],
  'asn1js': ['src/trust'],
  '@noble/hashes': ['src/hash'],
  'zstd-codec': ['wasm'],
  'ext2fs': ['wasm'],
};

function folderOf(file: string): string {
  const parts = file.split('/');
  if (parts[0] !== 'src') return parts[0]!;
  return parts.length === 2 ? file : `src/${parts[1]}`;
}

interface Import { readonly from: string; readonly target: string }

/** Names of package.json that stand for a file of ours, one in Node and one elsewhere. */
const { imports: aliases } = JSON.parse(readFileSync('package.json', 'utf8')) as { imports: Record<string, Record<string, string>> };
const sourceOf = (path: string): string => normalize(path).replace(/^dist\//, '').replace(/\.js$/, '.ts');

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const statements = /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
  const specifiers = [...text.matchAll(statements)].map((match) => match[1] ?? match[2]!);
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith('#')) return Object.values(aliases[specifier]!).map((path) => ({ from: file, target: sourceOf(path) }));
    return [{ from: file, target: specifier.startsWith('.') ? sourceOf(join(dirname(file), specifier)) : specifier }];
  });
}

const files = ['src', 'commands', 'wasm'].flatMap((root) => readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts')).map((name) => `${root}/${name}`));
const imports = files.flatMap(importsOf);

describe('floors', () => {
  test('every folder is in the table', () => {
    expect(files.map(folderOf).filter((folder) => !(folder in floors))).toEqual([]);
  });

  test('imports go down, or stay in the folder', () => {
    const wrong = imports.filter(({ target }) => /^(?:src|commands|wasm)\//.test(target)).filter(({ from, target }) => {
      const [here, there] = [folderOf(from), folderOf(target)];
      return here !== there && floors[there]! >= floors[here]! && !exceptions.has(`${here} -> ${there}`);
    });
    expect(wrong.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  test('a package is imported by its owner only', () => {
    const builtin = new Set(builtinModules);
    const packages = imports.filter(({ target }) => !/^(?:src|commands|wasm)\/|^node:/.test(target) && !builtin.has(target));
    const wrong = packages.filter(({ from, target }) => {
      const name = target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/');
      return !(owners[name] ?? []).includes(folderOf(from));
    });
    expect(wrong.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  test('the walk sees imports at all', () => {
    expect(imports.length).toBeGreaterThan(10);
  });
});
