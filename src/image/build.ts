/** Building: a source becomes one signed, checked image file. Composition only; each step lives in its own folder. */
import { availableParallelism } from 'node:os';
import { toHex } from '../bytes/hex.js';
import { formatUuid } from '../bytes/uuid.js';
import { encodeHead, headSizeFor } from '../chunk/head.js';
import type { WorkerPool } from '../chunk/pool.js';
import { hasCode, ThawfsError } from '../errors.js';
import { encodeChunkList } from '../format/chunk-list.js';
import { encodeManifest, hashTreeSize, type Manifest } from '../format/manifest.js';
import { encodeSignatures, type SignatureScheme } from '../format/signatures.js';
import { writeFully } from '../sys/write.js';
import { pathIn } from '../tree/open-source.js';
import { BLOCK_SIZE, KiB, MiB } from '../units.js';
import type { BaseImage, BaseSource } from './base.js';
import type { Image } from './image.js';
import { writeOutput, type OutputFile } from './output-file.js';
import { createPool, packImage, type PackedImage } from './pack.js';
import type { EmbeddedProfile } from './profile/embed.js';
import { decodeProfile, profileDigest, type Profile } from './profile/profile.js';
import { readProfileBytes } from './profile/recording.js';
import { openRawSource, type RawSource, type RawSourceOptions } from './raw-source.js';
import { Signers, type SignOptions } from './signers.js';
import { VERSION } from './version.js';

/** What is going on, for progress bars: bytes of the raw image, or files while a source is scanned. */
export type BuildStage = 'scan' | 'pack' | 'check';

/** Not the name of the source: a copy under another name must give the same bytes. */
const DEFAULT_NAME = 'image';

export interface BuildOptions extends Omit<RawSourceOptions, 'profile'>, Partial<SignOptions> {
  /** A directory, a tar (`-` = standard input), `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE`, `dump:FILE` or `ext4:FILE`. */
  readonly source: string;
  /** The image file to write; replaced if it exists, and only when the new one is complete. */
  readonly output: string;
  /** Name of the image family, default `image`. */
  readonly name?: string;
  readonly label?: string;
  /** Release counter within the name, default 0. */
  readonly sequence?: number;
  /** Seconds since 1970 after which readers refuse the image; default never. */
  readonly expires?: number;
  /** zstd level 1..19, default 3, which takes level 2 for what is not text (docs/decisions/levels.md). */
  readonly level?: number;
  /** Raw bytes per chunk, a power of two from 16 KiB to 1 MiB; default 64 KiB. */
  readonly chunkSize?: number;
  /** Prefixed to every block that is hashed, at most 256 bytes; default none, so that equal content has equal digests in every image. */
  readonly salt?: Uint8Array;
  /** Worker threads, default the processors of this machine. */
  readonly jobs?: number;
  /** A start-up profile (a file that a recording mount has written): its files are laid out first, in its order, and mounts of the image fetch them first. */
  readonly profile?: string;
  /** Read the finished image back before it gets its name; default true. */
  readonly check?: boolean;
  /**
   * An older version of the image, whose layout is continued: what is unchanged keeps its blocks and inode numbers, so that readers who have
   * the old one fetch little. Level, chunk size, salt, journal, inline data and fs-verity follow from it. Default none.
   */
  readonly base?: BaseSource;
  readonly signal?: AbortSignal;
  readonly onProgress?: (stage: BuildStage, done: number, total: number) => void;
}

export interface BuildReport {
  readonly output: string;
  readonly manifest: Manifest;
  /** Bytes of the image file, of the raw image it decompresses to, and of the files it holds. */
  readonly fileSize: number;
  readonly rawSize: number;
  /** Absent for `ext4:` sources. */
  readonly tree?: RawSource['tree'];
  readonly signedBy: readonly { readonly keyId: string; readonly scheme: SignatureScheme }[];
  readonly checked: boolean;
  /** What has come of the base; absent without one. */
  readonly base?: BaseReport;
  /** What became of the profile: its visits, those whose path is gone, those whose bytes have changed, and the chunks that mounts fetch first. */
  readonly profile?: { readonly visits: number; readonly gone: number; readonly changed: number; readonly chunks: number };
  /** What could not be kept, one sentence each. */
  readonly warnings: readonly string[];
}

export interface BaseReport {
  readonly location: string;
  readonly rootHash: string;
  /** Whether the layout goes on with that of the base; if not, `reason` says why it begins afresh. */
  readonly continued: boolean;
  readonly reason?: string;
  /** Bytes of file data that stay where they were, and that are written anew; of these, bytes that could have stayed in hardly used chunks. */
  readonly kept?: number;
  readonly fresh?: number;
  readonly evacuated?: number;
  /** Bytes of the file system that nothing uses; of these, bytes that go on holding what they held, for their chunks do. */
  readonly unused?: number;
  readonly freed?: number;
}

