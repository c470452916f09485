/** What the command that mounts has fetched, before there was a server. */
import { mkdirSync } from 'node:fs';
import { mountImages } from '../../src/mount/mount-image.js';
import { mountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, withLazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

oracleTest(['loop', 'fuse'], 'status counts every request, also those of the command', () => withLazyFixture({}, async ({ folder, server, cache }) => {
  const [directory, runtimeFolder] = [`${folder}/place`, `${folder}/run`];
  mkdirSync(directory);
  await mountImages([server.url], directory, { trust: anybody, cache, fill: false, runtimeFolder });
  const requests = async (): Promise<unknown> => (await mountStatus(runtimeFolder)).find(({ target }) => target === directory)?.['requests'];
  await until(async () => await requests() === server.seen.length, 'every request is counted');
  await unmountImage(directory, { runtimeFolder });
  await untilNothingLeft(folder);
}), 60_000);
