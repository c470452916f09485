/** The zstd implementations that this machine has, for tests that hold all of them against each other. */
import type { Codec } from '../../src/codec/codec.js';
import { loadCodec, type CodecName } from '../../src/codec/registry.js';
import { hasCode } from '../../src/errors.js';

const names: readonly CodecName[] = ['system', 'node', 'wasm'];

/** @returns at least WebAssembly, which is part of the project */
export function codecsHere(): [CodecName, Codec][] {
  const found: [CodecName, Codec][] = [];
  for (const name of names) {
    try {
      found.push([name, loadCodec(name)]);
    } catch (error) {
      if (!hasCode(error, 'TOOL_MISSING')) throw error;
    }
  }
  return found;
}

/** @returns bytes that compress to about a third */
export function compressible(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[i] = (i >> 6 & 1) === 0 ? i >> 7 : 97 + (state >>> 28);
  }
  return bytes;
}
