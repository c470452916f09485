/** `patch`: makes the new image from the old one and a patch, in one pass over the patch. */
import { existsSync, readdirSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { decodeHead } from '../chunk/head.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ifErrno, ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { decodeSignatures } from '../format/signatures.js';
import { isRemote } from '../source/is-remote.js';
import { openSource, type SourceOptions } from '../source/open-source.js';
import { openStream } from '../tree/open-stream.js';
import { requireTrust, type TrustPolicy } from '../trust/policy.js';
import { MiB } from '../units.js';
import { BatchApplier } from './apply-batch.js';
import { ImageFileOutput, type ImageFileFacts } from './image-file-output.js';
import { ImageWriter, type ImageOutput } from './image-writer.js';
import { Device, Journal, mayBeJournal } from './journal.js';
import { LeafFile } from './leaf-file.js';
import { openBase, type PatchBase } from './patch-base.js';
import { PatchReader } from './patch-reader.js';
import { RawOutput } from './raw-output.js';
import { ResumableFile } from './resumable-file.js';
import { hasMagic } from './side-kind.js';

export interface ApplyPatchOptions extends SourceOptions {
  /** Judges the new image, before the first byte is written. */
  readonly trust: TrustPolicy;
  /** Write a raw image: it needs no zstd of a certain version; default an image file. */
  readonly raw?: boolean;
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: Readable;
  /** Raw bytes made so far, and in all; in place each is made once beside the device, and written once to it. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PatchInPlaceOptions extends Omit<ApplyPatchOptions, 'raw'> {
  /** Path of the journal; default `.NAME.journal` beside a raw image in a file. It takes as much as changes. */
  readonly journal?: string;
}

export interface ApplyPatchReport {
  readonly output: string;
  readonly manifest: Manifest;
  readonly signedBy: readonly string[];
  /** Bytes of the output. */
  readonly size: number;
  /** Raw bytes that an earlier run had made. */
  readonly resumedAt: number;
}

/**
 * The old image is only read. The new one appears under its name when the digests that its signed manifest names were computed anew
 * and are right. The patch itself is signed by nobody: its result is. A run that ends early leaves `.OUTPUT.ROOTHASH.patch`, from which the next one goes on.
 *
 * Memory: about 100 MiB, and for an image file 80 bytes for each of its chunks. Leaf digests of more than 1 GiB go to a file beside the output.
 *
 * @param base the old image: path of an image file, of a raw image, or of a block device that holds it
 * @param patch a path, of a pipe too, an http(s) URL, or `-` for standard input
 * @param output the file to write
 * @throws WRONG_BASE; BAD_MAGIC, TRUNCATED, CHECKSUM_MISMATCH, BAD_FIELD, LIMIT_EXCEEDED for the patch; what requireTrust throws;
 *   ROOT_DIGEST_MISMATCH, BLOB_DIGEST_MISMATCH when the result is not what was signed; FEATURE_UNSUPPORTED when this machine's zstd
 *   makes other frames; CHUNK_DIGEST_MISMATCH for a damaged old image; OUTPUT_BUSY when another run writes it; what opening the patch throws; NO_SPACE
 */
export async function applyPatch(base: string, patch: string, output: string, options: ApplyPatchOptions): Promise<ApplyPatchReport> {
  return withPatch(patch, options, async (opened) => {
    const { manifest, signedBy, header } = opened;
    await using old = await disposable(openBase(base, header));
    const file = openPartial(output, manifest.verity.rootHash);
    const begun = file.size > 0;
    try {
      const target = options.raw === true ? new RawOutput(file, manifest.raw.size) : new ImageFileOutput(file, opened);
      const resumedAt = await assemble(opened, old.value, target, file, options);
      file.commit();
      return { output, manifest, signedBy, resumedAt, size: options.raw === true ? manifest.raw.size : Number(header.fileSize) };
    } catch (error) {
      if (isHopeless(error)) file.discard();
      // What was there may have been damaged since, or come from a forged patch.
      if (isHopeless(error) && begun && patch !== '-' && pipeAt(patch) === undefined) return await applyPatch(base, patch, output, options);
      throw ifErrno(error, `writing ${output}`);
    } finally {
      file.close();
    }
  });
}

/**
 * Updates a raw image, in a file or on a block device, where it is. Nothing is written to it before the whole new image was made
 * and checked; from then on the journal has everything, and running the same command again finishes what was interrupted.
 *
 * @param device holds the old raw image
 * @throws as {@link applyPatch}; MOUNT_BUSY when the device is in use; BAD_ARGUMENT when the journal is that of another update
 */
export async function patchInPlace(device: string, patch: string, options: PatchInPlaceOptions): Promise<ApplyPatchReport> {
  return withPatch(patch, options, async (opened) => {
    const { manifest, signedBy, header } = opened;
    const target = new Device(device);
    let file: ResumableFile | undefined;
    try {
      if (target.isFile && hasMagic(device)) throw new ThawfsError('BAD_ARGUMENT', `${device}: an image file is not updated in place`, { detail: { path: device }, suggestion: 'Write a new one with --output, or name a raw image.' });
      target.require(manifest.raw.size);
      file = openJournal(target, options.journal);
      const journal = new Journal(file, target, manifest, header);
      let resumedAt = manifest.raw.size;
      if (!journal.isComplete()) {
        await using old = await disposable(openBase(device, header));
        resumedAt = await assemble(opened, old.value, journal, file, { ...options, onProgress: (done, total) => options.onProgress?.(done, 2 * total) });
      }
      journal.apply((done, total) => options.onProgress?.(total + done, 2 * total));
      return { output: device, manifest, signedBy, size: manifest.raw.size, resumedAt };
    } catch (error) {
      if (isHopeless(error)) file?.discard();
      throw ifErrno(error, `writing ${device}`);
    } finally {
      file?.close();
      target.close();
    }
  });
}

interface OpenedPatch extends ImageFileFacts {
  readonly reader: PatchReader;
  readonly signedBy: readonly string[];
}

async function withPatch<T>(patch: string, options: ApplyPatchOptions, use: (opened: OpenedPatch) => Promise<T>): Promise<T> {
  const input = patchBytes(patch, options);
  try {
    const reader = new PatchReader(input, openCodec());
    const { header, head: headBytes } = await reader.begin();
    const head = decodeHead(headBytes);
    const { manifest, signedBy } = requireTrust({ manifestBytes: head.manifest, signatures: head.signatures === undefined ? [] : decodeSignatures(head.signatures), policy: options.trust });
    return await use({ reader, header, head, headBytes, manifest, signedBy });
  } finally {
    await input.return(undefined);
  }
}

/** @returns the patch as it comes */
export async function* patchBytes(patch: string, options: SourceOptions & Pick<ApplyPatchOptions, 'stdin'>): AsyncGenerator<Uint8Array, void, undefined> {
  if (patch === '-') {
    yield* (options.stdin ?? process.stdin) as AsyncIterable<Uint8Array>;
    return;
  }
  const pipe = pipeAt(patch);
  if (pipe !== undefined) {
    yield* openStream(patch, pipe) as AsyncIterable<Uint8Array>;
    return;
  }
  const { source, opening } = await openSource(patch, MiB, options);
  try {
    yield opening;
    for (let at = opening.length; at < source.size; at += MiB) yield await source.read(at, Math.min(MiB, source.size - at), { signal: options.signal });
  } finally {
    await source.close();
  }
}

/** @returns what is known of a pipe, as of a shell's <(…); undefined for what is none */
function pipeAt(patch: string): Stats | undefined {
  const stats = isRemote(patch) ? undefined : statSync(patch, { throwIfNoEntry: false });
  return stats?.isFIFO() === true ? stats : undefined;
}

/** @returns where an image is made, until it has its name */
export function partialPathOf(output: string, rootHash: string): string {
  return ResumableFile.temporaryPathOf(output, partialSuffix(rootHash));
}

function partialSuffix(rootHash: string): string {
  return `${rootHash.slice(0, 16)}.patch`;
}

/** `.NAME.ROOTHASH.patch`: what was begun for another image is of no use to this one, and is removed. */
function openPartial(output: string, rootHash: string): ResumableFile {
  const suffix = partialSuffix(rootHash);
  const [folder, prefix] = [dirname(output), `.${basename(output)}.`];
  if (existsSync(folder)) {
    for (const name of readdirSync(folder)) {
      if (name.startsWith(prefix) && /^[0-9a-f]{16}\.patch$/.test(name.slice(prefix.length)) && !name.endsWith(suffix)) ResumableFile.remove(output, join(folder, name));
    }
  }
  return ResumableFile.open(output, suffix);
}

function openJournal(device: Device, path: string | undefined): ResumableFile {
  if (path === undefined && !device.isFile) {
    throw new ThawfsError('BAD_ARGUMENT', `${device.path} is a device: where its journal goes must be said`, { detail: { path: device.path }, suggestion: 'Name a file on another disk with --journal.' });
  }
  const file = ResumableFile.openAt(device.path, path ?? ResumableFile.temporaryPathOf(device.path, 'journal'));
  if (mayBeJournal(file)) return file;
  file.close();
  throw new ThawfsError('BAD_ARGUMENT', `${file.temporaryPath}: is there, and is no journal`, { detail: { path: file.temporaryPath }, suggestion: 'Name a file that is not there yet, or the journal of this update.' });
}

/** Whether what was made so far cannot become the image: not when the patch only ended early, or the disk is full. */
function isHopeless(error: unknown): boolean {
  return hasCode(error) && (error.kind === 'integrity' || error.kind === 'unsupported' || (error.kind === 'format' && error.code !== 'TRUNCATED' && error.code !== 'CHECKSUM_MISMATCH'));
}

/** @param file that the target writes. @returns raw bytes that were there already */
async function assemble({ reader, manifest }: OpenedPatch, base: PatchBase, target: ImageOutput & { begin(writer: ImageWriter): number }, file: ResumableFile, options: ApplyPatchOptions): Promise<number> {
  const leaves = new LeafFile(`${file.temporaryPath}.leaves.${process.pid}`);
  try {
    const writer = new ImageWriter(manifest, target, leaves);
    target.begin(writer);
    const resumedAt = writer.rawPosition;
    const applier = new BatchApplier(base, writer, manifest.index.chunkSize);
    for (let batch = await reader.next(resumedAt); batch !== undefined; batch = await reader.next(resumedAt)) {
      options.signal?.throwIfAborted();
      await applier.apply(batch, options.signal);
      options.onProgress?.(writer.rawPosition, manifest.raw.size);
    }
    writer.finish();
    options.onProgress?.(manifest.raw.size, manifest.raw.size);
    return resumedAt;
  } catch (error) {
    if (hasCode(error, 'ROOT_DIGEST_MISMATCH', 'BLOB_DIGEST_MISMATCH')) await base.requireIntact(options);
    throw error;
  } finally {
    leaves.close();
  }
}

/** A value that is closed at the end of a scope. */
async function disposable<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<{ readonly value: T } & AsyncDisposable> {
  const value = await opening;
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
