/** Files of this machine. Reads are positional; the descriptor stays open, so a file replaced by rename is still the one that was opened. */
import { constants, fstatSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ThawfsError, fromErrno } from '../errors.js';
import { requireInside } from './memory.js';
import type { OnRequest, OpenedSource, RangeSource, ReadOptions } from './range-source.js';

/**
 * @param openingLength most bytes to return with the source
 * @throws PATH_MISSING, NOT_PERMITTED, IO_FAILED; BAD_ARGUMENT when it is not a regular file
 */
export async function openFileSource(path: string, openingLength: number, onRequest?: OnRequest): Promise<OpenedSource> {
  if (path.includes('\0')) throw new ThawfsError('BAD_ARGUMENT', 'a path cannot contain a zero byte', { suggestion: 'Check the spelling of the path.' });
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK opening a FIFO waits for a writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
  try {
    const source = new FileSource(path, handle, onRequest);
    return { source, opening: source.readSync(0, Math.min(openingLength, source.size)) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class FileSource implements RangeSource {
  readonly size: number;
  readonly identity: string;

  constructor(readonly location: string, private readonly handle: FileHandle, private readonly onRequest: OnRequest | undefined) {
    const stat = fstatSync(handle.fd, { bigint: true });
    if (!stat.isFile()) {
      throw new ThawfsError('BAD_ARGUMENT', `${location}: not a regular file`, { detail: { location }, suggestion: 'Name an image file or its URL.' });
    }
    this.size = Number(stat.size);
    this.identity = `${stat.dev}:${stat.ino}:${stat.mtimeNs}`;
  }

  readSync(offset: number, length: number, memory?: Uint8Array): Uint8Array {
    requireInside(this, offset, length);
    const target = memory?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    let done = 0;
    try {
      while (done < length) {
        const count = readSync(this.handle.fd, target, done, length - done, offset + done);
        if (count === 0) throw this.shrunk(offset + done);
        done += count;
      }
      return target;
    } catch (error) {
      throw fromErrno(error, `reading ${this.location}`);
    } finally {
      this.onRequest?.({ location: this.location, offset, length, bytesReceived: done });
    }
  }

  get descriptor(): number {
    return this.handle.fd;
  }

  async read(offset: number, length: number, { signal }: ReadOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted();
    requireInside(this, offset, length);
    const target = Buffer.allocUnsafeSlow(length);
    let done = 0;
    try {
      while (done < length) {
        const { bytesRead } = await this.handle.read(target, done, length - done, offset + done);
        signal?.throwIfAborted();
        if (bytesRead === 0) throw this.shrunk(offset + done);
        done += bytesRead;
      }
      return target;
    } catch (error) {
      signal?.throwIfAborted();
      throw fromErrno(error, `reading ${this.location}`);
    } finally {
      this.onRequest?.({ location: this.location, offset, length, bytesReceived: done });
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private shrunk(offset: number): ThawfsError {
    return new ThawfsError('SOURCE_CHANGED', `${this.location}: ends at byte ${offset}, it had ${this.size} bytes when it was opened`, {
      detail: { location: this.location, offset, size: this.size, retryable: false }, suggestion: 'Open the file again once nobody writes to it.',
    });
  }
}