/**
 * Builds an image. Reads the source once for its names and attributes and once for its contents; both passes see the same
 * tree or the build fails with SOURCE_CHANGED. Memory: about 600 bytes a file, and 130 MiB.
 *
 * @returns when the image has its final name; on any failure nothing has it
 * @throws for the base, what openImage throws, FEATURE_UNSUPPORTED when another program laid it out, BAD_ARGUMENT for settings that differ from its;
 *   BAD_ARGUMENT, PATH_MISSING, NOT_PERMITTED, SOURCE_CHANGED, NO_SPACE, LIMIT_EXCEEDED; FEATURE_UNSUPPORTED for sources of a
 *   kind that is not read; what a check of the finished image finds; the signal's reason
 */
export async function buildImage(options: BuildOptions): Promise<BuildReport> {
  const signers = new Signers({ keys: [], ...options });
  const asked = checkedSettings(options);
  const { base: source, signal } = options;
  // Readers are loaded only where they are needed.
  const base = source === undefined ? undefined : await (await import('./base.js')).BaseImage.open(source, { signal });
  try {
    const settings = base === undefined ? asked : { ...asked, ...base.settingsFor(options) };
    const pool = createPool({ ...settings, signal });
    pool.warm(); // while the source is scanned
    try {
      return await buildWith(pool, settings, signers, options, base);
    } finally {
      await pool.close();
    }
  } finally {
    await base?.close();
  }
}

async function buildWith(pool: WorkerPool, settings: Settings, signers: Signers, options: BuildOptions, base: BaseImage | undefined): Promise<BuildReport> {
  options.onProgress?.('scan', 0, 0);
  const { profile: profilePath, ...rawOptions } = options;
  const profileBytes = profilePath === undefined ? undefined : readProfileBytes(profilePath);
  const profile = profileBytes === undefined ? undefined : decodeProfile(profileBytes);
  const source = await openRawSource(options.source, { ...rawOptions, ...(profile === undefined ? {} : { profile }) }, base);
  try {
    options.signal?.throwIfAborted();
    return await writeOutput(options.output, async (file) => {
      const check = options.check ?? true;
      if (check) loadCheck().catch(() => undefined); // while the other threads are busy; whoever needs it sees the failure
      const packed = await pack(source, file, pool, settings, options);
      const plain = describe(source, packed, settings, options, base);
      const embedded = profile === undefined ? undefined : await resolveProfile(file, plain, packed, profile);
      const chunks = encodeChunkList(embedded?.chunks ?? []);
      const manifest = chunks === '' ? plain : { ...plain, profile: { digest: profileDigest(profileBytes!), chunks } };
      const signedBy = await writeHead(file, manifest, packed, signers);
      if (check) await checkFinished(file, pool, options).catch((error: unknown) => { throw source.tree === undefined ? inForeign(error) : error; });
      return {
        output: options.output, manifest, fileSize: packed.fileSize, rawSize: packed.rawSize,
        ...(source.tree === undefined ? {} : { tree: source.tree }),
        ...(embedded === undefined ? {} : { profile: { ...embedded, chunks: embedded.chunks.length } }),
        signedBy, checked: check, ...(base === undefined ? {} : { base: describeBase(base, source) }), warnings: [...source.warnings, ...manifestWarnings(options)],
      };
    }, [pathIn(options.source), ...(profilePath === undefined ? [] : [profilePath])]);
  } finally {
    source.dispose();
  }
}

function describeBase({ location, rootHash }: BaseImage, { base }: RawSource): BaseReport {
  if (base === undefined || 'unfit' in base) return { location, rootHash, continued: false, reason: base?.unfit ?? '' };
  const { kept, fresh, evacuated, unused, freed } = base;
  const bytes = (blocks: number): number => blocks * BLOCK_SIZE;
  return { location, rootHash, continued: true, kept: bytes(kept), fresh: bytes(fresh), evacuated: bytes(evacuated), unused: bytes(unused), freed: bytes(freed.size) };
}

function manifestWarnings({ name, sequence = 0, expires }: BuildOptions): string[] {
  return [
    ...(name === undefined && sequence > 0 ? ['Sequences count within a name, and all images without one share the name "image": give a name.'] : []),
    ...(expires !== undefined && expires < Math.floor(Date.now() / 1000) ? ['The image has expired already: every reader refuses it.'] : []),
  ];
}

interface Settings { readonly level: number; readonly chunkSize: number; readonly salt: Uint8Array; readonly jobs: number }

function checkedSettings({ level = 3, chunkSize = 64 * KiB, salt = new Uint8Array(0), jobs = availableParallelism(), sequence = 0, name = DEFAULT_NAME, label = '' }: BuildOptions): Settings {
  const demand = (holds: boolean, message: string, suggestion: string): void => {
    if (!holds) throw new ThawfsError('BAD_ARGUMENT', message, { suggestion });
  };
  demand(Number.isInteger(level) && level >= 1 && level <= 19, `level ${level} is not there`, 'Give a level from 1 (fast) to 19 (small).');
  demand(Number.isInteger(Math.log2(chunkSize)) && chunkSize >= 16 * KiB && chunkSize <= MiB, `a chunk cannot have ${chunkSize} bytes`, 'Give a power of two from 16K to 1M.');
  demand(salt.length <= 256, `a salt of ${salt.length} bytes is too long`, 'Give at most 256 bytes (512 hexadecimal digits).');
  demand(Number.isInteger(jobs) && jobs >= 1 && jobs <= 256, `${jobs} jobs are not possible`, 'Give a number from 1 to 256.');
  demand(Number.isSafeInteger(sequence) && sequence >= 0, `sequence ${sequence} is not possible`, 'Give a whole number from 0.');
  demand(isShortText(name) && name !== '' && isShortText(label), 'name or label is not possible', 'Give at most 255 characters without control characters.');
  return { level, chunkSize, salt, jobs };
}

