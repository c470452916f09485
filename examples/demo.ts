/**
 * `npm run demo`: a signed image of a real tree of this machine, checked, looked into, mounted from a web server before it is downloaded,
 * and given to the kernel. Runs as anybody; what needs root or /dev/fuse is left out with the reason. Everything it makes is in one
 * temporary folder, which is removed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MB = 1e6;
const project = join(dirname(fileURLToPath(import.meta.url)), '../..');
const program = join(project, 'bin/run.js');
const scratch = mkdtempSync(join(tmpdir(), 'thawfs-demo-'));
const at = (name: string): string => join(scratch, name);
/** What is accepted here shall not count as seen on this machine. */
const environment = { ...process.env, XDG_STATE_HOME: at('state') };

/** Bytes and number of the files below a folder; stops when there is more than `most`, or something that may not be read. */
function measure(folder: string, most: number): { bytes: number; files: number; sample: string | undefined } | undefined {
  const pending = [folder];
  const found = { bytes: 0, files: 0, sample: undefined as string | undefined };
  let fewest = 20; // the sample's folder is listed, so it should be short
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    let entries;
    try {
      entries = readdirSync(next, { withFileTypes: true });
    } catch {
      return undefined;
    }
    for (const entry of entries) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) pending.push(path);
      if (!entry.isFile()) continue;
      const { size } = lstatSync(path);
      if (!readable(path)) return undefined;
      found.bytes += size;
      found.files++;
      if (entries.length < fewest && size > 200 && size < 1500 && /^[\x21-\x7e]+\.(?:h|txt|md|json|js|conf|py)$/.test(path)) [found.sample, fewest] = [path.slice(folder.length), entries.length];
    }
    if (found.bytes > most) return undefined;
  }
  return found;
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** A tree that is large enough to be interesting and small enough for half a minute. */
function chooseTree(): { folder: string; bytes: number; files: number; sample: string } {
  const candidates = ['/usr/share', '/usr/lib/python3', '/usr/include', '/usr/local/lib/node_modules', dirname(dirname(process.execPath)), '/usr/share/doc', join(project, 'node_modules')];
  for (const [least, most] of [[50 * MB, 150 * MB], [5 * MB, 600 * MB]] as const) {
    for (const folder of candidates.filter((candidate) => existsSync(candidate))) {
      const found = measure(folder, most);
      if (found?.sample !== undefined && found.bytes >= least) return { folder, ...found, sample: found.sample };
    }
  }
  throw new Error('this machine has no tree to show');
}

