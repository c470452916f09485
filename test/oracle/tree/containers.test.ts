/** Container images: layers flatten as the OCI image specification says. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, createReadStream, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect } from '@jest/globals';
import { walk } from '../../../src/model/tree.js';
import type { DirectoryNode, FileNode } from '../../../src/model/tree.js';
import type { Platform } from '../../../src/tree/oci-json.js';
import { openTree } from '../../../src/tree/open-source.js';
import { scanDirectory } from '../../../src/tree/from-directory.js';
import { makeTree } from '../../helpers/make-tree.js';
import { INDEX, LAYER, layerOf, putBlob, putImage, putIndex } from '../../helpers/oci-layout.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { modelOf, readContent } from '../../helpers/tree-model.js';

/** @returns `path` or `path=content` of everything in the tree. */
function listing(root: DirectoryNode): string[] {
  return [...walk(root)].slice(1).map(({ path, node }) => (node.kind === 'file' ? `${path}=${readContent(node.content).toString('latin1')}` : path));
}

/** Layers, as scripts or as finished archives, flattened from an OCI layout. */
async function flatten(directory: string, layers: readonly (string | Buffer)[]): Promise<DirectoryNode> {
  const blobs = layers.map((layer, i) => putBlob(directory, typeof layer === 'string' ? layerOf(`${directory}/scratch-${i}`, layer) : layer, LAYER));
  putIndex(directory, [putImage(directory, blobs)]);
  return (await openTree(`oci:${directory}`)).root;
}

const needs = ['tar', 'linux'];

