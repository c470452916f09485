/** `unpack`: the raw image, as any kernel mounts it, with the sidecars that systemd looks for. */
import { ftruncateSync } from 'node:fs';
import { toBytes } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import { zeroChunkId } from '../chunk/zero-chunk.js';
import { INDEX_PAGE_ENTRIES } from '../format/container.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ByteRange } from '../sys/seek.js';
import { writeFully } from '../sys/write.js';
import type { Image } from './image.js';
import { writeOutput, type OutputFile } from './output-file.js';
import { writeSparse } from './write-sparse.js';

export interface UnpackOptions extends ReadOptions {
  /** Write OUTPUT.verity (superblock and hash tree), OUTPUT.roothash and, where the image has one, OUTPUT.roothash.p7s too; default false. */
  readonly sidecars?: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

/** @returns the files written, the raw image first */
export async function unpackImage(image: Image, output: string, { sidecars = false, signal, onProgress }: UnpackOptions = {}): Promise<string[]> {
  const { verity } = image.manifest;
  const written = [output];
  await writeOutput(output, (file) => writeRaw(image, file, 0, { signal, ...(onProgress === undefined ? {} : { onProgress }) }), [image.location]);
  if (!sidecars) return written;
  const sidecar = async (suffix: string, write: (file: OutputFile) => Promise<void> | void): Promise<void> => {
    await writeOutput(output + suffix, async (file) => { await write(file); });
    written.push(output + suffix);
  };
  await sidecar('.verity', (file) => writeRaw(image, file, verity.hashOffset, { signal }));
  await sidecar('.roothash', (file) => { writeFully(file.fd, toBytes(verity.rootHash)); });
  const { pkcs7 } = image.head;
  if (pkcs7 !== undefined) await sidecar('.roothash.p7s', (file) => { writeFully(file.fd, pkcs7); });
  return written;
}

/** Writes the raw image from `start` on as a file of its own. */
async function writeRaw(image: Image, file: OutputFile, start: number, { signal, onProgress }: UnpackOptions): Promise<void> {
  const { size } = image.manifest.raw;
  ftruncateSync(file.fd, size - start);
  for await (const range of rangesWithData(image, start, signal)) {
    for await (const { offset, bytes } of image.chunks(range.start, range.end, { signal })) {
      writeSparse(file.fd, bytes, offset - start);
      onProgress?.(offset + bytes.length - start, size - start);
    }
  }
  onProgress?.(size - start, size - start);
}

/** Ranges of the raw image from `start` on without those of its chunks that are zeros. */
async function* rangesWithData(image: Image, start: number, signal: AbortSignal | undefined): AsyncGenerator<ByteRange, void, undefined> {
  const { raw: { size }, index: { chunkSize, chunkCount }, verity: { salt } } = image.manifest;
  const zeroId = zeroChunkId(chunkSize, parseHex(salt, 'manifest.verity.salt'));
  let from = start;
  for (let first = Math.floor(start / chunkSize); first < chunkCount; first += INDEX_PAGE_ENTRIES) {
    for (const place of await image.locate(first, Math.min(first + INDEX_PAGE_ENTRIES, chunkCount), { signal })) {
      if (Buffer.compare(place.id, zeroId) !== 0) continue;
      const at = place.number * chunkSize;
      if (at > from) yield { start: from, end: at };
      from = Math.max(from, at + chunkSize);
    }
  }
  if (from < size) yield { start: from, end: size };
}
