/** Index pages of several images by digest: an equal part of two indexes is fetched once, and from the nearer of them. */
import { toHex } from '../bytes/hex.js';
import { sha256 } from '../hash/sha256.js';
import type { PageShelf } from '../image/locator.js';

/** Memory: 36 bytes a chunk of what was put on it. */
export class DigestShelf implements PageShelf {
  private readonly pages = new Map<string, Uint8Array>();

  find(digest: Uint8Array): Uint8Array | undefined {
    return this.pages.get(toHex(digest));
  }

  keep(digest: Uint8Array, page: Uint8Array): void {
    this.pages.set(toHex(digest), page);
  }

  /** The root page lies in the head, and may be an inner page of a larger image. */
  keepRoot(page: Uint8Array): void {
    this.keep(sha256(page), page);
  }
}
