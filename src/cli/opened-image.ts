/** How reading commands come to an image: trust policy from the flags, open, use, close. */
import { string } from '@oclif/core/args';
import type { Image } from '../image/image.js';
import type { ImageFiles } from '../image/files.js';
import { printable } from '../source/http-url.js';
import type { TrustPolicy } from '../trust/policy.js';
import { trustPolicy, type TrustFlags } from './trust.js';

export const imageArgument = string({ required: true, description: 'Image: a path, or an http(s) URL, of which only what is needed is fetched.' });

/** What opening needs of the command. */
export interface Reading {
  readonly signal: AbortSignal;
  /** A remark for people. */
  readonly remark: (text: string) => void;
}

/**
 * Where keys are trusted, by flag or by folder, they decide. Where none are, there is no policy to enforce: looking is allowed, as with
 * any archive, and said to be what it is. `verify` does not come this way: it wants a policy.
 *
 * @param what is looked at, for the remark
 */
export async function lookingPolicy(flags: TrustFlags, what: string, remark: Reading['remark']): Promise<TrustPolicy> {
  const policy = await trustPolicy(flags);
  if (policy.keys.length > 0 || policy.allowUnsigned === true) return policy;
  remark(`warning: nobody vouches for ${printable(what)}: no key is trusted here (--trust). Content is checked against its own manifest only.`);
  return { ...policy, allowUnsigned: true };
}

/** @returns what `use` returns; the image is closed by then. Whom it trusts: {@link lookingPolicy} */
export async function withImage<T>(location: string, flags: TrustFlags, { signal, remark }: Reading, use: (image: Image) => Promise<T>): Promise<T> {
  const { openImage } = await import('../image/open.js');
  const image = await openImage(location, { trust: await lookingPolicy(flags, location, remark), signal });
  try {
    return await use(image);
  } finally {
    await image.close();
  }
}

/** As {@link withImage}, for the files in it. */
export async function withFiles<T>(location: string, flags: TrustFlags, reading: Reading, use: (files: ImageFiles) => Promise<T>): Promise<T> {
  const { ImageFiles } = await import('../image/files.js');
  return withImage(location, flags, reading, (image) => use(new ImageFiles(image)));
}
