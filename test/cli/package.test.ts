/** What npm makes of the project: what users get, and nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';

interface Packed { readonly files: readonly { readonly path: string }[] }

describe('the package', () => {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as [Packed];
  const paths = new Set(packed.files.map(({ path }) => path));

  test('has neither tests nor maps of sources that are not in it', () => {
    expect([...paths].filter((path) => /\.map$|\btest\b|tsbuildinfo/.test(path))).toEqual([]);
  });

  test('has its programs, its entry and its types', () => {
    const { bin, exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string>; exports: Record<string, Record<string, string>> };
    for (const path of [...Object.values(bin), ...Object.values(exports['.']!), 'oclif.manifest.json']) expect(paths).toContain(join(path));
  });

  test.each([...paths].filter((path) => path.endsWith('.md')))('has what %s links to', (path) => {
    const links = [...readFileSync(path, 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => join(dirname(path), link!));
    expect(links.filter((link) => !paths.has(link) && ![...paths].some((file) => file.startsWith(`${link.replace(/\/$/, '')}/`)))).toEqual([]);
  });
});

describe('the package, installed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thawfs-package-'));
  afterAll(() => { rmSync(folder, { recursive: true }); });
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as [{ filename: string }];
  const place = join(folder, 'node_modules/thawfs');
  mkdirSync(place, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', place, '--strip-components=1']);
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name));
  }

  const run = (script: string, codec?: string): string => {
    const file = join(folder, script.startsWith('import') ? 'main.mjs' : 'main.cjs');
    writeFileSync(file, script);
    return node([file], codec);
  };
  const node = (args: readonly string[], codec?: string): string => {
    return execFileSync(process.execPath, args, {
      cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '', ...(codec === undefined ? {} : { THAWFS_CODEC: codec }) },
    });
  };
  const use = `
    fs.mkdirSync('tree', { recursive: true });
    fs.writeFileSync('tree/hello', 'world');
    thawfs.buildImage({ source: 'tree', output: 'image.img.zst', force: true, name: 'hello', sequence: 1 }).then(({ manifest }) => { console.log(manifest.codec.implementation); });`;

  test.each(['import * as thawfs from "thawfs"; import fs from "node:fs";', 'const thawfs = require("thawfs"), fs = require("node:fs");'])('%s', (header) => {
    expect(run(`${header}${use}`, 'wasm')).toMatch(/^zstd-codec/);
  });

  test.each(['module', 'commonjs'])('a program of the command line, as %s', (type) => {
    const header = type === 'module' ? 'import * as thawfs from "thawfs"; import fs from "node:fs";' : 'const thawfs = require("thawfs");';
    expect(node([`--input-type=${type}`, '-e', `${header}${use}`])).toMatch(/zstd/);
  });

  test('gives the same to require and import', () => {
    const names = 'console.log(Object.keys(thawfs).filter((name) => !/^(default|module.exports|__esModule)$/.test(name)).sort().join())';
    const required = run(`const thawfs = require("thawfs"); ${names}`);
    expect(required).toBe(run(`import * as thawfs from "thawfs"; ${names}`));
    expect(required.split(',')).toEqual(expect.arrayContaining(['buildImage', 'cachedImages', 'fillCache', 'unpinImage']));
  });
});
