/** A reader of the zstd seekable format 0.1.0, written from its text alone: nothing of it comes from src. */

export interface SeekFrame { readonly offset: number; readonly size: number; readonly rawOffset: number; readonly rawSize: number }

/** @param file a whole seekable file */
export function readSeekTable(file: Buffer): SeekFrame[] {
  if (file.readUInt32LE(file.length - 4) !== 0x8f92eab1) throw new Error('no seekable magic number at the end');
  const descriptor = file.readUInt8(file.length - 5);
  if (descriptor & 0x7c) throw new Error('reserved bits are set');
  const entrySize = descriptor & 0x80 ? 12 : 8;
  const count = file.readUInt32LE(file.length - 9);
  const start = file.length - 9 - count * entrySize;
  if (file.readUInt32LE(start - 8) !== 0x184d2a5e) throw new Error('no skippable frame around the table');
  if (file.readUInt32LE(start - 4) !== count * entrySize + 9) throw new Error('the frame has another size than the table');
  const frames: SeekFrame[] = [];
  let [offset, rawOffset] = [0, 0];
  for (let i = 0; i < count; i++) {
    const size = file.readUInt32LE(start + i * entrySize);
    const rawSize = file.readUInt32LE(start + i * entrySize + 4);
    frames.push({ offset, size, rawOffset, rawSize });
    offset += size;
    rawOffset += rawSize;
  }
  if (offset !== start - 8) throw new Error(`frames end at ${offset}, the table begins at ${start - 8}`);
  return frames;
}
