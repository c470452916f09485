/** Which zstd this process uses: the system's library, node:zlib, WebAssembly; the first that is there. All write and read the same format. */
import { ThawfsError } from '../errors.js';
import type { Codec } from './codec.js';
import { nodeZstd, openNodeCodec } from './node.js';
import { openSystemCodec } from './system.js';
import { loadZstdLibrary } from './system-library.js';

export type CodecName = 'system' | 'node' | 'wasm';

const openers: Readonly<Record<CodecName, () => Codec | undefined | Promise<Codec>>> = {
  system: openSystemCodec,
  node: openNodeCodec,
  wasm: async () => (await import('./wasm.js')).loadWasmCodec(),
};

/**
 * @returns a codec of that implementation, for this thread
 * @throws BAD_ARGUMENT for another name; TOOL_MISSING when this machine does not have it
 */
export async function loadCodec(name: CodecName): Promise<Codec> {
  if (!(name in openers)) throw new ThawfsError('BAD_ARGUMENT', `"${name}" is no zstd implementation`, { suggestion: `Write one of ${Object.keys(openers).join(', ')}.` });
  const codec = await openers[name]();
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

// WebAssembly starts asynchronously, which is why this is done while the module loads.
const codec = await loadCodec(codecName);

/** @returns the codec of this thread; the same at every call. */
export function openCodec(): Codec {
  return codec;
}