describe('layers', () => {
  oracleTest(needs, 'later entries replace, other names of a replaced file stay', () => withTempDir(async (directory) => {
    const root = await flatten(directory, [
      'mkdir d; echo -n 1 > d/a; ln d/a d/b; echo -n keep > d/keep; mkdir gone; echo x > gone/x; ln -s d link',
      'mkdir d; echo -n 2 > d/a; chmod 700 d; echo -n file > gone; mkdir link; echo -n in > link/in',
    ]);
    expect(listing(root)).toEqual(['d', 'd/a=2', 'd/b=1', 'd/keep=keep', 'gone=file', 'link', 'link/in=in']);
    expect(root.children.get('d')!.permissions).toBe(0o700);
  }));

  oracleTest(needs, 'a layer of no bytes changes nothing', () => withTempDir(async (directory) => {
    expect(listing(await flatten(directory, ['echo -n 1 > a', Buffer.alloc(0), gzipSync(Buffer.alloc(0))]))).toEqual(['a=1']);
  }));

  oracleTest(needs, 'a hard link may lead into a lower layer', () => withTempDir(async (directory) => {
    const lower = layerOf(`${directory}/lower`, 'echo -n shared > a');
    const upper = layerOf(`${directory}/upper`, 'echo -n shared > a; ln a b', ['./a', './b']);
    // Only the second entry, the link, with the end mark.
    const root = await flatten(directory, [lower, upper.subarray(upper.indexOf('./b') - upper.indexOf('./b') % 512 - 1024)]);
    expect(listing(root)).toEqual(['a=shared', 'b=shared']);
    expect(root.children.get('a')).toBe(root.children.get('b'));
  }));

  oracleTest(needs, 'whiteouts remove what is below, not what the same layer brings', () => withTempDir(async (directory) => {
    const root = await flatten(directory, [
      'mkdir -p d/e f; echo -n 1 > d/a; echo -n 1 > d/e/x; echo -n 1 > f/y; echo -n 1 > z',
      'mkdir -p d/e; touch .wh.z .wh.none d/.wh.a; echo -n 2 > d/a; touch .wh.f; mkdir f; echo -n 2 > f/new; touch d/.wh..wh.plnk',
    ]);
    expect(listing(root)).toEqual(['d', 'd/a=2', 'd/e', 'd/e/x=1', 'f', 'f/new=2']);
  }));

  for (const [order, entries] of Object.entries({ first: ['./d', './d/.wh..wh..opq', './d/sub', './d/sub/new'], last: ['./d', './d/sub', './d/sub/new', './d/.wh..wh..opq'], unlisted: ['./d/sub/new', './d/.wh..wh..opq'] })) {
    oracleTest(needs, `an opaque directory hides all that is below, marked ${order}`, () => withTempDir(async (directory) => {
      const upper = layerOf(`${directory}/upper`, 'mkdir -p d/sub; echo -n 2 > d/sub/new; touch d/.wh..wh..opq', entries);
      expect(listing(await flatten(directory, ['mkdir -p d/sub d/other; echo 1 > d/sub/old; echo 1 > d/old; echo -n 1 > e', upper]))).toEqual(['d', 'd/sub', 'd/sub/new=2', 'e=1']);
    }));
  }

  oracleTest(needs, 'paths through symlinks of lower layers are followed inside the tree', () => withTempDir(async (directory) => {
    const upper = layerOf(`${directory}/upper`, 'mkdir lib abs; echo -n 2 > lib/new; echo -n 3 > abs/passwd', ['./lib/new', './abs/passwd']);
    const root = await flatten(directory, ['mkdir -p usr/lib; ln -s usr/lib lib; ln -s /../../etc abs', upper]);
    expect(listing(root)).toEqual(['abs', 'etc', 'etc/passwd=3', 'lib', 'usr', 'usr/lib', 'usr/lib/new=2']);
  }));

  oracleTest(needs, 'whiteouts reach through symlinks of lower layers, and remove nothing where there is no directory', () => withTempDir(async (directory) => {
    const lower = 'mkdir -p usr/lib etc; ln -s usr/lib lib; ln -s /etc abs; touch usr/lib/old etc/old etc/stays file';
    const upper = layerOf(`${directory}/upper`, 'mkdir lib abs file; touch lib/.wh..wh..opq lib/new abs/.wh.old file/.wh.x', ['./lib/.wh..wh..opq', './lib/new', './abs/.wh.old', './file/.wh.x']);
    expect(listing(await flatten(directory, [lower, upper]))).toEqual(['abs', 'etc', 'etc/stays=', 'file=', 'lib', 'usr', 'usr/lib', 'usr/lib/new=']);
  }));

  oracleTest(needs, 'a layer that ends with the last byte of its last file, as umoci writes it', () => withTempDir(async (directory) => {
    const layer = layerOf(`${directory}/layer`, 'echo -n 1 > a; echo -n last > b', ['./a', './b']);
    const end = layer.lastIndexOf('last') + 'last'.length;
    expect(listing(await flatten(directory, [layer.subarray(0, end)]))).toEqual(['a=1', 'b=last']);
    await expect(flatten(directory, [layer.subarray(0, end - 1)])).rejects.toMatchObject({ code: 'TRUNCATED', message: expect.stringMatching(/^layer sha256:[0-9a-f]{64}: the archive ends/) });
    await expect(flatten(directory, [layer.subarray(0, end + 1)])).rejects.toMatchObject({ code: 'TRUNCATED' });
  }));

  for (const wicked of ['.wh..', '.wh...', '.wh.']) {
    oracleTest(needs, `the whiteout "${wicked}" is refused`, () => withTempDir(async (directory) => {
      await expect(flatten(directory, ['echo 1 > a', `mkdir d; touch d/${wicked}`])).rejects.toMatchObject({ code: 'BAD_FIELD' });
    }));
  }
});

