/** The manifest: what is signed. Canonical JSON in the head; every other byte of the image is bound to it by digests. */
import { decodeCanonicalJson, encodeCanonicalJson, type JsonValue } from '../bytes/canonical-json.js';
import { JsonFields } from '../bytes/json-fields.js';
import { ThawfsError } from '../errors.js';
import { BLOCK_SIZE, KiB, MiB } from '../units.js';
import { decodeChunkList } from './chunk-list.js';
import { CHUNK_COUNT_MAX } from './container.js';

/** DSSE payload type of the manifest. */
export const MANIFEST_TYPE = 'application/vnd.thawfs.manifest.v1+json';
/** Largest manifest a reader accepts, bytes. */
export const MANIFEST_MAX_SIZE = 16 * KiB;

export interface Manifest {
  readonly formatVersion: 1;
  /** Name of the image family; `sequence` counts within it. */
  readonly name: string;
  /** Version for people. */
  readonly label?: string;
  /** Rises with every release; a reader refuses a lower one than it has seen. */
  readonly sequence: number;
  /** Seconds since 1970 after which readers refuse the image. */
  readonly expires?: number;
  /** Of the file system and of the verity superblock, lowercase with hyphens. */
  readonly uuid: string;
  /** The raw image that the chunk frames decompress to. */
  readonly raw: { readonly size: number; readonly fileSystem: 'ext4'; readonly fileSystemSize: number };
  readonly verity: {
    readonly algorithm: 'sha256';
    readonly blockSize: 4096;
    /** Lowercase hex, empty = none. */
    readonly salt: string;
    readonly dataBlocks: number;
    /** Byte offset of the verity superblock in the raw image. */
    readonly hashOffset: number;
    readonly rootHash: string;
  };
  readonly index: {
    /** Raw bytes per chunk; the last chunk may be shorter. */
    readonly chunkSize: number;
    readonly chunkCount: number;
    /** Digest of the root page. */
    readonly rootDigest: string;
  };
  readonly codec: { readonly name: 'zstd'; readonly level: number; readonly implementation: string };
  /** Root hash of the image this one was laid out on. */
  readonly base?: string;
  /** What starts from this image read first, when it was recorded (docs/profile.md). */
  readonly profile?: {
    /** SHA-256 of the profile. */
    readonly digest: string;
    /** Chunks in the order of their use, see chunk-list.ts. */
    readonly chunks: string;
  };
  /** Free facts about the build: tool and version. */
  readonly provenance: { readonly [key: string]: string };
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeCanonicalJson(manifest as unknown as JsonValue);
}

