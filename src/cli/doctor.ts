/** What this machine can do: one line per ability, and for what is missing the Debian package or setting that brings it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fromText } from '../bytes/byte-string.js';
import { openCodec } from '../codec/registry.js';
import { cPath } from '../sys/c-path.js';
import { setXattr, xattrsAvailable } from '../sys/xattr.js';

export interface Finding {
  readonly group: 'thawfs' | 'kernel' | 'tools';
  readonly name: string;
  readonly state: 'ok' | 'missing';
  /** What was found, or what is not possible without it. */
  readonly detail: string;
  /** How to get it. */
  readonly remedy?: string;
}

/** Outside programs: none is needed to build, verify or read. [command, Debian package, what it is for] */
const tools: readonly (readonly [command: string, debianPackage: string, use: string])[] = [
  ['zstd', 'zstd', 'decompress images without thawfs'],
  ['e2fsck', 'e2fsprogs', 'check the file system of an unpacked image'],
  ['debugfs', 'e2fsprogs', 'look into the file system of an unpacked image'],
  ['veritysetup', 'cryptsetup-bin', 'check and attach dm-verity'],
  ['fsverity', 'fsverity', 'compare fs-verity digests'],
  ['openssl', 'openssl', 'sign with keys elsewhere, check root-hash signatures'],
  ['mount', 'mount', 'mount an unpacked image'],
  ['losetup', 'mount', 'attach an unpacked image as a block device'],
  ['getfattr', 'attr', 'show extended attributes'],
  ['getfacl', 'acl', 'show access control lists'],
  ['fusermount3', 'fuse3', 'mount FUSE file systems without being root'],
];

/** Looks, and leaves nothing behind. Cost: reads in /proc, one temporary file, one child process. */
export function examineMachine(): Finding[] {
  return [node(), ...libraries(), temporaryFolder(), fuse(), loop(), ...['ext4', 'overlay'].map(fileSystem), userNamespaces(), ...tools.map(tool)];
}

function finding(group: Finding['group'], name: string, holds: boolean, detail: string, remedy?: string): Finding {
  return { group, name, state: holds ? 'ok' : 'missing', detail, ...(holds || remedy === undefined ? {} : { remedy }) };
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return finding('thawfs', 'node', major > 20 || (major === 20 && minor >= 19), `version ${process.versions.node}`, 'Install Node.js 20.19 or newer.');
}

function libraries(): Finding[] {
  const { implementation } = openCodec();
  const fast = !implementation.startsWith('zstd-codec');
  return [
    finding('thawfs', 'zstd', fast, fast ? implementation : `only ${implementation} (WebAssembly): works, several times slower`, 'apt-get install libzstd1, or use Node.js 22.15 or newer'),
    finding('thawfs', 'system calls', xattrsAvailable, xattrsAvailable ? 'extended attributes, devices, holes' : 'no extended attributes, devices and holes of host files',
      'Use Linux with glibc or musl on x86-64 or arm64; reinstall with npm ci.'),
  ];
}

function temporaryFolder(): Finding {
  const place = tmpdir();
  const name = `xattrs in ${place}`;
  let folder: string;
  try {
    folder = mkdtempSync(join(place, 'thawfs-doctor-'));
  } catch {
    return finding('kernel', name, false, 'the temporary folder cannot be written to', 'Set TMPDIR to a folder that can.');
  }
  try {
    setXattr(cPath(fromText(folder)), 'user.thawfs', Uint8Array.of(1));
    return finding('kernel', name, true, 'user attributes can be stored');
  } catch {
    return finding('kernel', name, false, 'extract loses extended attributes there', 'Set TMPDIR to a folder on ext4, xfs, btrfs or a recent tmpfs.');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fuse(): Finding {
  const usable = canOpen('/dev/fuse', constants.R_OK | constants.W_OK);
  return finding('kernel', '/dev/fuse', usable, usable ? 'FUSE file systems can be served' : 'no FUSE file systems', 'modprobe fuse; in a container: --device /dev/fuse');
}

function loop(): Finding {
  const usable = canOpen('/dev/loop-control', constants.R_OK | constants.W_OK);
  return finding('kernel', 'loop devices', usable, usable ? 'unpacked images can be mounted' : 'mount -o loop is not possible for this user', 'Be root, and modprobe loop.');
}

function fileSystem(name: string): Finding {
  const known = existsSync('/proc/filesystems') && readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(name);
  return finding('kernel', name, known, known ? 'the kernel has it' : `the kernel has not loaded ${name}`, `modprobe ${name}`);
}

function userNamespaces(): Finding {
  const usable = spawnSync('unshare', ['--user', '--map-root-user', 'true'], { stdio: 'ignore' }).status === 0;
  return finding('kernel', 'user namespaces', usable, usable ? 'mounts without being root are possible' : 'not for this user',
    'sysctl user.max_user_namespaces=15000; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0');
}

function tool([command, debianPackage, use]: typeof tools[number]): Finding {
  const path = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].map((folder) => join(folder, command)).find((file) => canOpen(file, constants.X_OK));
  return finding('tools', command, path !== undefined, path === undefined ? use : `${path}: ${use}`, `apt-get install ${debianPackage}`);
}

function canOpen(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
