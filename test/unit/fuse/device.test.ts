import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { openFuseDevice } from '../../../src/fuse/device.js';
import { withTempDir } from '../../helpers/temp-dir.js';

describe('a FUSE device', () => {
  test('that is not there: the module is missing', () => withTempDir((folder) => {
    expect(() => openFuseDevice(`${folder}/fuse`)).toThrow(expect.objectContaining({ code: 'NO_FUSE_DEVICE', suggestions: [expect.stringContaining('modprobe') as unknown] }));
  }));

  test('that the user may not open: its mode is wrong', () => withTempDir((folder) => {
    writeFileSync(`${folder}/fuse`, '', { mode: 0o000 });
    chmodSync(folder, 0o755);
    const module = new URL('../../../src/fuse/device.js', import.meta.url).href;
    // A process of its own: root, which may open everything, becomes nobody when the module is loaded.
    const script = `const { openFuseDevice } = await import('${module}');
      if (process.getuid() === 0) process.setuid(65534);
      try { openFuseDevice('${folder}/fuse'); } catch ({ code, message, suggestions }) { console.log(code, message, suggestions[0]); }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stdout).toBe(`NO_FUSE_DEVICE ${folder}/fuse cannot be opened: EACCES Let users open the device (chmod 666 ${folder}/fuse), or mount as root.\n`);
  }));
});
