/**
 * One layer laid over a tree: entries replace, `.wh.NAME` removes NAME, `.wh..wh..opq` empties its directory. Both remove only
 * what lower layers brought, wherever they stand in the layer (OCI image specification, "Whiteouts").
 */
import type { ByteString } from '../bytes/byte-string.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';
import { checkName } from './names.js';
import type { EntryTarget } from './tar/read-members.js';
import type { Place, TreeBuilder } from './tree-builder.js';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Files in which aufs keeps its own affairs. */
const AUFS_PREFIX = '.wh..wh.';

export class LayerTarget implements EntryTarget {
  /** Names that this layer brought. */
  readonly #fresh = new Map<DirectoryNode, Set<ByteString>>();

  constructor(private readonly builder: TreeBuilder) {}

  put(path: ByteString, node: TreeNode): void {
    const slash = path.replace(/\/+$/, '').lastIndexOf('/') + 1;
    const name = path.slice(slash).replace(/\/+$/, '');
    if (!name.startsWith(PREFIX)) {
      this.#bring(this.builder.put(path, node));
    } else if (name === OPAQUE) {
      const directory = this.builder.directory(path.slice(0, slash));
      if (directory !== undefined) this.#removeLower(directory);
    } else if (!name.startsWith(AUFS_PREFIX)) {
      const hidden = name.slice(PREFIX.length);
      checkName(hidden, path);
      this.#hide(path.slice(0, slash), hidden);
    }
  }

  link(path: ByteString, target: ByteString): void {
    this.#bring(this.builder.link(path, target));
  }

  #bring({ parent, name }: Place): void {
    if (name === undefined) return;
    const names = this.#fresh.get(parent);
    if (names === undefined) this.#fresh.set(parent, new Set([name]));
    else names.add(name);
  }

  #hide(directoryPath: ByteString, name: ByteString): void {
    const directory = this.builder.directory(directoryPath);
    if (directory === undefined) return;
    const present = directory.children.get(name);
    if (present?.kind === 'directory' && this.#removeLower(present)) return;
    if (this.#fresh.get(directory)?.has(name) !== true) directory.children.delete(name);
  }

  /** @returns whether something of this layer is left in the directory. */
  #removeLower(directory: DirectoryNode): boolean {
    const fresh = this.#fresh.get(directory);
    for (const [name, child] of directory.children) {
      const holdsFresh = child.kind === 'directory' && this.#removeLower(child);
      if (!holdsFresh && fresh?.has(name) !== true) directory.children.delete(name);
    }
    return directory.children.size > 0;
  }
}
