/** Maps of sparse files in their four forms: GNU tar's own (type S), and GNU.sparse 0.0, 0.1 and 1.0 in pax headers. */
import { display } from '../../bytes/byte-string.js';
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { SPARSE_ENTRY_SIZE, TAR_BLOCK_SIZE, tarSparseExtension, tarSparseHeader } from '../../format/tar.js';
import type { ArchiveReader } from '../archive-reader.js';
import { decodeNumber } from './header.js';
import { paxNumber } from './pax.js';
import type { PaxRecord } from './pax.js';

/** A run of data; the member's data are all runs one after the other. */
export interface SparseRun { readonly offset: number; readonly length: number }

export interface SparseMap {
  /** Of the file with its holes, bytes. */
  readonly size: number;
  readonly runs: readonly SparseRun[];
  /** Bytes of the member's data that the map itself took. */
  readonly mapBytes: number;
}

/** A map is kept in memory; a file with more runs is stored better without one. */
const RUNS_MAX = 1 << 20;

function wrong(name: ByteString, why: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `sparse map of ${display(name)}: ${why}`, { detail: { record: 'sparse map' } });
}

/**
 * @param dataBytes what the member holds for its runs
 * @throws BAD_FIELD unless the runs ascend, do not overlap, stay inside the file and add up to the data
 */
function checked(name: ByteString, size: number, runs: readonly SparseRun[], mapBytes: number, dataBytes: number): SparseMap {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of runs) {
    if (offset < end) throw wrong(name, `a run at byte ${offset} comes after one that ends at ${end}`);
    end = offset + length;
    sum += length;
  }
  if (end > size) throw wrong(name, `a run ends at byte ${end} of a file of ${size} bytes`);
  if (sum !== dataBytes) throw wrong(name, `runs of ${sum} bytes, but the archive holds ${dataBytes}`);
  return { size, runs: runs.filter(({ length }) => length > 0), mapBytes };
}

function demandFew(name: ByteString, count: number): void {
  if (count <= RUNS_MAX) return;
  throw new ThawfsError('LIMIT_EXCEEDED', `sparse map of ${display(name)}: ${count} runs, at most ${RUNS_MAX} are read`, { detail: { count, limit: RUNS_MAX } });
}

/**
 * Type S: four runs in the header block, more in the blocks that follow it.
 *
 * @param block a copy of the header block
 * @param dataBytes the header's size
 */
export async function readOldSparseMap(name: ByteString, block: Uint8Array, dataBytes: number, reader: ArchiveReader): Promise<SparseMap> {
  const runs: SparseRun[] = [];
  const number = (bytes: Uint8Array): number => {
    const value = decodeNumber(bytes);
    if (!(value >= 0)) throw wrong(name, 'a number is none');
    return value;
  };
  const add = (entries: Uint8Array): void => {
    for (let at = 0; at < entries.length && entries[at] !== 0; at += SPARSE_ENTRY_SIZE) {
      runs.push({ offset: number(entries.subarray(at, at + 12)), length: number(entries.subarray(at + 12, at + 24)) });
    }
    demandFew(name, runs.length);
  };
  const header = tarSparseHeader.decode(block);
  const size = number(header.realSize);
  add(header.entries);
  for (let more = header.isExtended[0] !== 0; more;) {
    const extension = tarSparseExtension.decode(await reader.read(TAR_BLOCK_SIZE));
    add(extension.entries);
    more = extension.isExtended[0] !== 0;
  }
  return checked(name, size, runs, 0, dataBytes);
}

/**
 * The pax forms: 0.0 repeats GNU.sparse.offset and .numbytes, 0.1 has GNU.sparse.map, 1.0 begins the member's data with the map.
 *
 * @param records of the member's own header, in their order
 * @param dataBytes the member's size, for 1.0 with the map
 * @returns undefined when the member is not sparse
 */
export async function readPaxSparseMap(
  name: ByteString, pax: ReadonlyMap<ByteString, ByteString>, records: readonly PaxRecord[], dataBytes: number, reader: ArchiveReader,
): Promise<SparseMap | undefined> {
  const number = (key: string): number => paxNumber(key, pax.get(key) ?? '');
  if (pax.has('GNU.sparse.major')) {
    if (pax.get('GNU.sparse.major') !== '1' || pax.get('GNU.sparse.minor') !== '0') {
      throw new ThawfsError('VERSION_UNSUPPORTED', `${display(name)}: a sparse file of format ${pax.get('GNU.sparse.major')!}.${pax.get('GNU.sparse.minor') ?? ''}; 0.0, 0.1 and 1.0 are read`);
    }
    const { numbers, mapBytes } = await readMapInData(name, dataBytes, reader);
    return checked(name, number('GNU.sparse.realsize'), pairs(name, numbers), mapBytes, dataBytes - mapBytes);
  }
  if (!pax.has('GNU.sparse.size')) return undefined;
  const map = pax.get('GNU.sparse.map');
  const numbers = map === undefined
    ? records.filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes').map(([key, value]) => paxNumber(key, value))
    : map === '' ? [] : map.split(',').map((value) => paxNumber('GNU.sparse.map', value));
  return checked(name, number('GNU.sparse.size'), pairs(name, numbers), 0, dataBytes);
}

function pairs(name: ByteString, numbers: readonly number[]): SparseRun[] {
  demandFew(name, numbers.length / 2);
  if (numbers.length % 2 !== 0) throw wrong(name, 'an offset without a length');
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({ offset: numbers[2 * i]!, length: numbers[2 * i + 1]! }));
}

/** Format 1.0: decimal numbers with a newline each, first how many pairs follow; padded to whole blocks. */
async function readMapInData(name: ByteString, dataBytes: number, reader: ArchiveReader): Promise<{ numbers: number[]; mapBytes: number }> {
  const numbers: number[] = [];
  let mapBytes = 0;
  let digits = '';
  let wanted = 1;
  while (numbers.length < wanted) {
    if (mapBytes + TAR_BLOCK_SIZE > dataBytes) throw wrong(name, 'the map is longer than the data');
    const block = await reader.read(TAR_BLOCK_SIZE);
    mapBytes += TAR_BLOCK_SIZE;
    for (let at = 0; at < block.length && numbers.length < wanted; at++) {
      if (block[at] !== 0x0a) {
        digits += String.fromCharCode(block[at]!);
        continue;
      }
      numbers.push(paxNumber('GNU.sparse map', digits));
      digits = '';
      if (numbers.length === 1) {
        demandFew(name, numbers[0]!);
        wanted += 2 * numbers[0]!;
      }
    }
    if (digits.length > 16) throw wrong(name, 'a number is none');
  }
  return { numbers: numbers.slice(1), mapBytes };
}
