/** Streaming decompression with the system's libzstd. */
import { struct, u64le } from '../bytes/struct.js';
import { KiB } from '../units.js';
import { addressOf } from '../sys/ffi.js';
import { WINDOW_MAX_SIZE } from './frame.js';
import type { StreamDecoder } from './stream-decoder.js';
import { loadZstdLibrary } from './system-library.js';

/** ZSTD_inBuffer and ZSTD_outBuffer of zstd.h on a 64-bit machine. */
const bufferRecord = struct('ZSTD buffer', 24, [
  [0, 'address', u64le, 'src, dst'],
  [8, 'size', u64le, ''],
  [16, 'position', u64le, 'pos: advanced by the call'],
]);
/** One zstd block: ZSTD_DStreamOutSize. */
const OUTPUT_SIZE = 128 * KiB;

/** Call it only where the library is known to be there. */
export function openSystemStream(): StreamDecoder {
  const { native, checked } = loadZstdLibrary()!;
  const step = native.declare('size_t ZSTD_decompressStream(void *stream, void *output, void *input)');
  const free = native.declare('size_t ZSTD_freeDStream(void *stream)');
  let stream: unknown = native.declare('void *ZSTD_createDStream()')();
  const input = new Uint8Array(bufferRecord.size);
  const output = new Uint8Array(bufferRecord.size);

  return {
    windowLimit: WINDOW_MAX_SIZE,
    *decode(bytes) {
      bufferRecord.encode({ address: addressOf(bytes), size: BigInt(bytes.length) }, input);
      while (stream !== undefined) { // closed: its memory is gone
        const room = Buffer.allocUnsafeSlow(OUTPUT_SIZE);
        bufferRecord.encode({ address: addressOf(room), size: BigInt(room.length) }, output);
        checked(step(stream, output, input));
        const written = Number(bufferRecord.decode(output).position);
        if (written > 0) yield room.subarray(0, written);
        // Room left over means that nothing is held back.
        if (written < room.length && Number(bufferRecord.decode(input).position) === bytes.length) return;
      }
    },
    close() {
      free(stream);
      stream = undefined;
    },
  };
}
