/** POSIX ACLs in the text form of pax headers (SCHILY.acl.*, acl_to_text(3)), as the attribute that the kernel knows. */
import { readFileSync } from 'node:fs';
import { display } from '../../bytes/byte-string.js';
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { ACL_VERSION, aclEntry, aclHeader, aclRecord } from '../../format/acl.js';

/** ids of names, for `user:joe:r--` */
export type NameLookup = (kind: 'user' | 'group', name: ByteString) => number | undefined;

/**
 * @returns a look-up in this machine's /etc/passwd and /etc/group, which tar took the names from when it wrote them
 * @param used is told once per name, as the result then depends on this machine
 */
export function hostNames(used: (name: ByteString) => void): NameLookup {
  const tables = new Map<string, Map<ByteString, number>>();
  return (kind, name) => {
    const file = kind === 'user' ? '/etc/passwd' : '/etc/group';
    let table = tables.get(file);
    if (table === undefined) {
      table = readTable(file);
      tables.set(file, table);
    }
    const id = table.get(name);
    if (id !== undefined) used(name);
    return id;
  };
}

function readTable(file: string): Map<ByteString, number> {
  try {
    const lines = readFileSync(file, 'latin1').split('\n').map((line) => line.split(':'));
    return new Map(lines.filter((fields) => /^\d+$/.test(fields[2] ?? '')).map((fields) => [fields[0]!, Number(fields[2])]));
  } catch {
    return new Map(); // A machine without such a file knows no names.
  }
}

interface Entry { readonly tag: number; readonly permissions: number; readonly id: number }

const tags: Readonly<Record<string, readonly [own: number, named: number]>> = {
  user: [aclEntry.USER_OBJ, aclEntry.USER], u: [aclEntry.USER_OBJ, aclEntry.USER],
  group: [aclEntry.GROUP_OBJ, aclEntry.GROUP], g: [aclEntry.GROUP_OBJ, aclEntry.GROUP],
  mask: [aclEntry.MASK, aclEntry.MASK], m: [aclEntry.MASK, aclEntry.MASK],
  other: [aclEntry.OTHER, aclEntry.OTHER], o: [aclEntry.OTHER, aclEntry.OTHER],
};

/**
 * @param text entries `tag:qualifier:rwx`, after each newline or comma; star adds a numeric id as a fourth field
 * @returns the value of the attribute; undefined for an ACL that says no more than the permission bits
 * @throws BAD_FIELD for text of another form, or a name that nobody knows
 */
export function parseAclText(text: ByteString, lookup: NameLookup, label: string): Uint8Array | undefined {
  const entries = text.split(/[\n,]/).map((line) => line.replace(/#.*$/, '').trim()).filter((line) => line !== '').map((line) => parseEntry(line, lookup, label));
  if (entries.every(({ tag }) => tag === aclEntry.USER_OBJ || tag === aclEntry.GROUP_OBJ || tag === aclEntry.OTHER)
    && (entries.length === 0 || label !== 'SCHILY.acl.default')) return undefined;
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id); // The kernel's order.
  const value = new Uint8Array(aclHeader.size + aclRecord.size * entries.length);
  aclHeader.encode({ version: ACL_VERSION }, value);
  entries.forEach((entry, i) => aclRecord.encode(entry, value, aclHeader.size + aclRecord.size * i));
  return value;
}

function parseEntry(line: ByteString, lookup: NameLookup, label: string): Entry {
  const wrong = (why: string, suggestion?: string): ThawfsError => new ThawfsError('BAD_FIELD', `pax header: ${label}: "${display(line.slice(0, 80))}" ${why}`, {
    detail: { field: label }, ...(suggestion === undefined ? {} : { suggestion }),
  });
  const [tagName = '', qualifier = '', letters = '', number] = line.replace(/^default:/, '').split(':');
  const tag = tags[tagName];
  if (tag === undefined || !/^[r-][w-][x-]$/.test(letters)) throw wrong('is no entry of an ACL');
  const permissions = (letters[0] === 'r' ? 4 : 0) | (letters[1] === 'w' ? 2 : 0) | (letters[2] === 'x' ? 1 : 0);
  if (qualifier === '') return { tag: tag[0], permissions, id: aclEntry.UNDEFINED_ID };
  const id = Number([number, qualifier].find((candidate) => /^\d{1,10}$/.test(candidate ?? '')) ?? lookup(tag[1] === aclEntry.USER ? 'user' : 'group', qualifier));
  if (tag[0] === tag[1] || !(id < aclEntry.UNDEFINED_ID)) throw wrong('names nobody that this machine knows', 'Make the archive with tar --xattrs --xattrs-include=\'*\', which keeps ids.');
  return { tag: tag[1], permissions, id };
}
