/** Status of a mount file by file: what is here, and which files the last faults were about. Looks at the cache itself; servers are only asked what they are. */
import { localFiles, type LocalFile } from '../image/local-files.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { LocalView, type ServedImage } from './local-view.js';
import { rawCopyUnder } from './mount-table.js';
import { findOwnMount } from './own-mount.js';
import { ask, defaultRuntimeFolder } from './runtime-folder.js';
import type { LiveMount } from './status.js';

/** A read that had to wait for the origin. */
export interface Fault {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly chunks: readonly number[];
}

export interface FaultCause extends Fault {
  /** Files that lie in the chunks; none: metadata, or what is not known yet. */
  readonly files: readonly string[];
}

export interface LayerFiles {
  /** Root hash of the layer. */
  readonly rootHash: string;
  readonly files: readonly LocalFile[];
  /** The latest last. */
  readonly faults: readonly FaultCause[];
}

/**
 * @param directory where images are mounted
 * @returns the layers, the topmost first as far as they have servers
 * @throws NOT_MOUNTED. Cost: reads all metadata that is here, asks no origin
 */
export async function fileStatus(directory: string, runtimeFolder = defaultRuntimeFolder()): Promise<LayerFiles[]> {
  const { entry, live } = await findOwnMount(directory, runtimeFolder);
  const raw = rawCopyUnder(entry);
  if (raw !== undefined) return [{ rootHash: raw.slice(-64), files: rawFiles(raw), faults: [] }];
  return Promise.all(live.map(servedFiles));
}

async function servedFiles(mount: LiveMount): Promise<LayerFiles> {
  await using view = await LocalView.open(await ask(mount.socket, { command: 'image' }) as ServedImage);
  const files = [...view.files()];
  const faults = ((mount['faults'] ?? []) as readonly Fault[]).map((fault) => ({
    ...fault, files: files.filter(({ chunks }) => chunks?.some((chunk) => fault.chunks.includes(chunk))).map(({ path }) => path),
  }));
  return { rootHash: view.rootHash, files, faults };
}

function rawFiles(path: string): LocalFile[] {
  using bytes = LocalBytes.open(path);
  return [...localFiles({ bytes, chunkSize: 65_536, isLocal: () => true })];
}
