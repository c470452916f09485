/**
 * Writes test/golden/images.json anew, for a change of bytes that is meant: `npm run build && node dist/test/golden/update.js`.
 * Say in the commit why the bytes changed, and raise the format version if old readers cannot read them.
 */
import { goldenImages, writeGolden, type Golden } from './images.js';

const images: Record<string, Golden> = {};
for (const [name, compute] of goldenImages) images[name] = await compute();
writeGolden(images);
