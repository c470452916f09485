/** Reads one line of a dump (dump.ts has the table of fields). */
import { toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { bytesContent } from '../model/content.js';
import type { Content } from '../model/content.js';
import type { Attributes, TreeNode } from '../model/tree.js';
import { ABSENT, unescapeField } from './dump-fields.js';
import { sortXattrs } from './kept-xattrs.js';

export interface DumpLine {
  /** Without the leading slash. */
  readonly path: ByteString;
  /** Undefined for a further name of a file. */
  readonly node: TreeNode | undefined;
  /** Of a hard link: path of the first name, without the leading slash. */
  readonly target: ByteString;
}

const names = ['PATH', 'KIND', 'MODE', 'UID', 'GID', 'MTIME', 'SIZE', 'DEVICE', 'TARGET', 'CONTENT'] as const;
type FieldName = typeof names[number];

/** @throws BAD_FIELD naming line and field */
export function parseLine(line: string, number: number): DumpLine {
  const fields = line.split(' ');
  const refuse = (field: string, text: string): ThawfsError => new ThawfsError('BAD_FIELD',
    `dump line ${number}: ${field} cannot be "${text.slice(0, 80)}"`, { detail: { line: number, field } });
  if (fields.length < names.length) {
    throw new ThawfsError('BAD_FIELD', `dump line ${number}: ${fields.length} fields, at least ${names.length} are needed`, { detail: { line: number } });
  }
  const textOf = (field: FieldName): string => fields[names.indexOf(field)]!;
  const match = (field: FieldName, pattern: RegExp): RegExpExecArray => {
    const found = pattern.exec(textOf(field));
    if (found === null) throw refuse(field, textOf(field));
    return found;
  };
  const integer = (field: FieldName, maximum: number): number => {
    const value = Number(match(field, /^(?:0|[1-9]\d*)$/)[0]);
    if (value > maximum) throw refuse(field, textOf(field));
    return value;
  };
  const bytesOf = (field: string, text: string): ByteString => {
    const bytes = unescapeField(text);
    if (bytes === undefined) throw refuse(field, text);
    return bytes;
  };
  const pathOf = (field: FieldName): ByteString => bytesOf(field, match(field, /^\/(.*)$/)[1]!);

  const path = pathOf('PATH');
  const kind = textOf('KIND');
  if (kind === 'hardlink') return { path, node: undefined, target: pathOf('TARGET') };

  const attributes = (): Attributes => {
    const [, seconds, nanoseconds] = match('MTIME', /^(0|-?[1-9]\d{0,14})\.(\d{9})$/);
    return {
      permissions: parseInt(match('MODE', /^[0-7]{4}$/)[0], 8),
      uid: integer('UID', 0xffffffff), gid: integer('GID', 0xffffffff),
      mtimeSeconds: Number(seconds), mtimeNanoseconds: Number(nanoseconds),
      xattrs: sortXattrs(fields.slice(names.length).map((text) => {
        const [, name, hex] = /^([^=]+)=((?:[0-9a-f]{2})*)$/.exec(text) ?? [];
        if (name === undefined || hex === undefined) throw refuse('XATTR', text);
        return { name: bytesOf('XATTR', name), value: new Uint8Array(Buffer.from(hex, 'hex')) };
      })),
    };
  };
  const content = (): Content => {
    const size = integer('SIZE', Number.MAX_SAFE_INTEGER);
    const text = textOf('CONTENT');
    if (!text.startsWith('inline:')) {
      match('CONTENT', /^(?:-|sha256:[0-9a-f]{64})$/);
      return { size, pieces: [] };
    }
    const bytes = new Uint8Array(toBytes(bytesOf('CONTENT', text.slice('inline:'.length))));
    if (bytes.length !== size) throw refuse('SIZE', textOf('SIZE'));
    return bytesContent(bytes);
  };
  const device = (): { major: number; minor: number } => {
    const [, major, minor] = match('DEVICE', /^(\d{1,4}):(\d{1,7})$/);
    return { major: Number(major), minor: Number(minor) };
  };
  const nodeOf = (): TreeNode => {
    switch (kind) {
      case 'file': return { kind, ...attributes(), content: content() };
      case 'directory': return { kind, ...attributes(), children: new Map<ByteString, TreeNode>() };
      case 'symlink': {
        if (textOf('TARGET') === ABSENT) throw refuse('TARGET', ABSENT);
        return { kind, ...attributes(), target: bytesOf('TARGET', textOf('TARGET')) };
      }
      case 'character-device': case 'block-device': return { kind, ...attributes(), ...device() };
      case 'fifo': case 'socket': return { kind, ...attributes() };
      default: throw refuse('KIND', kind);
    }
  };
  return { path, node: nodeOf(), target: '' };
}
