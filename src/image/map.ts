/** `inspect --map`: every decoded on-disk range of an image, down to the fields of its fixed records. */
import { mapRecord, type MappedField, type Struct } from '../bytes/struct.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import { chunkEntry, headHeader, INDEX_PAGE_ENTRIES, pageEntry, SKIPPABLE_HEADER_SIZE, seekTableEntry, seekTableFooter } from '../format/container.js';
import { superblock, SUPERBLOCK_OFFSET } from '../format/ext4/superblock.js';
import { hashTreeLevels } from '../format/manifest.js';
import { veritySuperblock } from '../format/verity.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE } from '../units.js';
import type { Image } from './image.js';

export interface MappedRange {
  /** Whether offsets count in the image file or in the raw image that it decompresses to. */
  readonly space: 'file' | 'raw';
  readonly offset: number;
  readonly length: number;
  /** What lies there, `record.field` for the fields of a record. */
  readonly name: string;
  /** Of a field. */
  readonly value?: string;
}

/**
 * Cost: the whole index, the superblock, the group descriptors and the verity superblock are read; no content.
 *
 * @returns ranges of the file, then of the raw image, each ascending; fields follow the record that holds them
 */
export async function mapImage(image: Image, options: ReadOptions = {}): Promise<MappedRange[]> {
  return [...mapHead(image), ...await mapFrames(image, options), ...mapTail(image), ...await mapRaw(image, options)];
}

function range(space: MappedRange['space'], offset: number, length: number, name: string): MappedRange {
  return { space, offset, length, name };
}

function fields<V>(space: MappedRange['space'], record: Struct<V>, bytes: Uint8Array, at: number): MappedRange[] {
  const named = ({ offset, length, field, value }: MappedField): MappedRange => ({ space, offset: at + offset, length, name: `${record.name}.${field}`, value });
  return [range(space, at, record.size, record.name), ...mapRecord(record, bytes).map(named)];
}

function mapHead({ head, headBytes: bytes }: Image): MappedRange[] {
  const sections = (['manifest', 'rootPage', 'signatures', 'pkcs7'] as const).flatMap((name) => {
    const section = head[name];
    return section === undefined ? [] : [range('file', section.byteOffset - bytes.byteOffset, section.length, `head: ${name}`)];
  });
  return [range('file', 0, head.headSize, 'head frame (zstd skippable)'), ...fields('file', headHeader, bytes, 0), ...sections];
}

async function mapFrames(image: Image, options: ReadOptions): Promise<MappedRange[]> {
  const { chunkCount, chunkSize } = image.manifest.index;
  const places = await image.locate(0, chunkCount, options);
  return places.map(({ number, frameOffset, frameSize, size }) => range('file', frameOffset, frameSize, `chunk ${number} (raw ${number * chunkSize}-${number * chunkSize + size - 1})`));
}

function mapTail({ head, manifest, fileSize }: Image): MappedRange[] {
  const ranges: MappedRange[] = [];
  let at = head.indexOffset;
  ranges.push(range('file', at, SKIPPABLE_HEADER_SIZE, 'index frame header (zstd skippable)'));
  at += SKIPPABLE_HEADER_SIZE;
  let entries = manifest.index.chunkCount;
  for (let level = 0; entries > INDEX_PAGE_ENTRIES; level++) {
    const { size } = level === 0 ? chunkEntry : pageEntry;
    for (let first = 0, page = 0; first < entries; first += INDEX_PAGE_ENTRIES, page++) {
      const length = Math.min(INDEX_PAGE_ENTRIES, entries - first) * size;
      ranges.push(range('file', at, length, `index page ${page} of level ${level}`));
      at += length;
    }
    entries = Math.ceil(entries / INDEX_PAGE_ENTRIES);
  }
  ranges.push(range('file', at, SKIPPABLE_HEADER_SIZE, 'seek table frame header (zstd skippable)'));
  at += SKIPPABLE_HEADER_SIZE;
  const table = fileSize - seekTableFooter.size - at;
  ranges.push(range('file', at, table, `seek table: ${table / seekTableEntry.size} entries`), range('file', at + table, seekTableFooter.size, seekTableFooter.name));
  return ranges;
}

async function mapRaw(image: Image, options: ReadOptions): Promise<MappedRange[]> {
  const { raw, verity } = image.manifest;
  const inRaw = (offset: number, length: number, name: string): MappedRange => range('raw', offset, length, name);
  const fileSystem = await image.run((view) => {
    const { volume } = new Ext4Reader(view);
    const { blockSize, layout } = volume;
    const groups = Array.from({ length: layout.groupCount }, (_, number) => {
      const group = volume.group(number);
      return [
        inRaw(group.place.offset, volume.descriptorSize, `group descriptor ${number}`),
        inRaw(group.blockBitmap * blockSize, blockSize, `block bitmap of group ${number}`),
        inRaw(group.inodeBitmap * blockSize, blockSize, `inode bitmap of group ${number}`),
        inRaw(group.inodeTable * blockSize, layout.inodeTableBlocks * blockSize, `inode table of group ${number}`),
      ];
    });
    return [...fields('raw', superblock, view.read(SUPERBLOCK_OFFSET, superblock.size), SUPERBLOCK_OFFSET), ...groups.flat().sort((a, b) => a.offset - b.offset)];
  }, options);
  const levels: MappedRange[] = [];
  let at = verity.hashOffset + BLOCK_SIZE;
  for (const [level, blocks] of hashTreeLevels(verity.dataBlocks).entries()) {
    levels.push(inRaw(at, blocks * BLOCK_SIZE, `hash tree level ${level} from the top`));
    at += blocks * BLOCK_SIZE;
  }
  return [
    inRaw(0, raw.fileSystemSize, 'file system (ext4)'), ...fileSystem,
    ...fields('raw', veritySuperblock, await image.read(verity.hashOffset, veritySuperblock.size, options), verity.hashOffset), ...levels,
  ];
}
