import { describe, expect, test } from '@jest/globals';
import { walk } from '../../../src/model/tree.js';
import { formatDump, parseDump } from '../../../src/tree/dump.js';
import { readContent } from '../../helpers/tree-model.js';

const text = `/ directory 0755 0 0 0.000000000 - - - -
/a\\x20b\\x5c\\xff file 4644 1 2 -2.500000000 5 - - - user.x=00ff user.y\\x3d=
/d directory 1777 0 4294967295 15032385535.999999999 - - - -
/d/- symlink 0777 0 0 1.000000001 - - -/\\x0a -
/d/also hardlink - - - - - - /a\\x20b\\x5c\\xff -
/dev character-device 0600 0 0 0.000000000 - 300:70000 - -
/pipe fifo 0600 0 0 0.000000000 - - - - trusted.z=01
/sock socket 0600 0 0 0.000000000 - - - -
`;
const root = '/ directory 0755 0 0 0.000000000 - - - -\n';

describe('dump', () => {
  test('every kind survives text -> tree -> text', () => {
    expect(formatDump(parseDump(text))).toBe(text);
  });

  test('values arrive in the tree', () => {
    const nodes = new Map([...walk(parseDump(text))].map(({ path, node }) => [path, node]));
    expect(nodes.get('a b\\\xff')).toMatchObject({
      kind: 'file', permissions: 0o4644, uid: 1, gid: 2, mtimeSeconds: -2, mtimeNanoseconds: 500_000_000, content: { size: 5, pieces: [] },
      xattrs: [{ name: 'user.x', value: new Uint8Array([0, 255]) }, { name: 'user.y=', value: new Uint8Array(0) }],
    });
    expect(nodes.get('d/also')).toBe(nodes.get('a b\\\xff'));
    expect(nodes.get('d/-')).toMatchObject({ kind: 'symlink', target: '-/\n' });
    expect(nodes.get('dev')).toMatchObject({ major: 300, minor: 70_000 });
  });

  test('digests are written where known, and read over; inline content is content; comments are passed over', () => {
    const tree = parseDump(`# by hand\n\n${root}/f file 0644 0 0 0.000000000 4 - - inline:a\\x00b\\x0a\n`);
    const file = tree.children.get('f')!;
    expect(file.kind === 'file' && readContent(file.content).toString()).toBe('a\0b\n');
    const digested = formatDump(tree, () => 'ab'.repeat(32));
    expect(digested).toContain(` 4 - - sha256:${'ab'.repeat(32)}\n`);
    expect(formatDump(parseDump(digested))).toBe(formatDump(tree));
  });

  const refused: readonly (readonly [string, string])[] = [
    ['no root', '/a directory 0755 0 0 0.000000000 - - - -'],
    ['root is a file', '/ file 0755 0 0 0.000000000 0 - - -'],
    ['too few fields', `${root}/a directory 0755`],
    ['no slash', `${root}a directory 0755 0 0 0.000000000 - - - -`],
    ['kind', `${root}/a folder 0755 0 0 0.000000000 - - - -`],
    ['mode', `${root}/a directory 755 0 0 0.000000000 - - - -`],
    ['uid', `${root}/a directory 0755 4294967296 0 0.000000000 - - - -`],
    ['time', `${root}/a directory 0755 0 0 0 - - - -`],
    ['size', `${root}/a file 0755 0 0 0.000000000 - - - -`],
    ['device', `${root}/a block-device 0755 0 0 0.000000000 - - - -`],
    ['target', `${root}/a symlink 0755 0 0 0.000000000 - - - -`],
    ['content', `${root}/a file 0755 0 0 0.000000000 3 - - sha256:12`],
    ['inline size', `${root}/a file 0755 0 0 0.000000000 3 - - inline:ab`],
    ['xattr', `${root}/a file 0755 0 0 0.000000000 3 - - - user.x`],
    ['escape', `${root}/a\\x2 file 0755 0 0 0.000000000 3 - - -`],
    ['twice', `${root}${root}`],
    ['orphan', `${root}/a/b directory 0755 0 0 0.000000000 - - - -`],
    ['child of a file', `${root}/a file 0755 0 0 0.000000000 0 - - -\n/a/b fifo 0755 0 0 0.000000000 - - - -`],
    ['dot dot', `${root}/.. directory 0755 0 0 0.000000000 - - - -`],
    ['nul', `${root}/a\\x00 directory 0755 0 0 0.000000000 - - - -`],
    ['link to nothing', `${root}/a hardlink - - - - - - /b -`],
    ['link to a directory', `${root}/a directory 0755 0 0 0.000000000 - - - -\n/b hardlink - - - - - - /a -`],
  ];
  test.each(refused)('refuses: %s', (_, wrong) => {
    expect(() => parseDump(wrong)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('refuses an empty text', () => {
    expect(() => parseDump('')).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
  });
});
