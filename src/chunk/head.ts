/**
 * The head of the container: the one place a reader needs to trust and navigate an image (docs/format.md, "Head").
 *
 * Manifest and root page have one place: after the header, each at the next multiple of eight, zeros between. The signature
 * sections follow in the same way, but a reader takes them anywhere behind the root page and looks at no byte around
 * them: so they can be replaced in an image that exists, with a readable head at every moment (src/image/head-rewrite.ts).
 */
import { toSafeNumber } from '../bytes/struct.js';
import { crc32c } from '../bytes/crc32c.js';
import { ThawfsError } from '../errors.js';
import {
  CHUNK_COUNT_MAX, chunkEntry, FORMAT_VERSION, HEAD_FRAME_MAGIC, HEAD_MAGIC, HEAD_MAX_SIZE, HEAD_SPARE_SIZE, headHeader, INDEX_PAGE_ENTRIES, pageEntry,
  SKIPPABLE_HEADER_SIZE, type HeadHeader,
} from '../format/container.js';
import { MANIFEST_MAX_SIZE } from '../format/manifest.js';
import { BLOCK_SIZE, roundUp } from '../units.js';

/** Sections are views of the bytes that were decoded. */
export interface Head {
  /** Canonical JSON, not decoded: signatures are over exactly these bytes. */
  readonly manifest: Uint8Array;
  /** Root page of the chunk index. */
  readonly rootPage: Uint8Array;
  /** Detached DSSE envelope, canonical JSON. Absent = unsigned. */
  readonly signatures?: Uint8Array;
  /** DER PKCS#7 over the root hash. */
  readonly pkcs7?: Uint8Array;
  /** Bytes of the head = file offset of the first chunk frame. */
  readonly headSize: number;
  /** File offset of the INDEX frame. */
  readonly indexOffset: number;
}

const SECTION_ALIGNMENT = 8;
const fixedSections = ['manifest', 'rootPage'] as const;
const signatureSections = ['signatures', 'pkcs7'] as const;
type Section = typeof fixedSections[number] | typeof signatureSections[number];

const CHECKSUM_OFFSET = headHeader.offsetOf('checksum');

/** The largest root page: a full page of pages. */
export const ROOT_PAGE_MAX_SIZE = INDEX_PAGE_ENTRIES * pageEntry.size;

/**
 * Sizes the head before any data is written.
 *
 * @param chunkCount chunks of the image
 * @param manifestSize bytes of the manifest; by default the most it may have
 * @returns bytes, a multiple of 4096, with HEAD_SPARE_SIZE for signatures as far as HEAD_MAX_SIZE allows
 * @throws LIMIT_EXCEEDED for more chunks than the index can hold
 */
export function headSizeFor(chunkCount: number, manifestSize = MANIFEST_MAX_SIZE): number {
  if (chunkCount > CHUNK_COUNT_MAX) {
    throw new ThawfsError('LIMIT_EXCEEDED', `chunk index: ${chunkCount} chunks, at most ${CHUNK_COUNT_MAX} are possible`, {
      detail: { chunks: chunkCount, limit: CHUNK_COUNT_MAX }, suggestion: 'Use larger chunks (--chunk-size), or make a smaller file system (--size).',
    });
  }
  const wanted = sectionEnd(sectionEnd(headHeader.size, manifestSize), rootPageSize(chunkCount)) + HEAD_SPARE_SIZE;
  return Math.min(roundUp(wanted, BLOCK_SIZE), HEAD_MAX_SIZE);
}

/** @returns bytes of the root page over `chunkCount` chunks */
export function rootPageSize(chunkCount: number): number {
  if (chunkCount <= INDEX_PAGE_ENTRIES) return chunkCount * chunkEntry.size;
  let pages = chunkCount;
  do pages = Math.ceil(pages / INDEX_PAGE_ENTRIES); while (pages > INDEX_PAGE_ENTRIES);
  return pages * pageEntry.size;
}

