/** The units of examples/systemd, as systemd itself judges them; and what mount(8) would hand to us from them. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { mountHelperArguments } from '../../src/cli/mount-helper.js';
import { oracleTest } from '../helpers/oracle.js';
import { withTempDir } from '../helpers/temp-dir.js';

const folder = resolve('examples/systemd');
const units = readdirSync(folder);
const run = promisify(execFile);

/** @returns what systemd-analyze complains about, '' when it does not */
async function complaints(changed: (unit: string) => string): Promise<string> {
  let found = '';
  await withTempDir(async (temporary) => {
    // Programs must exist, so ours takes the place of the installed one.
    for (const unit of units) writeFileSync(`${temporary}/${unit}`, changed(readFileSync(`${folder}/${unit}`, 'utf8').replaceAll('/usr/local/bin/thawfs', resolve('bin/run.js'))));
    const { stderr } = await run('systemd-analyze', ['verify', '--man=no', ...units.map((unit) => `${temporary}/${unit}`)]).catch((error: unknown) => error as { readonly stderr: string });
    // It also reads the machine's own units, which are none of ours.
    found = stderr.split('\n').filter((line) => line.includes(temporary) || units.some((unit) => line.startsWith(`${unit}:`))).join('\n');
  });
  return found;
}

describe('systemd units', () => {
  oracleTest(['systemd-analyze'], 'are what systemd accepts without a remark', async () => {
    expect(units.sort()).toEqual(['srv-app.automount', 'srv-app.mount', 'thawfs-app.service']);
    expect(await complaints((unit) => unit)).toBe('');
  });

  oracleTest(['systemd-analyze'], 'would be refused otherwise', async () => {
    expect(await complaints((unit) => unit.replace('Where=/srv/app', 'Where=/elsewhere'))).toContain('srv-app.mount');
    expect(await complaints((unit) => unit.replace('ExecReload=', 'ExecReloading='))).toContain('thawfs-app.service');
  });

  test('have options that mount.thawfs takes, the unit as the fstab line in it and in the README', () => {
    const unit = readFileSync(`${folder}/srv-app.mount`, 'utf8');
    const [, options = ''] = /^Options=(.*)$/m.exec(unit) ?? [];
    expect(mountHelperArguments(['u', '/srv/app', '-o', options])).toEqual(['mount', '--once', '--trust=/etc/thawfs/trust/ci.pub', '--cache-size=8G', 'u', '/srv/app']);
    for (const text of [unit, readFileSync('README.md', 'utf8')]) {
      const [, image = '', directory = '', type, fstab = ''] = /^[# ]+(https:\S+)\s+(\S+)\s+(\S+)\s+(\S+,x-systemd\S*)\s+0\s+0$/m.exec(text) ?? [];
      expect([type, mountHelperArguments([image, directory, '-o', fstab])]).toEqual(['thawfs', ['mount', '--once', '--trust=/etc/thawfs/trust/ci.pub', 'https://example.org/app.img.zst', '/srv/app']]);
    }
  });
});
