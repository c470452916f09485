/** Streaming decompression in WebAssembly. */
import { startWasmZstd, WASM_WINDOW_MAX_SIZE } from '../../wasm/zstd.js';
import type { StreamDecoder } from './stream-decoder.js';

/** All that a call decodes is handed out before it returns: little goes in at a time (a block of 4 bytes can hold 128 KiB). */
const STEP = 1024;

export function openWasmStream(): StreamDecoder {
  const stream = startWasmZstd().openStream();
  return {
    windowLimit: WASM_WINDOW_MAX_SIZE,
    *decode(bytes) {
      for (let at = 0; at < bytes.length; at += STEP) {
        const decoded: Uint8Array[] = [];
        stream.push(bytes.subarray(at, at + STEP), (part) => decoded.push(part));
        yield* decoded;
      }
    },
    close() { stream.close(); },
  };
}