/** Where the signature sections are: right behind the root page, as an image is made, or at the end of the head while they are replaced. */
export type SignaturePlace = 'front' | 'back';

/**
 * @returns the whole head, `headSize` bytes, owned by the caller
 * @throws LIMIT_EXCEEDED when the sections do not fit: a head cannot grow, because the chunk frames follow it
 */
export function encodeHead(head: Head, place: SignaturePlace = 'front'): Uint8Array {
  const fields: Partial<HeadHeader> = {
    frameMagic: HEAD_FRAME_MAGIC, frameSize: head.headSize - SKIPPABLE_HEADER_SIZE, magic: HEAD_MAGIC, version: FORMAT_VERSION,
    headSize: head.headSize, indexOffset: BigInt(head.indexOffset),
  };
  const target = new Uint8Array(head.headSize);
  const put = (end: number, section: Section): number => {
    const bytes = head[section];
    if (bytes === undefined || bytes.length === 0) return end;
    const offset = roundUp(end, SECTION_ALIGNMENT);
    if (offset + bytes.length > head.headSize) throw full(head, section);
    target.set(bytes, offset);
    fields[`${section}Offset`] = offset;
    fields[`${section}Size`] = bytes.length;
    return offset + bytes.length;
  };
  const end = fixedSections.reduce(put, headHeader.size);
  const backStart = head.headSize - signatureSections.reduce((size, section) => size + roundUp(head[section]?.length ?? 0, SECTION_ALIGNMENT), 0);
  if (backStart < end) throw full(head, 'signatures');
  signatureSections.reduce(put, place === 'front' ? end : backStart);
  headHeader.encode(fields, target);
  return headHeader.encode({ ...fields, checksum: checksumOf(target, head) }, target);
}

function full(head: Head, section: Section): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', `head: no room for ${section} of ${head[section]?.length ?? 0} bytes in ${head.headSize} bytes`, {
    detail: { record: 'head', field: section, size: head[section]?.length ?? 0, headSize: head.headSize },
    suggestion: 'Use fewer or smaller signatures (Ed25519), or build the image anew.',
  });
}

/**
 * @param bytes the file's first bytes, at least the head; what follows the head is ignored, so one read of HEAD_MAX_SIZE always suffices
 * @returns the sections; only the head's own structure has been checked
 * @throws BAD_MAGIC when it is not a thawfs image; VERSION_UNSUPPORTED, TRUNCATED, BAD_FIELD, LIMIT_EXCEEDED, CHECKSUM_MISMATCH
 */
export function decodeHead(bytes: Uint8Array): Head {
  if (bytes.length >= headHeader.size) demandIdentity(bytes);
  const header = headHeader.decode(bytes);
  const { headSize } = header;
  if (headSize > HEAD_MAX_SIZE) {
    throw new ThawfsError('LIMIT_EXCEEDED', `head: ${headSize} bytes, at most ${HEAD_MAX_SIZE} are allowed`, { detail: { record: 'head', field: 'headSize', size: headSize } });
  }
  demand(headSize % BLOCK_SIZE === 0 && headSize > 0, 'headSize', 'a multiple of 4096');
  demand(header.frameSize === headSize - SKIPPABLE_HEADER_SIZE, 'frameSize', 'headSize - 8');
  if (bytes.length < headSize) {
    throw new ThawfsError('TRUNCATED', `head: needs ${headSize} bytes, ${bytes.length} are here`, { detail: { record: 'head', size: headSize, actual: bytes.length } });
  }
  const indexOffset = toSafeNumber(header.indexOffset, 'head.indexOffset');
  demand(indexOffset > headSize, 'indexOffset', 'beyond the head');
  const found = sectionsOf(bytes.subarray(0, headSize), header);
  demandChecksum(bytes, header, found);
  demandSize(found.manifest, 'manifest', MANIFEST_MAX_SIZE);
  demandSize(found.rootPage, 'rootPage', ROOT_PAGE_MAX_SIZE);
  return { ...found, headSize, indexOffset } as Head;
}

