/** One member of an archive: its header block with all that extended headers say instead. */
import { display } from '../../bytes/byte-string.js';
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import type { Attributes, Xattr } from '../../model/tree.js';
import { isKeptXattr, sortXattrs } from '../kept-xattrs.js';
import { permissionsUnderAcl } from './acl-permissions.js';
import { parseAclText } from './acl-text.js';
import type { NameLookup } from './acl-text.js';
import type { Header } from './header.js';
import { paxNumber, paxTime } from './pax.js';

export type Pax = ReadonlyMap<ByteString, ByteString>;

/** What GNU tar writes as members of their own before the one that they belong to (types L and K). */
export interface GnuNames { readonly path?: ByteString; readonly linkPath?: ByteString }

export interface MemberOptions {
  readonly lookup: NameLookup;
  readonly extraXattrs: readonly ByteString[];
}

/** Bytes in the value of one attribute (XATTR_SIZE_MAX) and in its name (XATTR_NAME_MAX). */
const [XATTR_VALUE_MAX, XATTR_NAME_MAX] = [65536, 255];

export function pathOf(header: Header, gnu: GnuNames, pax: Pax): ByteString {
  return pax.get('GNU.sparse.name') ?? pax.get('path') ?? gnu.path ?? header.name;
}

export function linkPathOf(header: Header, gnu: GnuNames, pax: Pax): ByteString {
  return pax.get('linkpath') ?? gnu.linkPath ?? header.linkName;
}

/** @returns bytes of data that follow the header. */
export function sizeOf(header: Header, pax: Pax): number {
  const size = pax.get('size');
  return size === undefined ? header.size : paxNumber('size', size);
}

/** @throws BAD_FIELD, LIMIT_EXCEEDED for values that no inode can have */
export function attributesOf(path: ByteString, header: Header, pax: Pax, options: MemberOptions): Attributes {
  const id = (key: 'uid' | 'gid'): number => {
    const text = pax.get(key);
    const value = text === undefined ? header[key] : paxNumber(key, text);
    if (value < 0 || value > 0xffffffff) throw new ThawfsError('BAD_FIELD', `${display(path)}: ${key} ${value} is not in 0..4294967295`, { detail: { field: key } });
    return value;
  };
  const xattrs = xattrsOf(path, pax, options);
  const mtime = pax.get('mtime');
  const { seconds, nanoseconds } = mtime === undefined ? { seconds: header.mtime, nanoseconds: 0 } : paxTime('mtime', mtime);
  return {
    permissions: permissionsUnderAcl(header.mode & 0o7777, xattrs), uid: id('uid'), gid: id('gid'),
    mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds, xattrs,
  };
}

/**
 * In rising order of precedence: libarchive's form, the common one. An ACL as text counts only where the attribute itself is not there
 * (tar --xattrs-include=*): GNU tar before 1.35 writes names into it whatever --numeric-owner says, and names are of one machine.
 */
function xattrsOf(path: ByteString, pax: Pax, { lookup, extraXattrs }: MemberOptions): readonly Xattr[] {
  const xattrs: Xattr[] = [];
  const add = (name: ByteString, value: Uint8Array): void => {
    if (!isKeptXattr(name, extraXattrs)) return;
    if (name.length > XATTR_NAME_MAX || name.includes('\0') || value.length > XATTR_VALUE_MAX) {
      throw new ThawfsError('LIMIT_EXCEEDED', `${display(path)}: attribute ${display(name.slice(0, 64))} has ${value.length} bytes; names have at most ${XATTR_NAME_MAX}, values ${XATTR_VALUE_MAX}`, {
        detail: { path: display(path), length: value.length },
      });
    }
    xattrs.push({ name, value });
  };
  for (const [key, value] of pax) {
    if (!key.startsWith('LIBARCHIVE.xattr.')) continue;
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw new ThawfsError('BAD_FIELD', `${display(path)}: ${display(key.slice(0, 80))} is not base64`);
    add(percentDecode(key.slice('LIBARCHIVE.xattr.'.length), /%([0-9A-Fa-f]{2})/g), new Uint8Array(Buffer.from(value, 'base64')));
  }
  for (const [key, value] of pax) {
    // GNU tar writes only these two characters so.
    if (key.startsWith('SCHILY.xattr.')) add(percentDecode(key.slice('SCHILY.xattr.'.length), /%(25|3D)/g), new Uint8Array(Buffer.from(value, 'latin1')));
  }
  for (const [key, name] of [['SCHILY.acl.access', 'system.posix_acl_access'], ['SCHILY.acl.default', 'system.posix_acl_default']] as const) {
    const text = xattrs.some((xattr) => xattr.name === name) ? undefined : pax.get(key);
    const value = text === undefined ? undefined : parseAclText(text, lookup, key);
    if (value !== undefined) add(name, value);
  }
  return sortXattrs(xattrs);
}

function percentDecode(text: ByteString, pattern: RegExp): ByteString {
  return text.replace(pattern, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
