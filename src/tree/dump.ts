/**
 * A tree as text, one line per name, and back. Canonical: equal trees give equal dumps, so `diff` compares trees.
 *
 *     PATH KIND MODE UID GID MTIME SIZE DEVICE TARGET CONTENT [XATTR=HEX ...]
 *
 * Fields are separated by one space; `-` where a kind has none. Bytes other than `!`..`~`, and the backslash, are `\xHH`.
 * | field   | meaning |
 * |---------|---------|
 * | PATH    | from the root, with a leading slash; the root is `/`, first; parents before children, names in byte order |
 * | KIND    | `file directory symlink character-device block-device fifo socket`, or `hardlink`: another name of TARGET, all else `-` |
 * | MODE    | permission bits, four octal digits |
 * | MTIME   | `seconds.nanoseconds`, nine digits, counted forward from the second: -2.500000000 is 1.5 s before 1970 |
 * | SIZE    | of a file, bytes |
 * | DEVICE  | `major:minor` of a device |
 * | TARGET  | of a symlink; for `hardlink` the first PATH of the same file |
 * | CONTENT | `sha256:HEX`, or when written by hand `inline:BYTES`; without the latter a parsed file is a hole of SIZE bytes |
 * | XATTR   | full name and value, in byte order of the names |
 * Lines that start with `#` and empty lines are comments.
 */
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import { walk } from '../model/tree.js';
import type { DirectoryNode, FileNode, TreeNode, Visit } from '../model/tree.js';
import { ABSENT, escapeField, formatTime } from './dump-fields.js';
import { parseLine } from './dump-line.js';
import { checkName } from './names.js';

/** Makes the lines one after the other, in the order of a walk. */
export class DumpLines {
  readonly #firstPaths = new Map<TreeNode, ByteString>();

  /**
   * @param digest SHA-256 of a file's content in hex, where it is known
   * @param hasOneName that the node will not come again; nothing is kept of it then
   * @returns the line with its newline
   */
  line({ path, node }: Pick<Visit, 'path' | 'node'>, digest?: string, hasOneName = node.kind === 'directory'): string {
    const first = this.firstPath(node);
    if (first !== undefined) return `/${escapeField(path)} hardlink - - - - - - /${escapeField(first)} -\n`;
    if (!hasOneName) this.#firstPaths.set(node, path);
    return nodeLine(path, node, digest);
  }

  /** @returns the path under which the node has had its line, if it has and may come again */
  firstPath(node: TreeNode): ByteString | undefined {
    return this.#firstPaths.get(node);
  }
}

/**
 * @param digestOf SHA-256 of a file's content in hex, where it is known
 * @returns the lines, each with its newline; about 100 bytes a file
 */
export function formatDump(root: DirectoryNode, digestOf: (file: FileNode) => string | undefined = () => undefined): string {
  const lines = new DumpLines();
  let text = '';
  for (const visit of walk(root)) text += lines.line(visit, visit.node.kind === 'file' ? digestOf(visit.node) : undefined);
  return text;
}

function nodeLine(path: ByteString, node: TreeNode, digest: string | undefined): string {
  const fields = [
    `/${escapeField(path)}`, node.kind, node.permissions.toString(8).padStart(4, '0'), node.uid, node.gid, formatTime(node.mtimeSeconds, node.mtimeNanoseconds),
    node.kind === 'file' ? node.content.size : ABSENT,
    'major' in node ? `${node.major}:${node.minor}` : ABSENT,
    node.kind === 'symlink' ? escapeField(node.target) : ABSENT,
    digest === undefined ? ABSENT : `sha256:${digest}`,
    ...node.xattrs.map(({ name, value }) => `${escapeField(name).replaceAll('=', '\\x3d')}=${toHex(value)}`),
  ];
  return `${fields.join(' ')}\n`;
}

/**
 * @param text with the root as its first line, and parents before their children
 * @returns the tree; files are holes unless their content is inline
 * @throws BAD_FIELD naming line and field
 */
export function parseDump(text: string): DirectoryNode {
  let root: DirectoryNode | undefined;
  const nodes = new Map<ByteString, TreeNode>();
  text.split('\n').forEach((line, index) => {
    if (line === '' || line.startsWith('#')) return;
    const { path, node: parsed, target } = parseLine(line, index + 1);
    const node = parsed ?? nodes.get(target);
    const wrong = (why: string): ThawfsError => new ThawfsError('BAD_FIELD', `dump line ${index + 1}: ${display(path)} ${why}`, { detail: { line: index + 1 } });
    if (node === undefined || (parsed === undefined && node.kind === 'directory')) throw wrong(`is a hard link to ${display(target)}, which is no file of an earlier line`);
    if (nodes.has(path)) throw wrong('is there twice');
    nodes.set(path, node);
    if (root === undefined) {
      if (path !== '' || node.kind !== 'directory') throw wrong('comes first, where the root directory / must be');
      root = node;
      return;
    }
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? root : nodes.get(path.slice(0, slash));
    if (parent?.kind !== 'directory') throw wrong('has no directory in an earlier line');
    const name = path.slice(slash + 1);
    checkName(name, path);
    parent.children.set(name, node);
  });
  if (root === undefined) throw new ThawfsError('TRUNCATED', 'dump: there is no line for the root directory /');
  return root;
}
