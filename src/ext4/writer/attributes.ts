/** What an ext4 inode can express; everything else is refused before a byte is laid out. */
import { ThawfsError } from '../../errors.js';
import { LINK_MAX } from '../../format/ext4/inode.js';
import type { TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE } from '../../units.js';
import { MAX_FILE_SIZE } from './parameters.js';

/** 34 bits of seconds: 1901-12-13 to 2446-05-10. */
const MIN_SECONDS = -(2 ** 31);
const MAX_SECONDS = MIN_SECONDS + 2 ** 34 - 1;
/**
 * 2310-04-04 to 2378-04-22. Old kernels stored times before 1970 with these bits, so e2fsck, until the year 2242, takes
 * them for damage and sets them back four centuries.
 */
const MISTAKEN_SECONDS = { from: 3 * 2 ** 32 - 2 ** 31, to: 3 * 2 ** 32 };
const CORRECT_TIME = 'Correct the time of the file, or build with --clamp-mtime.';
/** The kernel's dev_t. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xf_ffff;
/** A symlink is one block, with a NUL at its end. */
const MAX_TARGET = BLOCK_SIZE - 1;

/**
 * @param links names of the node
 * @throws LIMIT_EXCEEDED for what ext4 has no room for, BAD_ARGUMENT for what no file system has
 */
export function checkAttributes(node: TreeNode, links: number): void {
  const { mtimeSeconds: seconds } = node;
  valid(isCount(node.permissions, 0o7777), 'permissions', node.permissions);
  valid(isCount(node.uid, 0xffff_ffff), 'uid', node.uid);
  valid(isCount(node.gid, 0xffff_ffff), 'gid', node.gid);
  valid(isCount(node.mtimeNanoseconds, 999_999_999), 'mtimeNanoseconds', node.mtimeNanoseconds);
  valid(Number.isSafeInteger(seconds), 'mtimeSeconds', seconds);
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    throw limit(`its time, ${seconds} s from 1970, is outside 1901 to 2446`, { seconds }, seconds < 0 ? 'Correct the time of the file.' : CORRECT_TIME); // clamping only makes times earlier
  }
  if (seconds >= MISTAKEN_SECONDS.from && seconds < MISTAKEN_SECONDS.to) {
    throw limit(`its time, ${seconds} s from 1970, is in 2310 to 2378, which e2fsck would "repair" to before 1970`, { seconds }, CORRECT_TIME);
  }
  switch (node.kind) {
    case 'file':
      valid(isCount(node.content.size, Number.MAX_SAFE_INTEGER), 'size', node.content.size);
      if (node.content.size > MAX_FILE_SIZE) throw limit(`${node.content.size} bytes, a file has at most ${MAX_FILE_SIZE}`, { size: node.content.size }, 'Split the file.');
      break;
    case 'symlink':
      valid(node.target.length > 0 && !node.target.includes('\0'), 'target', node.target.length);
      if (node.target.length > MAX_TARGET) throw limit(`a target of ${node.target.length} bytes, at most ${MAX_TARGET} are possible`, { size: node.target.length }, 'Shorten the target.');
      break;
    case 'character-device': case 'block-device':
      valid(isCount(node.major, Number.MAX_SAFE_INTEGER) && isCount(node.minor, Number.MAX_SAFE_INTEGER), 'device number', `${node.major}:${node.minor}`);
      if (node.major > MAX_MAJOR || node.minor > MAX_MINOR) {
        throw limit(`device ${node.major}:${node.minor} is beyond ${MAX_MAJOR}:${MAX_MINOR}`, { major: node.major, minor: node.minor }, 'Leave the device out with --exclude.');
      }
      break;
    default:
  }
  if (node.kind !== 'directory' && links > LINK_MAX) {
    throw limit(`${links} names, a file has at most ${LINK_MAX}`, { links }, 'Replace some of the hard links by copies.');
  }
}

function isCount(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= most;
}

function valid(holds: boolean, field: string, value: number | string): void {
  if (!holds) throw new ThawfsError('BAD_ARGUMENT', `${field}: ${value} is not possible`, { detail: { field, value } });
}

function limit(message: string, detail: Readonly<Record<string, number>>, suggestion: string): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', message, { detail, suggestion });
}