/**
 * Strict: unknown fields, wrong types, sizes that contradict each other are refused.
 *
 * @throws BAD_FIELD, VERSION_UNSUPPORTED, LIMIT_EXCEEDED
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MANIFEST_MAX_SIZE) {
    throw new ThawfsError('LIMIT_EXCEEDED', `manifest: ${bytes.length} bytes, at most ${MANIFEST_MAX_SIZE} are allowed`, { detail: { record: 'manifest', size: bytes.length } });
  }
  const top = new JsonFields(decodeCanonicalJson(bytes, 'manifest'), 'manifest');
  const formatVersion = top.integer('formatVersion', 0);
  if (formatVersion !== 1) {
    throw new ThawfsError('VERSION_UNSUPPORTED', `manifest: format version ${formatVersion}, this program reads version 1`, {
      detail: { version: formatVersion }, suggestion: 'Use a newer thawfs.',
    });
  }
  const raw = top.record('raw');
  const verity = top.record('verity');
  const index = top.record('index');
  const codec = top.record('codec');
  const provenance = top.record('provenance');
  const profile = top.optional('profile', () => decodeProfile(top.record('profile')));
  const manifest: Manifest = {
    formatVersion,
    name: top.text('name', /^[^\x00-\x1f\x7f]{1,255}$/), // eslint-disable-line no-control-regex -- control characters are what is refused
    ...top.optional('label', () => top.text('label', /^[^\x00-\x1f\x7f]{0,255}$/)), // eslint-disable-line no-control-regex
    sequence: top.integer('sequence', 0),
    ...top.optional('expires', () => top.integer('expires', 0)),
    uuid: top.text('uuid', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    raw: {
      size: raw.integer('size', BLOCK_SIZE),
      fileSystem: raw.text('fileSystem', /^ext4$/) as 'ext4',
      fileSystemSize: raw.integer('fileSystemSize', BLOCK_SIZE),
    },
    verity: {
      algorithm: verity.text('algorithm', /^sha256$/) as 'sha256',
      blockSize: verity.exactly('blockSize', 4096),
      salt: verity.text('salt', /^(?:[0-9a-f]{2}){0,256}$/),
      dataBlocks: verity.integer('dataBlocks', 1),
      hashOffset: verity.integer('hashOffset', BLOCK_SIZE),
      rootHash: verity.text('rootHash', /^[0-9a-f]{64}$/),
    },
    index: {
      chunkSize: index.integer('chunkSize', 16 * KiB, MiB),
      chunkCount: index.integer('chunkCount', 1, CHUNK_COUNT_MAX),
      rootDigest: index.text('rootDigest', /^[0-9a-f]{64}$/),
    },
    codec: {
      name: codec.text('name', /^zstd$/) as 'zstd',
      level: codec.integer('level', 1, 22),
      implementation: codec.text('implementation', /^[\x20-\x7e]{1,100}$/),
    },
    ...top.optional('base', () => top.text('base', /^[0-9a-f]{64}$/)),
    ...profile,
    provenance: provenance.texts(),
  };
  for (const fields of [top, raw, verity, index, codec]) fields.refuseOthers();
  const { raw: image, verity: tree, index: { chunkSize, chunkCount } } = manifest;
  consistent(image.fileSystemSize % BLOCK_SIZE === 0 && tree.dataBlocks === image.fileSystemSize / BLOCK_SIZE, 'verity.dataBlocks');
  consistent(tree.hashOffset === image.fileSystemSize, 'verity.hashOffset');
  consistent(image.size === image.fileSystemSize + BLOCK_SIZE + hashTreeSize(tree.dataBlocks), 'raw.size');
  consistent(Number.isInteger(Math.log2(chunkSize)), 'index.chunkSize');
  consistent(chunkCount === Math.ceil(image.size / chunkSize), 'index.chunkCount');
  if (manifest.profile !== undefined) decodeChunkList(manifest.profile.chunks, chunkCount, 'manifest.profile.chunks');
  return manifest;
}

function decodeProfile(fields: JsonFields): Manifest['profile'] & object {
  const profile = { digest: fields.text('digest', /^[0-9a-f]{64}$/), chunks: fields.text('chunks', /^[\d,-]+$/) };
  fields.refuseOthers();
  return profile;
}

/** @returns hash blocks of each level of the dm-verity tree over `dataBlocks` blocks, top level first: 128 SHA-256 digests per 4096-byte block. None for a single block. */
export function hashTreeLevels(dataBlocks: number): number[] {
  const levels: number[] = [];
  let blocks = dataBlocks;
  while (blocks > 1) {
    blocks = Math.ceil(blocks / 128);
    levels.unshift(blocks);
  }
  return levels;
}

/** @returns bytes of the dm-verity hash tree, without its superblock */
export function hashTreeSize(dataBlocks: number): number {
  return hashTreeLevels(dataBlocks).reduce((sum, blocks) => sum + blocks, 0) * BLOCK_SIZE;
}

/** @returns the byte offset in the raw image of the leaf digest of block 0: the lowest level of the hash tree, which ends with the image */
export function leavesOffset({ verity }: Pick<Manifest, 'verity'>): number {
  const above = hashTreeLevels(verity.dataBlocks).slice(0, -1).reduce((sum, blocks) => sum + blocks, 0);
  return verity.hashOffset + BLOCK_SIZE * (1 + above);
}

function consistent(holds: boolean, field: string): void {
  if (!holds) throw new ThawfsError('BAD_FIELD', `manifest.${field}: contradicts the other sizes`, { detail: { record: 'manifest', field } });
}
