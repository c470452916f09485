/** What of a served image is on this machine: looks into the cache by itself, and fetches nothing. */
import { localFiles, type LocalFile } from '../image/local-files.js';
import { LocalImage } from '../image/local-image.js';
import { DiskStore } from '../store/disk-store.js';
import { MiB } from '../units.js';

/** What a supervisor answers to the question `image`. */
export interface ServedImage { readonly head: string; readonly locations: readonly string[]; readonly cache: string }

const MEMORY_SIZE = 8 * MiB;

export class LocalView implements AsyncDisposable {
  private constructor(private readonly image: LocalImage, private readonly cache: DiskStore) {}

  static async open({ head, locations, cache: folder }: ServedImage): Promise<LocalView> {
    const cache = new DiskStore(folder);
    return new LocalView(await LocalImage.openLocal({ head: Buffer.from(head, 'base64'), locations, cache, memorySize: MEMORY_SIZE }), cache);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.image.close();
    this.cache.close();
  }

  get rootHash(): string { return this.image.manifest.verity.rootHash; }

  /** @returns bytes of the raw image whose chunks are here, as far as index pages are here to tell */
  localSize(): number {
    const { image } = this;
    let local = 0;
    for (const chunk of image.localChunks()) local += image.sizeOf(chunk);
    return local;
  }

  /** @returns the files as they are here now. Cost: reads all metadata that is here */
  files(): Iterable<LocalFile> {
    const { image } = this;
    const seen = new Map<number, boolean>();
    const isLocal = (chunk: number): boolean => {
      const answer = seen.get(chunk) ?? image.isLocal(chunk);
      seen.set(chunk, answer);
      return answer;
    };
    return localFiles({ bytes: image, chunkSize: image.chunkSize, isLocal });
  }
}
