/** What npm makes of the project: what users get, and nothing else. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

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
