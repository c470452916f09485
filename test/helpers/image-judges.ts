/** What judges a finished image file: zstd, e2fsck, veritysetup, and the kernel, none of which knows thawfs. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { buildImage, type BuildOptions, type BuildReport } from '../../src/image/build.js';
import type { Manifest } from '../../src/format/manifest.js';
import { complaints } from './ext4-judges.js';
import { withTempDir } from './temp-dir.js';

/** Commands that {@link verdicts} runs. */
export const judges = ['zstd', 'e2fsck', 'veritysetup'] as const;

export interface BuiltImage {
  /** The image file. */
  readonly path: string;
  /** What `zstd -dc` made of it. */
  readonly raw: string;
  readonly report: BuildReport;
}

/** Builds an image with two threads and decompresses it; both files are gone when the body ends. */
export async function withBuilt<T>(options: Omit<BuildOptions, 'output'>, body: (image: BuiltImage) => T | Promise<T>): Promise<T> {
  return withTempDir(async (folder) => {
    const path = `${folder}/image.img.zst`;
    const report = await buildImage({ jobs: 2, ...options, output: path });
    const raw = `${folder}/raw.img`;
    decompress(path, raw);
    return body({ path, raw, report });
  });
}

/** Decompresses with zstd(1), zeros as holes. */
export function decompress(image: string, raw: string): void {
  const { status, stderr } = spawnSync('zstd', ['-q', '-d', '--sparse', '-f', image, '-o', raw], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`zstd -d: ${stderr}`);
}

/** @returns what zstd, e2fsck and veritysetup find wrong; empty for a good image. */
export function verdicts({ path, raw, report: { manifest, rawSize } }: BuiltImage): string[] {
  const found: string[] = [];
  const test = spawnSync('zstd', ['-q', '-t', path], { encoding: 'utf8' });
  if (test.status !== 0 || test.stderr !== '') found.push(`zstd -t: ${test.stderr}`);
  if (statSync(raw).size !== rawSize || rawSize !== manifest.raw.size) found.push(`raw image has ${statSync(raw).size} bytes, not ${rawSize}`);
  const structure = complaints(raw);
  if (structure !== '') found.push(`e2fsck: ${structure}`);
  const verity = verityComplaints(raw, manifest);
  if (verity !== '') found.push(verity);
  return found;
}

/** @returns what veritysetup says about a raw image, with the root hash of the manifest; empty when it verifies. */
export function verityComplaints(raw: string, { verity }: Manifest): string {
  const { status, stderr, stdout } = spawnSync('veritysetup', ['verify', raw, raw, verity.rootHash, `--hash-offset=${verity.hashOffset}`], { encoding: 'utf8' });
  return status === 0 ? '' : `veritysetup: ${stderr}${stdout}`;
}

/** @returns the SHA-256 of a file, by sha256sum. */
export function sha256Of(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return spawnSync('sha256sum', [], { stdio: [fd, 'pipe', 'inherit'], encoding: 'utf8' }).stdout.slice(0, 64);
  } finally {
    closeSync(fd);
  }
}
