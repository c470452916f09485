/** Which zstd this process uses: the system's library, node:zlib, WebAssembly; the first that is there. All write and read the same format. */
import { ThawfsError } from '../errors.js';
import type { Codec } from './codec.js';
import { openNodeCodec } from './node.js';
import { openSystemCodec } from './system.js';

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

// THAWFS_CODEC is for tests and bug reports. WebAssembly starts asynchronously, which is why the choice is made while the module loads.
const forced = (globalThis.process as NodeJS.Process | undefined)?.env['THAWFS_CODEC'] as CodecName | undefined;
const codec = forced !== undefined ? await loadCodec(forced) : openSystemCodec() ?? openNodeCodec() ?? await loadCodec('wasm');

/** @returns the codec of this thread; the same at every call. */
export function openCodec(): Codec {
  return codec;
}
