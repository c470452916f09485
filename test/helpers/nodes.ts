/** Trees in memory, shortly written. */
import { fromText, type ByteString } from '../../src/bytes/byte-string.js';
import { bytesContent, type Content } from '../../src/model/content.js';
import type { Attributes, DeviceNode, DirectoryNode, FileNode, PipeNode, SymlinkNode, TreeNode, Xattr } from '../../src/model/tree.js';

type Given = Partial<Attributes>;

function attributes(permissions: number, given: Given): Attributes {
  return { permissions, uid: 0, gid: 0, mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 123_456_789, xattrs: [], ...given };
}

/** @param content text stands for its UTF-8 form */
export function file(content: string | Uint8Array | Content = '', given: Given = {}): FileNode {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { kind: 'file', content: bytes instanceof Uint8Array ? bytesContent(bytes) : bytes, ...attributes(0o644, given) };
}

/** @param children name -> node */
export function directory(children: Readonly<Record<ByteString, TreeNode>> | Iterable<readonly [ByteString, TreeNode]> = {}, given: Given = {}): DirectoryNode {
  const entries = Symbol.iterator in children ? children : Object.entries(children);
  return { kind: 'directory', children: new Map(entries), ...attributes(0o755, given) };
}

export function symlink(target: ByteString, given: Given = {}): SymlinkNode {
  return { kind: 'symlink', target, ...attributes(0o777, given) };
}

export function device(kind: DeviceNode['kind'], major: number, minor: number, given: Given = {}): DeviceNode {
  return { kind, major, minor, ...attributes(0o660, given) };
}

export function pipe(kind: PipeNode['kind'], given: Given = {}): PipeNode {
  return { kind, ...attributes(0o600, given) };
}

export function xattr(name: string, value: string | Uint8Array): Xattr {
  return { name: fromText(name), value: typeof value === 'string' ? Buffer.from(value) : value };
}

/** @param pieces offset -> bytes; the rest are holes */
export function sparse(size: number, pieces: Readonly<Record<number, Uint8Array>>): Content {
  return {
    size,
    pieces: Object.entries(pieces).map(([offset, source]) => ({ offset: Number(offset), length: source.length, source, sourceOffset: 0 })),
  };
}
