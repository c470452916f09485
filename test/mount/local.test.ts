/** Images whose data is here as compressed chunks: what the kernel is given in advance, and what must still be checked. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { withLazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft, type Mounted } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['loop', 'fuse', 'losetup', 'find'];
const run = promisify(execFile);

const FOLDERS = 200;

/** As many directories, a block each. */
function makeFolders(tree: string): void {
  for (let i = 0; i < FOLDERS; i++) {
    mkdirSync(`${tree}/${i % 7}/${i}`, { recursive: true });
    writeFileSync(`${tree}/${i % 7}/${i}/file`, `${i}`);
  }
}

async function requests(mounted: Mounted): Promise<number> {
  return Number((await mounted.status())['fuseRequests']);
}

/** What is read in advance has been read when requests have ceased for some time: reading begins in a process of its own, which has to start. */
async function untilQuiet(mounted: Mounted): Promise<number> {
  let last = -1;
  await until(async () => {
    const before = last;
    last = await requests(mounted);
    await delay(2000);
    return before === last;
  }, 'requests cease');
  return last;
}

describe('block back-end', () => {
  oracleTest(needs, 'metadata that is here is read in advance, metadata that is not is fetched when it is wanted', () => withLazyFixture({ makeTree: makeFolders }, async ({ folder, server, mount }) => {
    const far = await mount();
    await untilQuiet(far);
    const fetched = server.bytesSent;
    await run('find', [far.directory, '-ls']);
    expect(server.bytesSent).toBeGreaterThan(fetched);
    await far.fill();
    await far.unmount();

    const near = await mount({ offline: true });
    const before = await untilQuiet(near);
    const { stdout } = await run('find', [near.directory, '-name', 'file', '-printf', '%s\n']);
    expect(stdout.split('\n')).toHaveLength(FOLDERS + 1);
    expect(await requests(near) - before).toBeLessThan(FOLDERS / 10);
    await near.unmount();
    await untilNothingLeft(folder);
  }), 180_000);
});
