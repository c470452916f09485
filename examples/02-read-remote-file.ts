/**
 * Reads one file of an image on a web server. Only what is needed is fetched, and every byte is verified.
 *
 *     node dist/examples/02-read-remote-file.js URL PUBLIC.pem PATH
 */
import { readFileSync } from 'node:fs';
import { ImageFiles, loadTrustedKeys, openImage } from 'thawfs';

const [url, keyFile, path] = process.argv.slice(2);
if (url === undefined || keyFile === undefined || path === undefined) throw new Error('usage: 02-read-remote-file URL PUBLIC.pem PATH');

const trust = { keys: loadTrustedKeys([readFileSync(keyFile, 'utf8')]), now: Math.floor(Date.now() / 1000) };
const image = await openImage(url, { trust });
try {
  for await (const bytes of new ImageFiles(image).content(path)) process.stdout.write(bytes);
  console.error(`${image.statistics.requests} requests, ${image.statistics.bytesFetched} bytes of ${image.fileSize}`);
} finally {
  await image.close();
}
