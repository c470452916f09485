/**
 * Says what an image is, and lists its root. Nothing is refused: this is for looking, not for trusting.
 *
 *     node dist/examples/03-inspect.js IMAGE|URL
 */
import { ImageFiles, inspectImage, listImage, openImage } from 'thawfs';

const [location] = process.argv.slice(2);
if (location === undefined) throw new Error('usage: 03-inspect IMAGE|URL');

const anybody = { keys: [], allowUnsigned: true, now: 0 };
const { manifest, sizes, signatures } = await inspectImage(location, { trust: anybody });
console.log(`${manifest.name}, sequence ${manifest.sequence}: ${sizes.raw} bytes in ${sizes.file}, ${signatures.length} signatures`);

const image = await openImage(location, { trust: anybody });
try {
  for await (const { kind, size, path } of listImage(new ImageFiles(image), '/')) console.log(`${kind} ${size} ${path}`);
} finally {
  await image.close();
}
