/** `verify --deep`: libext2fs in WebAssembly walks the image, and every name must be what our own reader sees. */
import { display, type ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { typeBits, type FileNode, type TreeNode } from '../model/tree.js';
import { secondOpinion, type SeenFile } from '../../wasm/ext2fs.js';
import { pause } from '../source/pause.js';
import { digestOf } from './dump.js';
import { ImageFiles } from './files.js';
import type { Image } from './image.js';
import { walkImage, type ImageVisit } from './walk.js';

/** Names between two turns of the event loop: both readers answer out of memory, and signals and freed memory would wait for the end. */
const NAMES_AT_A_TIME = 256;

/**
 * Both walks go depth first with names in byte order, so they are compared name by name.
 *
 * @returns names compared
 * @throws STRUCTURE_INVALID at the first difference; FEATURE_UNSUPPORTED when libext2fs does not open the image
 */
export async function compareReaders(image: Image, signal: AbortSignal | undefined): Promise<number> {
  const links = new Map<TreeNode, LinkedFile>();
  const ours = walkImage(new ImageFiles(image), { signal });
  let names = 0;
  // Blocks are asked for one at a time, of a directory again for each of its names: through a view, what is in memory costs a look-up.
  const read = (offset: number, length: number): Promise<Uint8Array> => image.run((view) => view.read(offset, length), { signal });
  for await (const seen of secondOpinion({ size: image.manifest.raw.size, read })) {
    const { value: mine } = await ours.next();
    if (mine === undefined || mine.path !== seen.path) throw differs(seen.path, 'name', mine === undefined ? 'nothing' : display(mine.path), display(seen.path));
    await compareNode(image, mine.node, seen, signal);
    if (mine.links !== seen.links) throw differs(seen.path, 'links', mine.links, seen.links);
    if (mine.node.kind !== 'directory' && mine.links !== 1) countName(links, mine);
    if (++names % NAMES_AT_A_TIME === 0) await pause(0, signal);
  }
  const { value: left } = await ours.next();
  if (left !== undefined) throw differs(left.path, 'name', display(left.path), 'nothing');
  for (const { path, count, links: expected } of links.values()) {
    if (count !== expected) throw differs(path, 'links', count, expected);
  }
  return names;
}

interface LinkedFile { readonly path: ByteString; readonly links: number; count: number }

function countName(files: Map<TreeNode, LinkedFile>, { path, node, links }: ImageVisit): void {
  const known = files.get(node);
  if (known === undefined) files.set(node, { path, links, count: 1 });
  else known.count++;
}

/** What libext2fs shows of an inode, cut to the bits that come through (wasm/README.md). */
async function compareNode(image: Image, node: TreeNode, seen: SeenFile, signal: AbortSignal | undefined): Promise<void> {
  const demand = (what: string, ours: number | string, theirs: number | string | undefined): void => {
    if (ours !== theirs) throw differs(seen.path, what, ours, theirs ?? 'nothing');
  };
  demand('mode', typeBits[node.kind] | node.permissions, seen.mode);
  demand('uid', node.uid & 0xffff, seen.uidLow);
  demand('gid', node.gid & 0xffff, seen.gidLow);
  demand('mtime', node.mtimeSeconds >>> 0, seen.mtimeLow);
  if (node.kind === 'symlink') demand('target', node.target, seen.target);
  if (node.kind !== 'file') return;
  demand('size', node.content.size % 2 ** 32, seen.sizeLow);
  const { size, sha256 } = await digestOf(image, withoutInlineHole(node, seen), { signal });
  demand('content size', size, seen.content?.size);
  demand('content', sha256, seen.content?.sha256);
}

/** Of inline data libext2fs gives what is stored; a hole behind it (mke2fs -d makes them) it leaves out, where the kernel reads zeros. */
function withoutInlineHole(node: FileNode, { content: given }: SeenFile): FileNode {
  if (given === undefined || given.size >= node.content.size) return node;
  const pieces = [...node.content.pieces];
  const isInline = pieces.every(({ source }) => source instanceof Uint8Array);
  const stored = pieces.reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
  return isInline && given.size === stored ? { ...node, content: { size: stored, pieces } } : node;
}

function differs(path: ByteString, what: string, ours: number | string, theirs: number | string): ThawfsError {
  return new ThawfsError('STRUCTURE_INVALID', `/${display(path)}: our reader and libext2fs differ in ${what}: ${ours} and ${theirs}`, {
    detail: { path: display(path), field: what, ours, theirs }, suggestion: 'Please report this, with the image if you can.',
  });
}