/** Comes first: a file of another kind, or of a later version, is called that, whatever its other fields hold. */
function demandIdentity(bytes: Uint8Array): void {
  const [frameMagic, , magic, version] = headHeader.rows;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(frameMagic![0], true) !== HEAD_FRAME_MAGIC || Buffer.compare(bytes.subarray(magic![0], magic![0] + HEAD_MAGIC.length), HEAD_MAGIC) !== 0) {
    throw new ThawfsError('BAD_MAGIC', 'head: this is not a thawfs image', {
      detail: { record: 'head', offset: 0 }, suggestion: 'Check the path; images are made by thawfs build.',
    });
  }
  const found = view.getUint32(version![0], true);
  if (found !== FORMAT_VERSION) {
    throw new ThawfsError('VERSION_UNSUPPORTED', `head: format version ${found}, this program reads version ${FORMAT_VERSION}`, {
      detail: { version: found }, suggestion: 'Use a newer thawfs.',
    });
  }
}

/** Cuts the sections out; each in order, at a multiple of eight, inside the head, over no other. */
function sectionsOf(bytes: Uint8Array, header: HeadHeader): Partial<Record<Section, Uint8Array>> {
  const found: Partial<Record<Section, Uint8Array>> = {};
  let end = headHeader.size;
  const take = (section: Section, latest: number): void => {
    const offset = header[`${section}Offset`];
    const size = header[`${section}Size`];
    const earliest = size === 0 ? 0 : roundUp(end, SECTION_ALIGNMENT);
    demand(offset % SECTION_ALIGNMENT === 0 && offset >= earliest && offset <= (size === 0 ? 0 : latest), `${section}Offset`, `${earliest}, or a place of its own behind it`);
    if (size === 0) return;
    demand(offset + size <= bytes.length, `${section}Size`, 'inside the head');
    found[section] = bytes.subarray(offset, offset + size);
    end = offset + size;
  };
  for (const section of fixedSections) {
    demandZeros(bytes, end, roundUp(end, SECTION_ALIGNMENT));
    take(section, roundUp(end, SECTION_ALIGNMENT));
  }
  for (const section of signatureSections) take(section, bytes.length);
  return found;
}

/** Against accidents, as nobody signs the signatures: a flipped bit in one of them should not look like a forgery. */
function checksumOf(bytes: Uint8Array, sections: Partial<Record<Section, Uint8Array>>): number {
  const header = Uint8Array.from(bytes.subarray(0, headHeader.size)); // slice() of a Buffer would be a view
  header.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  return [...fixedSections, ...signatureSections].reduce((crc, section) => crc32c(crc, sections[section] ?? new Uint8Array(0)), crc32c(0xffff_ffff, header));
}

function demandChecksum(bytes: Uint8Array, { checksum }: HeadHeader, sections: Partial<Record<Section, Uint8Array>>): void {
  const actual = checksumOf(bytes, sections);
  if (actual === checksum) return;
  throw new ThawfsError('CHECKSUM_MISMATCH', `head: crc32c is ${actual.toString(16)}, the head says ${checksum.toString(16)}`, {
    detail: { record: 'head', expected: checksum, actual }, suggestion: 'Fetch or copy the image again.',
  });
}

function sectionEnd(end: number, size: number): number {
  return roundUp(end, SECTION_ALIGNMENT) + size;
}

function demand(holds: boolean, field: string, expected: string): void {
  if (!holds) throw new ThawfsError('BAD_FIELD', `head.${field}: expected ${expected}`, { detail: { record: 'head', field } });
}

function demandSize(bytes: Uint8Array | undefined, field: Section, most: number): void {
  demand(bytes !== undefined && bytes.length <= most, `${field}Size`, `1 to ${most}`);
}

function demandZeros(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== 0) throw new ThawfsError('BAD_FIELD', `head: byte ${at} must be zero`, { detail: { record: 'head', offset: at } });
  }
}
