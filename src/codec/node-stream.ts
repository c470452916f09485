/** Streaming decompression with node:zlib, which works on a thread of its own: write, then take what comes until the write is done. */
import { ThawfsError } from '../errors.js';
import { WINDOW_MAX_SIZE } from './frame.js';
import { nodeZstd } from './node.js';
import type { StreamDecoder } from './stream-decoder.js';

/** Call it only on Node >= 22.15. */
export function openNodeStream(): StreamDecoder {
  const stream = nodeZstd()!.createZstdDecompress();
  let failure: unknown;
  let wake = (): void => undefined;
  stream.on('readable', () => { wake(); });
  stream.on('error', (error) => {
    failure = error;
    wake();
  });

  return {
    windowLimit: WINDOW_MAX_SIZE,
    async *decode(bytes) {
      const write = { done: false };
      stream.write(bytes, () => {
        write.done = true;
        wake();
      });
      for (;;) {
        const decoded = stream.read() as Buffer | null;
        if (decoded !== null) yield decoded;
        else if (failure !== undefined) throw new ThawfsError('BAD_FIELD', 'zstd: the data is damaged', { detail: { record: 'zstd frame' }, cause: failure });
        else if (write.done) return;
        else await new Promise<void>((resolve) => { wake = resolve; });
      }
    },
    close() { stream.destroy(); },
  };
}