function headline(text: string): void {
  console.log(`\n${process.stdout.isTTY ? `\x1b[1m${text}\x1b[22m` : text}`);
}

/** Runs a command for all to see. @returns its exit status */
async function attempt(command: string, args: readonly string[]): Promise<number | null> {
  console.log(`$ ${[command === process.execPath ? 'thawfs' : command, ...args.filter((arg) => arg !== program)].join(' ')}`);
  const child = spawn(command, args, { stdio: 'inherit', cwd: scratch, env: environment });
  return await new Promise<number | null>((done, failed) => child.on('error', failed).on('close', done));
}

/** As {@link attempt}, where it must work. @returns seconds */
async function show(command: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  const status = await attempt(command, args);
  if (status !== 0) throw new Error(`${command} ended with status ${status}`);
  return (performance.now() - started) / 1000;
}

const thawfs = (...args: string[]): Promise<number> => show(process.execPath, [program, ...args]);

/** A web server for one file that answers range requests and counts them. */
async function serve(path: string): Promise<{ url: string; requests: () => number; bytes: () => number; close: () => void }> {
  const file = openSync(path, 'r');
  const { size } = statSync(path);
  let [requests, bytes] = [0, 0];
  const server = createServer((request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const body = Buffer.alloc(Math.max(0, Math.min(Number(last ?? size - 1), size - 1) - start + 1));
    readSync(file, body, 0, body.length, start);
    [requests, bytes] = [requests + 1, bytes + body.length];
    response.writeHead(206, { 'content-range': `bytes ${start}-${start + body.length - 1}/${size}`, 'content-length': body.length, 'etag': '"demo"' }).end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/app.img.zst`, requests: () => requests, bytes: () => bytes, close: () => server.close() };
}

/**
 * The image is used while it is still on the server: mounted for root, else for one command in a user namespace.
 *
 * @returns why that is not possible here, or undefined when it was done
 */
async function mountLazily(url: string, sample: string, trust: readonly string[]): Promise<string | undefined> {
  const doctor = spawnSync(process.execPath, [program, 'doctor', '--json'], { encoding: 'utf8' });
  const { findings } = JSON.parse(doctor.stdout) as { findings: readonly { name: string; state: string }[] };
  const has = (name: string): boolean => findings.some((finding) => finding.name === name && finding.state === 'ok');
  if (!has('/dev/fuse')) return 'there is no /dev/fuse';
  const common = ['--cache', at('cache'), ...trust];
  if (process.getuid?.() !== 0) {
    if (!has('user namespaces')) return 'that needs root, or user namespaces';
    await thawfs('run', url, '--no-fill', ...common, '--', 'sh', '-c', `head -n 3 .${sample}`);
    return undefined;
  }
  const folder = at('lazy');
  mkdirSync(folder);
  await thawfs('mount', url, folder, '--no-fill', ...common);
  try {
    await show('head', ['-n', '3', join(folder, sample)]);
    await thawfs('status', folder);
  } finally {
    await thawfs('umount', folder);
  }
  return undefined;
}

/** @returns why the kernel cannot mount here, or undefined when it did. */
function mountWithKernel(raw: string, files: number): string | undefined {
  if (process.platform !== 'linux') return 'this is not Linux';
  if (process.getuid?.() !== 0) return 'that needs root';
  const folder = at('mounted');
  mkdirSync(folder);
  console.log(`$ mount -o loop,ro ${raw} ${folder}`);
  const mounted = spawnSync('mount', ['-o', 'loop,ro', raw, folder], { encoding: 'utf8' });
  if (mounted.status !== 0) return (mounted.stderr || String(mounted.error)).trim();
  try {
    const found = measure(folder, Infinity);
    if (found?.files !== files) throw new Error(`${found?.files ?? 'no'} files in the mounted image, ${files} in the tree`);
    console.log(`The kernel mounts it: ${found.files} files, ${(found.bytes / MB).toFixed(1)} MB.`);
    return undefined;
  } finally {
    spawnSync('umount', [folder]);
  }
}

async function demo(): Promise<void> {
  const { folder, bytes, files, sample } = chooseTree();
  console.log(`A tree of this machine: ${folder}, ${files} files, ${(bytes / MB).toFixed(1)} MB. Everything goes to ${scratch}.`);
  const [image, key, trust] = ['app.img.zst', 'ci.pem', ['--trust', 'ci.pub']];

  headline('Make a key, and a signed image.');
  await thawfs('key', 'generate', '-o', key);
  const buildTime = await thawfs('build', folder, '-o', image, '--key', key, '--name', 'demo', '--label', '1.0');

  headline('Verify it: signature, every byte, structure.');
  const verifyTime = await thawfs('verify', image, ...trust);

  headline('Look into it, without mounting.');
  await thawfs('ls', image, dirname(sample), ...trust);
  await thawfs('cat', image, sample, ...trust);

  headline('The same from a web server: only what is needed is fetched.');
  const server = await serve(at(image));
  try {
    await thawfs('stat', server.url, sample, ...trust);
    console.log(`That took ${server.requests()} requests and ${(server.bytes() / 1000).toFixed(0)} kB of an image of ${(statSync(at(image)).size / MB).toFixed(1)} MB.`);

    headline('Mount it from there before it is downloaded: every block is checked against the signature when it is read.');
    const before = server.bytes();
    const reason = await mountLazily(server.url, sample, trust);
    console.log(reason === undefined ? `The mount fetched ${((server.bytes() - before) / 1000).toFixed(0)} kB.` : `Not mounted: ${reason}.`);
  } finally {
    server.close();
  }

  headline('Unpack the disk image, and let others judge it.');
  await thawfs('unpack', image, '-o', 'app.raw', ...trust);
  if (spawnSync('e2fsck', ['-V']).status === 0) await show('e2fsck', ['-fn', 'app.raw']);
  const unmounted = mountWithKernel(at('app.raw'), files);
  if (unmounted !== undefined) console.log(`Not mounted by the kernel: ${unmounted}.`);

  headline(`Done: ${(bytes / MB).toFixed(1)} MB became ${(statSync(at(image)).size / MB).toFixed(1)} MB, built and checked in ${buildTime.toFixed(1)} s, verified in ${verifyTime.toFixed(1)} s.`);
  console.log('Next: thawfs --help, and the examples folder.');
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined); // children get Ctrl-C too; their failure ends the demo
try {
  await demo();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
