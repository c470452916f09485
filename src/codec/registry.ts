/** Which zstd this process uses: the system's library, node:zlib, WebAssembly; the first that is there. All write and read the same format. */
import { ThawfsError } from '../errors.js';
import type { Codec } from './codec.js';
import { nodeZstd, openNodeCodec } from './node.js';
import { openSystemCodec } from './system.js';
import { loadZstdLibrary } from './system-library.js';
import { openWasmCodec } from './wasm.js';

export type CodecName = 'system' | 'node' | 'wasm';

const openers: Readonly<Record<CodecName, () => Codec | undefined>> = { system: openSystemCodec, node: openNodeCodec, wasm: openWasmCodec };

/**
 * @returns a codec of that implementation, for this thread
 * @throws BAD_ARGUMENT for another name; TOOL_MISSING when this machine does not have it
 */
export function loadCodec(name: CodecName): Codec {
  if (!(name in openers)) throw new ThawfsError('BAD_ARGUMENT', `"${name}" is no zstd implementation`, { suggestion: `Write one of ${Object.keys(openers).join(', ')}.` });
  const codec = openers[name]();
  if (codec !== undefined) return codec;
  throw new ThawfsError('TOOL_MISSING', `zstd implementation "${name}" is not on this machine`, {
    detail: { name }, suggestion: 'Install libzstd (apt-get install libzstd1), or use Node.js 22.15 or newer.',
  });
}

function bestCodec(): CodecName {
  if (loadZstdLibrary() !== undefined) return 'system';
  return nodeZstd() === undefined ? 'wasm' : 'node';
}

/** The implementation of this process; THAWFS_CODEC forces one, for tests and bug reports. */
export const codecName = (globalThis.process as NodeJS.Process | undefined)?.env['THAWFS_CODEC'] as CodecName | undefined ?? bestCodec();

let codec: Codec | undefined;

/** @returns the codec of this thread; the same at every call. @throws as {@link loadCodec}, for what THAWFS_CODEC names */
export function openCodec(): Codec {
  return codec ??= loadCodec(codecName);
}
