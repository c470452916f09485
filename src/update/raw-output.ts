/** The new image as a raw image: sparse, as long as what is done, so that the next run knows where to go on. */
import { dataRuns } from '../tree/zero-blocks.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import type { ImageOutput, ImageWriter, NewChunk } from './image-writer.js';
import type { ResumableFile } from './resumable-file.js';

export class RawOutput implements ImageOutput {
  private replaying = false;
  private size = 0;

  /** @param rawSize of the new image */
  constructor(private readonly file: ResumableFile, private readonly rawSize: number) {}

  /** Begins, or goes on: gives the writer what is in the file. @returns bytes taken over */
  begin(writer: ImageWriter): number {
    const { size } = this.file;
    const here = size > this.rawSize ? 0 : size - size % BLOCK_SIZE;
    this.file.resize(here);
    this.size = here;
    this.replaying = true;
    const memory = Buffer.allocUnsafeSlow(MiB);
    for (let at = 0; at < here; at += MiB) writer.addRaw(this.file.read(at, Math.min(MiB, here - at), memory));
    this.replaying = false;
    // The chunk that is open now is written again when it is full.
    return here;
  }

  add({ raw, offset, zero }: NewChunk): void {
    if (this.replaying || zero) return; // holes at the end are made by what comes behind them
    for (const { start, end } of dataRuns(raw, offset)) {
      this.file.write(raw.subarray(start - offset, end - offset), start);
      this.size = end;
    }
    const end = offset + raw.length;
    if (this.size < end) this.file.resize(end);
    this.size = end;
  }

  finish(): void {
    this.file.resize(this.rawSize);
  }
}
