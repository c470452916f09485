/** How reading commands come to an image: trust policy from the flags, open, use, close. */
import { string } from '@oclif/core/args';
import type { Image } from '../image/image.js';
import type { ImageFiles } from '../image/files.js';
import { trustPolicy, type TrustFlags } from './trust.js';

export const imageArgument = string({ required: true, description: 'Image: a path, or an http(s) URL, of which only what is needed is fetched.' });

/** @returns what `use` returns; the image is closed by then. */
export async function withImage<T>(location: string, flags: TrustFlags, signal: AbortSignal, use: (image: Image) => Promise<T>): Promise<T> {
  const { openImage } = await import('../image/open.js');
  const image = await openImage(location, { trust: await trustPolicy(flags), signal });
  try {
    return await use(image);
  } finally {
    await image.close();
  }
}

/** As {@link withImage}, for the files in it. */
export async function withFiles<T>(location: string, flags: TrustFlags, signal: AbortSignal, use: (files: ImageFiles) => Promise<T>): Promise<T> {
  const { ImageFiles } = await import('../image/files.js');
  return withImage(location, flags, signal, (image) => use(new ImageFiles(image)));
}