describe('oci:', () => {
  oracleTest([...needs, 'zstd'], 'a varied tree in layers plain, gzip and zstd is the tree; plain contents stay in the blob', () => withTempDir(async (directory) => {
    const layout = `${directory}/layout`;
    mkdirSync(`${directory}/tree`);
    makeTree(`${directory}/tree`);
    execFileSync('find', [`${directory}/tree`, '-type', 's', '-delete']);
    rmSync(`${directory}/tree/special/fifo-again`);
    const tar = execFileSync('tar', ['-C', `${directory}/tree`, '-c', '--format=pax', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '.'], { maxBuffer: 1 << 28 });
    const expected = modelOf(scanDirectory(`${directory}/tree`).root);
    for (const [bytes, type] of [[tar, LAYER], [gzipSync(tar), `${LAYER}+gzip`], [execFileSync('zstd', ['-c'], { input: tar, maxBuffer: 1 << 28 }), `${LAYER}+zstd`]] as const) {
      putIndex(layout, [putImage(layout, [putBlob(layout, bytes, type)])]);
      const spoolDirectory = `${directory}/spool`;
      mkdirSync(spoolDirectory, { recursive: true });
      const source = await openTree(`oci:${layout}`, { spoolDirectory });
      expect(modelOf(source.root)).toBe(expected);
      expect(readdirSync(spoolDirectory)).toEqual([]);
      source.dispose();
      const [piece] = [...(source.root.children.get('setuid') as FileNode).content.pieces];
      expect((piece!.source as { path: string }).path.startsWith(layout)).toBe(type === LAYER);
    }
  }));

  oracleTest(needs, 'tags and platforms choose; nested indexes are followed; attestations are not images', () => withTempDir(async (directory) => {
    const image = (name: string): ReturnType<typeof putBlob> => putImage(directory, [putBlob(directory, layerOf(`${directory}/${name}`, `touch ${name}`), LAYER)]);
    const here = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
    const other = { os: 'linux', architecture: 's390x' };
    const attestation = { ...image('attestation'), platform: { os: 'unknown', architecture: 'unknown' } };
    const nested = putBlob(directory, JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [{ ...image('other'), platform: other }, { ...image('here'), platform: here }, attestation] }), INDEX);
    const tag = (name: string): { annotations: Record<string, string> } => ({ annotations: { 'org.opencontainers.image.ref.name': name } });
    putIndex(directory, [{ ...nested, ...tag('multi') }, { ...image('single'), ...tag('docker.io/library/app:v1') }, { ...image('plain'), ...tag('plain') }]);
    const names = async (spec: string, platform?: typeof here): Promise<string[]> => listing((await openTree(spec, platform === undefined ? {} : { platform })).root).map((line) => line.replace('=', ''));
    expect(await names(`oci:${directory}:multi`)).toEqual(['here']);
    expect(await names(`oci:${directory}:multi`, other)).toEqual(['other']);
    expect(await names(`oci:${directory}:plain`)).toEqual(['plain']);
    expect(await names(`oci:${directory}:docker.io/library/app:v1`)).toEqual(['single']);
    await expect(names(`oci:${directory}`)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(names(`oci:${directory}:nope`)).rejects.toMatchObject({ code: 'BAD_ARGUMENT', detail: { tags: ['multi', 'docker.io/library/app:v1', 'plain'] } });
    await expect(names(`oci:${directory}:multi`, { os: 'plan9', architecture: 'mips' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  }));

  oracleTest(needs, 'of several processors of one architecture the variant chooses', () => withTempDir(async (directory) => {
    const image = (name: string): ReturnType<typeof putBlob> => putImage(directory, [putBlob(directory, layerOf(`${directory}/${name}`, `touch ${name}`), LAYER)]);
    const arm = { os: 'linux', architecture: 'arm' };
    putIndex(directory, [...['v6', 'v7'].map((variant) => ({ ...image(variant), platform: { ...arm, variant } })), { ...image('s390x'), platform: { os: 'linux', architecture: 's390x' } }]);
    const names = async (platform: Platform): Promise<string[]> => listing((await openTree(`oci:${directory}`, { platform })).root);
    expect(await names({ ...arm, variant: 'v7' })).toEqual(['v7=']);
    expect(await names({ os: 'linux', architecture: 's390x' })).toEqual(['s390x=']);
    await expect(names(arm)).rejects.toMatchObject({ code: 'BAD_ARGUMENT', suggestions: [expect.stringContaining('linux/arm/v6')] });
    await expect(names({ ...arm, variant: 'v8' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  }));

  oracleTest(needs, 'a layout in an archive, plain, compressed and on standard input; taken for something else, a warning says so', () => withTempDir(async (directory) => {
    const layout = `${directory}/layout`;
    const image = putImage(layout, [putBlob(layout, layerOf(`${directory}/one`, 'echo -n 1 > a; touch gone'), LAYER), putBlob(layout, gzipSync(layerOf(`${directory}/two`, 'echo -n 2 > b; touch .wh.gone')), `${LAYER}+gzip`)]);
    putIndex(layout, [{ ...image, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }]);
    execFileSync('tar', ['-C', layout, '-cf', `${directory}/a:b.tar`, '.']);
    writeFileSync(`${directory}/packed`, gzipSync(readFileSync(`${directory}/a:b.tar`)));
    const specs = [`oci-archive:${directory}/a:b.tar`, `oci-archive:${directory}/a:b.tar:v1`, `oci-archive:${directory}/packed:v1`, `oci:${directory}/packed:v1`, 'oci-archive:-', 'oci-archive:-:v1'];
    for (const spec of specs) {
      const source = await openTree(spec, { stdin: createReadStream(`${directory}/packed`) });
      expect([spec, ...listing(source.root)]).toEqual([spec, 'a=1', 'b=2']);
      expect(source.warnings).toEqual([]);
      source.dispose();
    }
    await expect(openTree(`oci-archive:${directory}/packed:v2`)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(openTree(`oci-archive:${directory}/none`)).rejects.toMatchObject({ code: 'PATH_MISSING' });
    await expect(openTree(`oci:${directory}/none:tag:x`)).rejects.toMatchObject({ code: 'PATH_MISSING', message: expect.stringContaining(`${directory}/none:`) });
    await expect(openTree(`docker-archive:${directory}/packed`)).rejects.toMatchObject({ code: 'BAD_FIELD', suggestions: [expect.stringContaining('oci-archive:')] });
    expect((await openTree(`${directory}/packed`)).warnings).toEqual([expect.stringContaining('oci-archive:')]);
    expect((await openTree(layout)).warnings).toEqual([expect.stringContaining('oci:')]);
    execFileSync('tar', ['-C', layout, '-xf', `${directory}/a:b.tar`]);
    rmSync(`${layout}/blobs/${image.digest.replace(':', '/')}`);
    execFileSync('tar', ['-C', layout, '-cf', `${directory}/lacking.tar`, '.']);
    await expect(openTree(`oci-archive:${directory}/lacking.tar`)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
  }));

  oracleTest(needs, 'a layout of symlinks into a store, as Bazel and Nix make them; one that leads nowhere, or to no file', () => withTempDir(async (directory) => {
    const [layout, links] = [`${directory}/layout`, `${directory}/links`];
    const layer = putBlob(layout, layerOf(`${directory}/one`, 'echo -n 1 > a'), LAYER);
    putIndex(layout, [putImage(layout, [layer, putBlob(layout, gzipSync(layerOf(`${directory}/two`, 'echo -n 2 > b')), `${LAYER}+gzip`)])]);
    execFileSync('cp', ['-rs', layout, links]);
    expect(listing((await openTree(`oci:${links}`)).root)).toEqual(['a=1', 'b=2']);
    const blob = layer.digest.replace(':', '/');
    rmSync(`${layout}/blobs/${blob}`);
    await expect(openTree(`oci:${links}`)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    symlinkSync('/dev/zero', `${layout}/blobs/${blob}`);
    await expect(openTree(`oci:${links}`)).rejects.toMatchObject({ code: 'BAD_FIELD' });
  }));

  oracleTest(needs, 'a changed, absent or foreign blob is refused', () => withTempDir(async (directory) => {
    const layer = putBlob(directory, layerOf(`${directory}/l`, 'echo 1 > a'), LAYER);
    const path = `${directory}/blobs/${layer.digest.replace(':', '/')}`;
    putIndex(directory, [putImage(directory, [layer])]);
    const open = (): Promise<unknown> => openTree(`oci:${directory}`);
    execFileSync('sh', ['-c', `printf X | dd of=${path} bs=1 seek=2000 conv=notrunc`], { stdio: 'ignore' });
    await expect(open()).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
    appendFileSync(path, 'x');
    await expect(open()).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
    rmSync(path);
    await expect(open()).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    putIndex(directory, [putImage(directory, [{ ...layer, mediaType: `${LAYER}+encrypted` }])]);
    await expect(open()).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
    putIndex(directory, [putImage(directory, [{ ...layer, digest: 'sha256:../../../../etc/passwd' }])]);
    await expect(open()).rejects.toMatchObject({ code: 'BAD_FIELD' });
    putIndex(directory, [putImage(directory, [{ ...layer, digest: `sha512:${'ab'.repeat(64)}` }])]);
    await expect(open()).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
    for (const text of ['{', '[]', '{"manifests":{}}', '{"manifests":[{"digest":1}]}', '{"manifests":[null]}']) {
      writeFileSync(`${directory}/index.json`, text);
      await expect(open()).rejects.toMatchObject({ code: 'BAD_FIELD' });
    }
    rmSync(`${directory}/index.json`);
    await expect(open()).rejects.toMatchObject({ code: 'OBJECT_MISSING', message: expect.stringContaining('no OCI layout') });
  }));
});

describe('docker-archive:', () => {
  /** An archive as docker save makes it, from a directory that `script` fills. */
  function archiveOf(directory: string, script: string): string {
    mkdirSync(`${directory}/archive`);
    execFileSync('sh', ['-ec', script], { cwd: `${directory}/archive` });
    execFileSync('tar', ['-C', `${directory}/archive`, '-cf', `${directory}/image.tar`, '.']);
    return `docker-archive:${directory}/image.tar`;
  }
  const layers = (scratch: string): void => {
    writeFileSync(`${scratch}/one.tar`, layerOf(`${scratch}/one`, `echo -n 1 > a; head -c 20000 /dev/zero > zeros; echo -n end >> zeros`));
    writeFileSync(`${scratch}/two.tar`, layerOf(`${scratch}/two`, 'echo -n 2 > b; touch .wh.a'));
  };
  const expected = ['b=2', `zeros=${'\0'.repeat(20_000)}end`];

  for (const compression of ['', 'gzip']) {
    oracleTest(needs, `layers in folders, one a symlink to another${compression === '' ? '' : ', all compressed'}`, () => withTempDir(async (directory) => {
      layers(directory);
      const spec = archiveOf(directory, 'mkdir x y z; cp ../one.tar x/layer.tar; cp ../two.tar y/layer.tar; ln -s ../y/layer.tar z/layer.tar; echo \'[{"Config":"c.json","RepoTags":["a:b"],"Layers":["x/layer.tar","y/layer.tar","z/layer.tar"]}]\' > manifest.json');
      if (compression !== '') execFileSync('sh', ['-c', 'gzip image.tar && mv image.tar.gz image.tar'], { cwd: directory });
      const source = await openTree(spec);
      expect(listing(source.root)).toEqual(expected);
      source.dispose();
    }));
  }

  oracleTest([...needs, 'sha256sum'], 'layers that are named by their digest are held to it', () => withTempDir(async (directory) => {
    layers(directory);
    const script = `mkdir -p blobs/sha256; for l in one two; do d=$(sha256sum < ../$l.tar | cut -c1-64); cp ../$l.tar blobs/sha256/$d; echo $d >> ../digests; done
      echo "[{\\"Layers\\":[\\"blobs/sha256/$(sed -n 1p ../digests)\\",\\"blobs/sha256/$(sed -n 2p ../digests)\\"]}]" > manifest.json`;
    const spec = archiveOf(directory, script);
    expect(listing((await openTree(spec)).root)).toEqual(expected);
    execFileSync('sh', ['-ec', 'f=archive/blobs/sha256/$(sed -n 1p digests); printf X | dd of=$f bs=1 seek=1024 conv=notrunc; tar -C archive -cf image.tar .'], { cwd: directory, stdio: 'ignore' });
    await expect(openTree(spec)).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
  }));

  for (const [name, manifest, code] of [['no manifest', '', 'BAD_FIELD'], ['two images', '[{"Layers":[]},{"Layers":[]}]', 'BAD_ARGUMENT'], ['no layers', '[{}]', 'BAD_FIELD'], ['an absent layer', '[{"Layers":["../../etc/passwd"]}]', 'OBJECT_MISSING']] as const) {
    oracleTest(needs, `refuses: ${name}`, () => withTempDir(async (directory) => {
      const spec = archiveOf(directory, manifest === '' ? 'touch x' : `echo '${manifest}' > manifest.json`);
      await expect(openTree(spec)).rejects.toMatchObject({ code });
    }));
  }
});
