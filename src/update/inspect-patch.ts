/** `inspect PATCH`: what a patch makes, and what it is made of. It judges nothing, as inspecting an image does not. */
import { decodeHead } from '../chunk/head.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { PATCH_LIMITS, PATCH_MAGIC, PATCH_OPERATIONS, type OperationKind } from '../format/patch.js';
import { decodeSignatures } from '../format/signatures.js';
import { toHex } from '../bytes/hex.js';
import { openImage } from '../image/open.js';
import { openSource, type SourceOptions } from '../source/open-source.js';
import { summariseTrust, type TrustPolicy, type TrustSummary } from '../trust/policy.js';
import { patchBytes } from './apply-patch.js';
import { Differences } from './differences.js';
import { FileShares, type FileShare } from './file-shares.js';
import { PatchReader, type PatchBatch, type PatchSizes } from './patch-reader.js';

export interface InspectPatchOptions extends SourceOptions {
  /** Whose signatures of the new image count as valid; nothing is refused. */
  readonly trust: TrustPolicy;
  /** Path or URL of the new image, which knows what files there are: with it, the report says what each costs. */
  readonly image?: string;
}

/** What operations of one kind make, and what they take of the patch. */
export interface KindShare {
  operations: number;
  /** Raw bytes of the new image. */
  makes: number;
  /** Bytes of the patch: its compressed streams, divided by what each operation uses of them. */
  costs: number;
}

/** `changed` is `old` with differences. */
export type PatchKind = OperationKind | 'changed';

/** Signatures and trust are those of the new image. */
export interface PatchInspection extends TrustSummary {
  readonly location: string;
  /** Bytes of the patch. */
  readonly size: number;
  readonly base: { readonly rootHash: string; readonly rootDigest: string; readonly rawSize: number };
  /** Of the image that it makes. */
  readonly manifest: Manifest;
  readonly fileSize: number;
  readonly batches: number;
  /** Compressed bytes of each stream, and of the head. */
  readonly streams: PatchSizes;
  readonly kinds: Readonly<Record<PatchKind, KindShare>>;
  /** What the files of the new image cost, dearest first; what belongs to no file is under `(metadata)`. */
  readonly files?: readonly FileShare[];
}

/** @returns whether the file or URL begins as a patch does. @throws what opening throws */
export async function isPatch(location: string, options: SourceOptions): Promise<boolean> {
  const { source, opening } = await openSource(location, PATCH_MAGIC.length, options);
  await source.close();
  return Buffer.from(PATCH_MAGIC).equals(opening);
}

/**
 * Cost: the patch is read and decompressed; with `image` also the metadata of that.
 *
 * @param location a path or URL
 * @throws as PatchReader for a damaged patch; WRONG_BASE when `image` is not what the patch makes; what opening throws
 */
export async function inspectPatch(location: string, { trust, image, ...options }: InspectPatchOptions): Promise<PatchInspection> {
  const input = patchBytes(location, options);
  try {
    let size = 0;
    const reader = new PatchReader(counted(input, (count) => { size += count; }), openCodec());
    const { header, head: headBytes } = await reader.begin();
    const head = decodeHead(headBytes);
    const signatures = head.signatures === undefined ? [] : decodeSignatures(head.signatures);
    const manifest = decodeManifest(head.manifest);
    const trusted = summariseTrust({ manifestBytes: head.manifest, signatures, policy: trust });
    const files = image === undefined ? undefined : await filesOf(image, manifest, options);
    const shares = new Shares(manifest, files);
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
      options.signal?.throwIfAborted();
      shares.add(batch, reader.batchSizes);
    }
    return {
      location, size, base: { rootHash: toHex(header.baseRootHash), rootDigest: toHex(header.baseRootDigest), rawSize: Number(header.baseRawSize) },
      manifest, fileSize: Number(header.fileSize), ...trusted,
      batches: reader.batchCount, streams: reader.sizes, kinds: shares.kinds, ...(files === undefined ? {} : { files: files.list() }),
    };
  } finally {
    await input.return(undefined);
  }
}

async function* counted(input: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of input) {
    count(bytes.length);
    yield bytes;
  }
}

async function filesOf(location: string, { verity }: Manifest, options: SourceOptions): Promise<FileShares> {
  await using image = await openImage(location, { ...options, trust: { keys: [], allowUnsigned: true, now: 0 } });
  const { rootHash } = image.manifest.verity;
  if (rootHash === verity.rootHash) return await FileShares.of(image, options);
  throw new ThawfsError('WRONG_BASE', `${image.location}: has root hash ${rootHash}, the patch makes an image with ${verity.rootHash}`, {
    detail: { expected: verity.rootHash, actual: rootHash }, suggestion: 'Name the image that the patch makes.',
  });
}

/** Divides what a batch takes by the operations that use it. */
class Shares {
  readonly kinds: Record<PatchKind, KindShare>;
  private readonly scratch = Buffer.alloc(PATCH_LIMITS.operation);

  constructor(private readonly manifest: Manifest, private readonly files: FileShares | undefined) {
    const kinds = [...Object.keys(PATCH_OPERATIONS), 'changed'] as PatchKind[];
    this.kinds = Object.fromEntries(kinds.map((kind) => [kind, { operations: 0, makes: 0, costs: 0 }])) as Record<PatchKind, KindShare>;
  }

  add({ rawStart, operations, gaps, values, literals }: PatchBatch, sizes: PatchSizes): void {
    const differences = new Differences(gaps, values);
    const all = [...operations];
    const price = {
      operation: sizes.operations / all.length, literal: perByte(sizes.literals, literals.length), gap: perByte(sizes.gaps, gaps.size), value: perByte(sizes.values, values.size),
    };
    const { index: { chunkSize }, raw } = this.manifest;
    let at = rawStart;
    let [gapsBefore, valuesBefore] = [0, 0];
    let last = { at, makes: 0 };
    for (const { kind, length, inside } of all) {
      if (kind === 'old') differences.applyTo(this.scratch.subarray(0, length));
      const differs = values.position > valuesBefore;
      const costs = price.operation + (gaps.position - gapsBefore) * price.gap + (values.position - valuesBefore) * price.value + (kind === 'literal' || kind === 'frame' ? length * price.literal : 0);
      [gapsBefore, valuesBefore] = [gaps.position, values.position];
      if (inside) { // what makes a gzip's content is part of what the gzip costs
        this.kinds.gzip.costs += costs;
        this.files?.add(last.at, last.makes, costs);
        continue;
      }
      const makes = kind === 'same' || kind === 'frame' ? Math.min((kind === 'same' ? length : 1) * chunkSize, raw.size - at) : length;
      const share = this.kinds[differs ? 'changed' : kind];
      share.operations++;
      share.makes += makes;
      share.costs += costs;
      this.files?.add(at, makes, costs);
      last = { at, makes };
      at += makes;
    }
  }
}

function perByte(compressed: number, size: number): number {
  return size === 0 ? 0 : compressed / size;
}