function isShortText(text: string): boolean {
  return /^\P{Cc}{0,255}$/u.test(text);
}

function pack(source: RawSource, file: OutputFile, pool: WorkerPool, settings: Settings, { signal, onProgress }: BuildOptions): Promise<PackedImage> {
  const { fileSystemSize } = source;
  const rawSize = fileSystemSize + BLOCK_SIZE + hashTreeSize(fileSystemSize / BLOCK_SIZE);
  return packImage({
    ...settings, pool, image: source.image, fileSystemSize, uuid: source.uuid, file: file.fd,
    headSize: headSizeFor(Math.ceil(rawSize / settings.chunkSize)),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress: (done: number, total: number) => { onProgress('pack', done, total); } }),
  });
}

function describe(source: RawSource, packed: PackedImage, { level, chunkSize, salt }: Settings, options: BuildOptions, base: BaseImage | undefined): Manifest {
  return {
    formatVersion: 1,
    name: options.name ?? DEFAULT_NAME,
    ...(options.label === undefined ? {} : { label: options.label }),
    sequence: options.sequence ?? 0,
    ...(options.expires === undefined ? {} : { expires: options.expires }),
    uuid: formatUuid(source.uuid),
    raw: { size: packed.rawSize, fileSystem: 'ext4', fileSystemSize: source.fileSystemSize },
    verity: {
      algorithm: 'sha256', blockSize: 4096, salt: toHex(salt), dataBlocks: packed.dataBlocks, hashOffset: packed.hashOffset,
      rootHash: toHex(packed.rootHash),
    },
    index: { chunkSize, chunkCount: packed.chunkCount, rootDigest: toHex(packed.rootDigest) },
    codec: { name: 'zstd', level, implementation: packed.codec },
    ...(base === undefined || source.base === undefined || 'unfit' in source.base ? {} : { base: base.rootHash }),
    provenance: { tool: 'thawfs', version: VERSION },
  };
}

/** Through the packed image, under a head that nobody else sees: where a path lies is what the finished file system says. */
async function resolveProfile(file: OutputFile, manifest: Manifest, packed: PackedImage, profile: Profile): Promise<EmbeddedProfile> {
  await writeHead(file, manifest, packed, new Signers({ keys: [] }));
  const { embedProfile } = await import('./profile/embed.js');
  await using image = await openUnsigned(file);
  return await image.run((view) => embedProfile(view, manifest.index.chunkSize, profile));
}

async function writeHead(file: OutputFile, manifest: Manifest, packed: PackedImage, signers: Signers): Promise<BuildReport['signedBy']> {
  const manifestBytes = encodeManifest(manifest);
  const signatures = signers.signManifest(manifestBytes).map(({ signature }) => signature);
  const pkcs7 = await signers.signRootHash(manifest.verity.rootHash);
  const head = encodeHead({
    manifest: manifestBytes, rootPage: packed.rootPage, headSize: packed.headSize, indexOffset: packed.indexOffset,
    ...(signatures.length === 0 ? {} : { signatures: encodeSignatures(signatures) }),
    ...(pkcs7 === undefined ? {} : { pkcs7 }),
  });
  writeFully(file.fd, head, 0);
  return signatures.map(({ keyId, scheme }) => ({ keyId, scheme }));
}

/** The content, not the signatures: the keys that made those are at hand. */
async function checkFinished(file: OutputFile, pool: WorkerPool, { signal, onProgress }: BuildOptions): Promise<void> {
  const [, { checkImage }] = await loadCheck();
  await using image = await openUnsigned(file);
  await checkImage(image, { path: file.temporaryPath, pool }, { signal, onProgress: (done, total) => onProgress?.('check', done, total) });
}

/** @returns the error, where it is about the structure of a file system that was taken as it is, with what helps there */
function inForeign(error: unknown): unknown {
  if (!hasCode(error, 'STRUCTURE_INVALID', 'BAD_FIELD', 'CHECKSUM_MISMATCH')) return error;
  const { code, message, detail, cause } = error;
  return new ThawfsError(code, message, { detail, cause, suggestion: 'The file system is damaged, or was mounted while it was copied: copy it unmounted, or run e2fsck -fy on the copy, and build again.' });
}

async function openUnsigned({ temporaryPath }: OutputFile): Promise<Image> {
  const { openImage } = await import('./open.js');
  return openImage(temporaryPath, { trust: { keys: [], allowUnsigned: true, now: 0 } });
}

/** The code that reads images, which a build without a check does not load. */
function loadCheck(): Promise<[typeof import('./open.js'), typeof import('./verify.js')]> {
  return Promise.all([import('./open.js'), import('./verify.js')]);
}
