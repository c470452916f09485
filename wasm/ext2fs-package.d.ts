/** The part of npm ext2fs 4.2.5 that is used here; the package has no types of its own. */
declare module 'ext2fs' {
  /** What it reads from and, even when only reading, writes to. */
  export interface Disk {
    readonly size: number;
    read(buffer: Buffer, bufferOffset: number, length: number, fileOffset: number): Promise<unknown>;
    write(buffer: Buffer, bufferOffset: number, length: number, fileOffset: number): Promise<unknown>;
    discard(offset: number, length: number): Promise<void>;
    flush(): Promise<void>;
  }
  export interface MountedFs { readonly fsPointer: number }
  interface Package {
    mount(disk: Disk, offset?: number): Promise<MountedFs>;
    umount(fs: MountedFs): Promise<void>;
  }
  const ext2fs: Package;
  export default ext2fs;
}

/** The exported C functions. A negative result is thrown as an error with `errno`, also where it is no failure. */
declare module 'ext2fs/lib/binding.js' {
  interface Binding {
    open(fs: number, path: number, flags: number, mode: number): Promise<number>;
    close(file: number): Promise<number>;
    read(file: number, flags: number, target: number, length: number, position: number): Promise<number>;
    readdir(fs: number, path: number, array: number): Promise<number>;
    readlink(fs: number, path: number, array: number): Promise<number>;
    stat_i_mode(file: number): Promise<number>;
    stat_i_links_count(file: number): Promise<number>;
    stat_i_uid(file: number): Promise<number>;
    stat_i_gid(file: number): Promise<number>;
    stat_i_size(file: number): Promise<number>;
    stat_i_mtime(file: number): Promise<number>;
  }
  const binding: Binding;
  export default binding;
}

/** Memory and objects handed to C, released when the wrapped function ends. */
declare module 'ext2fs/lib/util.js' {
  interface Util {
    withHooks<Arguments extends unknown[], Result>(body: (...args: Arguments) => Promise<Result>): (...args: Arguments) => Promise<Result>;
    usePath(path: Uint8Array): Promise<number>;
    useBuffer(length: number): Promise<[buffer: Buffer, pointer: number]>;
    useObject<T>(object: T): Promise<[object: T, id: number]>;
  }
  const util: Util;
  export default util;
}
