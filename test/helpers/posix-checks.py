"""What programs may ask of a read-only file system, by name: python3 posix-checks.py ROOT [--list]

Prints {check: result} as JSON. Results of two mounts of one image are compared by the test that runs this; a check raises when
something is wrong whatever the other mount says. ROOT holds the tree of test/mount/posix.test.ts.
"""
import ctypes, errno, fcntl, hashlib, json, mmap, os, select, socket, stat, struct, subprocess, sys, tempfile, threading

libc = ctypes.CDLL(None, use_errno=True)
ROOT = ''
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


def at(*names):
    return os.path.join(ROOT, *(name if isinstance(name, bytes) else name.encode() for name in names))


def text(name):
    return name.decode('latin1')


def outcome(call, *arguments, **named):
    """The result of a call, or the name of its error."""
    try:
        result = call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'done' if result is None else result


def digest(data):
    return hashlib.sha256(data).hexdigest()


def walk(top):
    """Every path below, in byte order, but for the names of the large directory."""
    for name in sorted(os.listdir(top)):
        path = os.path.join(top, name)
        yield path
        if stat.S_ISDIR(os.lstat(path).st_mode) and name != b'many':
            yield from walk(path)


def relative(path):
    return text(os.path.relpath(path, ROOT))


def opened(path, flags=os.O_RDONLY):
    class Opened:
        def __enter__(self):
            self.fd = os.open(path, flags)
            return self.fd

        def __exit__(self, *_):
            os.close(self.fd)
    return Opened()


def system_call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def as_user(uid, gids, call):
    """Runs `call` in a child with these ids. Its result must be JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(gids[1:])
            os.setresgid(gids[0], gids[0], gids[0])
            os.setresuid(uid, uid, uid)
            os.write(writing, json.dumps(call()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, 'rb') as answer:
        result = answer.read()
    os.waitpid(child, 0)
    return json.loads(result)


# Attributes

@check
def stat_has_every_field():
    fields = ('st_mode', 'st_ino', 'st_nlink', 'st_uid', 'st_gid', 'st_size', 'st_blocks', 'st_blksize')
    return {relative(path): [getattr(os.lstat(path), field) for field in fields] for path in [ROOT, *walk(ROOT)]}


@check
def times_have_nanoseconds_from_1901_to_2446():
    return {relative(path): [getattr(os.lstat(path), field) for field in ('st_atime_ns', 'st_mtime_ns', 'st_ctime_ns')] for path in walk(ROOT)}


@check
def devices_and_special_files_have_type_and_number():
    return {name: [stat.S_IFMT(info.st_mode), os.major(info.st_rdev), os.minor(info.st_rdev)]
            for name in sorted(os.listdir(at('e', 'special').decode())) for info in [os.lstat(at('e', 'special', name))]}


@check
def hard_links_are_one_inode():
    links = [os.stat(at('e', name)) for name in ('link-1', 'other/link-2', 'other/deeper/link-3')]
    assert len({(link.st_dev, link.st_ino) for link in links}) == 1
    return [link.st_nlink for link in links]


@check
def fstat_statx_and_lstat_agree():
    for name in ('block', 'megabyte', 'sparse/six-gibibytes'):
        with opened(at('e', name)) as fd, opened(at('e', name), os.O_PATH) as place:
            assert os.fstat(fd) == os.stat(at('e', name)) == os.fstat(place) == os.lstat(at('e', name))
    return 'agree'


@check
def statfs():
    info = os.statvfs(ROOT)
    return [info.f_bsize, info.f_frsize, info.f_blocks, info.f_bfree, info.f_bavail, info.f_files, info.f_ffree, info.f_namemax, info.f_flag & os.ST_RDONLY]


# Names and directories

@check
def readdir_gives_every_name_once():
    names = os.listdir(at('many'))
    assert len(names) == len(set(names)) == 200_000
    return digest(b'\0'.join(sorted(names)))


@check
def readdir_gives_types_and_inodes():
    def kind(entry):
        return [entry.is_file(follow_symlinks=False), entry.is_dir(follow_symlinks=False), entry.is_symlink(), entry.inode()]
    return {relative(folder): {text(entry.name): kind(entry) for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)}
            for folder in [at('e'), at('e', 'special'), at('e', 'symlinks'), at('e', 'modes'), at('e', 'indexed-directory')]}


@check
def seekdir_returns_to_where_telldir_was():
    libc.opendir.restype = libc.readdir64.restype = ctypes.c_void_p
    libc.readdir64.argtypes = libc.telldir.argtypes = libc.closedir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes, libc.telldir.restype = [ctypes.c_void_p, ctypes.c_long], ctypes.c_long

    def name_of(entry):
        return None if entry is None else ctypes.string_at(entry + 19)
    stream = libc.opendir(at('many'))
    if not stream:
        raise OSError(ctypes.get_errno(), 'opendir')
    places, names = [], []
    while True:
        place = libc.telldir(stream)
        name = name_of(libc.readdir64(stream))
        if name is None:
            break
        places.append(place)
        names.append(name)
    assert len(names) == 200_002, len(names)
    for i in (0, 1, 2, 77, 199_999, 100_000, 54_321, 200_001, 3):
        libc.seekdir(stream, places[i])
        assert [name_of(libc.readdir64(stream)) for _ in range(3)] == (names[i:i + 3] + [None] * 3)[:3], i
    libc.rewinddir(stream)
    assert name_of(libc.readdir64(stream)) == names[0]
    libc.closedir(stream)
    return 'returns'


@check
def getdents_with_a_small_buffer_misses_nothing():
    names, buffer = [], ctypes.create_string_buffer(512)
    with opened(at('e', 'indexed-directory'), os.O_RDONLY | os.O_DIRECTORY) as fd:
        while True:
            length, position = system_call(217, fd, buffer, len(buffer)), 0
            if length == 0:
                break
            while position < length:
                record = struct.unpack_from('<H', buffer, position + 16)[0]
                names.append(buffer.raw[position + 19:position + record].split(b'\0')[0])
                position += record
    assert len(names) == len(set(names)) == 902
    return digest(b'\0'.join(sorted(names)))


@check
def lookups_in_a_large_directory():
    names = sorted(os.listdir(at('many')))[::997]
    assert all(os.lstat(at('many', name)).st_ino > 0 for name in names)
    return [outcome(os.lstat, at('many', name + b'x')) for name in names[:50]] + [outcome(os.lstat, at('many', b'')) == 'ENOENT']


@check
def absent_names_are_absent_again_and_again():
    return [outcome(os.lstat, at('e', f'absent-{i % 3}')) for i in range(9)]


@check
def names_of_any_bytes_and_the_longest():
    names = sorted(name for name in os.listdir(at('e')) if len(name) > 200 or not name.isascii() or b'\n' in name)
    assert len(names) == 3
    return [[text(name), digest(open(at('e', name), 'rb').read())] for name in names]


@check
def too_long_names_are_refused():
    return [outcome(lambda: os.lstat(at('e', name)).st_size) for name in ('n' * 255, 'n' * 256, '/'.join(['modes/..'] * 400), '/'.join(['modes/..'] * 600))]


@check
def dots_lead_where_they_should():
    assert os.stat(at('e', 'modes', '..')).st_ino == os.stat(at('e')).st_ino
    assert os.stat(at('e', 'other', 'deeper', '..', '..', '.')).st_ino == os.stat(at('e')).st_ino
    before = os.getcwd()
    try:
        os.chdir(at('e', 'other', 'deeper'))
        return [os.path.relpath(os.getcwdb(), ROOT).decode(), os.path.exists('link-3'), os.path.exists('../link-2')]
    finally:
        os.chdir(before)


@check
def path_walks_end_in_the_right_error():
    return [outcome(os.lstat, at('e', 'block', 'x')), outcome(os.open, at('e', 'block'), os.O_RDONLY | os.O_DIRECTORY), outcome(os.listdir, at('e', 'block')),
            outcome(os.open, at('e', 'modes'), os.O_WRONLY), outcome(lambda: os.read(os.open(at('e', 'modes'), os.O_RDONLY), 1)), outcome(os.readlink, at('e', 'block'))]


# Symbolic links

@check
def readlink_of_every_length():
    return {name: [os.readlink(at('e', 'symlinks', name)).decode(), os.lstat(at('e', 'symlinks', name)).st_size] for name in sorted(os.listdir(at('e', 'symlinks').decode()))}


@check
def symlinks_are_followed_or_not():
    assert open(at('to-block'), 'rb').read() == open(at('e', 'block'), 'rb').read()
    return [outcome(os.stat, at('loop-a')), outcome(os.open, at('loop-a'), os.O_RDONLY), outcome(os.open, at('to-block'), os.O_RDONLY | os.O_NOFOLLOW), outcome(os.stat, at('e', 'symlinks', 'length-1'))]


@check
def openat2_stays_beneath():
    def beneath(name, resolve):
        with opened(at('e'), os.O_PATH) as folder:
            fd = system_call(437, folder, ctypes.c_char_p(name), ctypes.create_string_buffer(struct.pack('<QQQ', 0, 0, resolve), 24), 24)
            data = os.read(fd, 1 << 16)
            os.close(fd)
            return digest(data)
    return [outcome(beneath, b'block', 8), outcome(beneath, b'../to-block', 8), outcome(beneath, b'other/../block', 8), outcome(beneath, b'symlinks/length-1', 4), outcome(beneath, b'block', 1)]


# Attributes of names of one's own

@check
def xattrs_are_listed_and_read():
    return {relative(path): {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in sorted(os.listxattr(path, follow_symlinks=False))}
            for path in walk(ROOT) if not stat.S_ISLNK(os.lstat(path).st_mode) or os.listxattr(path, follow_symlinks=False)}


@check
def xattr_sizes_and_errors():
    path, buffer = at('e', 'xattrs', 'body-and-block'), ctypes.create_string_buffer(8192)

    def size(call, *arguments):
        result = call(*arguments)
        return result if result >= 0 else errno.errorcode[ctypes.get_errno()]
    return [size(libc.getxattr, path, b'user.large', None, 0), size(libc.getxattr, path, b'user.large', buffer, 10), size(libc.getxattr, path, b'user.none', buffer, 10),
            size(libc.listxattr, path, None, 0), size(libc.listxattr, path, buffer, 3), size(libc.getxattr, path, b'nonsense', buffer, 10), size(libc.listxattr, at('e', 'absent'), None, 0)]


@check
def an_ordinary_user_sees_no_trusted_xattrs():
    return as_user(1000, [1000], lambda: [outcome(os.listxattr, at('e', 'xattrs', 'trusted')), outcome(os.getxattr, at('e', 'xattrs', 'acl'), 'system.posix_acl_access') != 'ENODATA'])


# Rights

def files_and_directories():
    return [path for path in walk(ROOT) if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR)]


def rights(paths):
    return {relative(path): ''.join(letter for letter, mode in (('r', os.R_OK), ('w', os.W_OK), ('x', os.X_OK)) if os.access(path, mode)) for path in paths}


def readable():
    found = {}
    for folder in (b'modes', b'ids', b'xattrs'):
        for name in sorted(os.listdir(at('e', folder))):
            path = at('e', folder, name)
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode):
                found[relative(path)] = outcome(lambda: len(os.read(os.open(path, os.O_RDONLY), 10)))
            elif stat.S_ISDIR(info.st_mode):
                found[relative(path)] = outcome(lambda: len(os.listdir(path)))
    return found


for user, groups in ((0, [0]), (1, [1]), (1000, [1000]), (4242, [2]), (4242, [9, 70_000])):
    name = f'uid_{user}_of_{"_and_".join(map(str, groups))}'
    CHECKS[f'access_for_{name}'] = lambda user=user, groups=groups: as_user(user, groups, lambda paths=files_and_directories(): rights(paths))
    CHECKS[f'open_for_{name}'] = lambda user=user, groups=groups: as_user(user, groups, readable)


# Reading

@check
def read_gives_every_byte():
    result = {}
    for path in walk(ROOT):
        info = os.lstat(path)
        if stat.S_ISREG(info.st_mode) and info.st_size < 1 << 25:
            result[relative(path)] = digest(open(path, 'rb').read())
    return result


@check
def pread_at_and_behind_the_end():
    with opened(at('e', 'block-and-a-byte')) as fd:
        parts = [os.pread(fd, length, offset) for length, offset in ((10, 4090), (10, 4096), (10, 4097), (10, 1 << 40), (1, 0), (0, 0), (1 << 20, 0), (4096, 1))]
        assert [len(part) for part in parts] == [7, 1, 0, 0, 1, 0, 4097, 4096]
        return [digest(part) for part in parts] + [outcome(os.pread, fd, 10, -1), os.lseek(fd, -1, os.SEEK_END), os.lseek(fd, 100, os.SEEK_CUR), len(os.read(fd, 10)), outcome(os.lseek, fd, -1, os.SEEK_SET)]


@check
def readv_and_preadv2():
    with opened(at('e', 'megabyte')) as fd:
        buffers = [bytearray(1), bytearray(4095), bytearray(70_000), bytearray(3)]
        assert os.preadv(fd, buffers, 12_345) == sum(map(len, buffers))
        assert b''.join(buffers) == os.pread(fd, 74_099, 12_345)
        return outcome(os.preadv, fd, [bytearray(100)], 0, os.RWF_HIPRI)


@check
def direct_io():
    result = []
    with opened(at('e', 'megabyte'), os.O_RDONLY | os.O_DIRECT) as fd:
        buffer = mmap.mmap(-1, 1 << 21)
        for offset, length in ((0, 4096), (4096, 65_536), (1 << 20, 4096), (0, 1 << 21), (1 << 22, 4096)):
            view = memoryview(buffer)[:length]
            count = os.preadv(fd, [view], offset)
            result.append([count, digest(view[:count])])
            view.release()
    return result


@check
def holes_are_found_and_read_as_zeros():
    result = {}
    for name in sorted(os.listdir(at('e', 'sparse').decode())):
        with opened(at('e', 'sparse', name)) as fd:
            size, position, map_ = os.fstat(fd).st_size, 0, []
            while position < size and len(map_) < 100:
                data = outcome(os.lseek, fd, position, os.SEEK_DATA)
                map_.append(data)
                if data == 'ENXIO':
                    break
                assert os.pread(fd, 1, data) != b''
                if data > position:
                    assert os.pread(fd, min(65_536, data - position), position).strip(b'\0') == b''
                position = os.lseek(fd, data, os.SEEK_HOLE)
                map_.append(position)
            result[name] = map_ + [outcome(os.lseek, fd, size, os.SEEK_DATA), outcome(os.lseek, fd, size - 1, os.SEEK_HOLE), outcome(os.lseek, fd, size + 1, os.SEEK_HOLE)]
    return result


@check
def far_offsets():
    with opened(at('e', 'sparse', 'six-gibibytes')) as six, opened(at('e', 'sparse', 'largest')) as largest:
        return [digest(os.pread(six, 20_000, (3 << 30) + 70)), digest(os.pread(six, 4096, (6 << 30) - 10)), digest(os.pread(largest, 8192, (16_384 << 30) - 8192)), len(os.pread(largest, 1, (16_384 << 30) - 4096))]


@check
def mmap_shared_and_private():
    with open(at('e', 'megabyte'), 'rb') as file:
        data = file.read()
        shared = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        private = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        assert shared[:] == private[:] == data
        private[1000:1005] = b'other'
        assert private[990:1010] == data[990:1000] + b'other' + data[1005:1010] and shared[:] == data
        for advice in (mmap.MADV_WILLNEED, mmap.MADV_SEQUENTIAL, mmap.MADV_RANDOM, mmap.MADV_DONTNEED):
            shared.madvise(advice)
        assert shared[4096 * 7:4096 * 8] == data[4096 * 7:4096 * 8]
        libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        pages = -(-len(data) // 4096) * 4096
        place = libc.mmap(None, pages, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        assert ctypes.string_at(place + len(data), pages - len(data)).strip(b'\0') == b''  # zeros behind the end
        return outcome(mmap.mmap, os.open(at('e', 'megabyte'), os.O_RDONLY), 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


@check
def mmap_of_a_hole():
    with open(at('e', 'sparse', 'hole-first'), 'rb') as file:
        return digest(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))


@check
def threads_read_the_same():
    results = []

    def work(seed):
        with opened(at('e', 'megabyte')) as fd:
            results.append(digest(b''.join(os.pread(fd, 10_007, (seed * 31 + i) * 10_007 % 1_048_000) for i in range(100))))
    for _ in range(2):
        threads = [threading.Thread(target=work, args=(7,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(results)) == 1
    return results[0]


@check
def sendfile_splice_and_copy_file_range():
    with opened(at('e', 'megabyte')) as fd, tempfile.TemporaryFile() as target:
        data = os.pread(fd, 1 << 21, 0)
        a, b = socket.socketpair()
        sent = os.sendfile(a.fileno(), fd, 1000, 50_000)
        assert b.recv(sent, socket.MSG_WAITALL) == data[1000:1000 + sent]
        assert os.sendfile(target.fileno(), fd, 0, len(data)) == len(data)
        target.seek(0)
        assert target.read() == data
        reading, writing = os.pipe()
        assert os.read(reading, os.splice(fd, writing, 4096, offset_src=8192)) == data[8192:12_288]
        target.truncate(0)
        target.seek(0)
        copied = outcome(os.copy_file_range, fd, target.fileno(), 100_000, 5)
        target.seek(0)
        if isinstance(copied, int):
            assert target.read() == data[5:5 + copied]
        return sent > 0


@check
def advice_and_sync_are_harmless():
    with opened(at('e', 'megabyte')) as fd:
        for advice in (os.POSIX_FADV_NORMAL, os.POSIX_FADV_SEQUENTIAL, os.POSIX_FADV_RANDOM, os.POSIX_FADV_WILLNEED, os.POSIX_FADV_NOREUSE, os.POSIX_FADV_DONTNEED):
            os.posix_fadvise(fd, 0, 0, advice)
        return [outcome(os.fsync, fd), outcome(os.fdatasync, fd), outcome(system_call, 306, fd), outcome(system_call, 187, fd, ctypes.c_long(0), 65_536), digest(os.pread(fd, 1 << 21, 0))]


@check
def poll_says_ready():
    with opened(at('e', 'block')) as fd:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return [events for _, events in poll.poll(0)]


@check
def fifos_and_sockets():
    client = socket.socket(socket.AF_UNIX)
    with opened(at('e', 'special'), os.O_PATH) as folder:
        connecting = outcome(client.connect, f'/proc/self/fd/{folder}/socket')
    with opened(at('e', 'special', 'pipe'), os.O_RDONLY | os.O_NONBLOCK) as reader, opened(at('e', 'special', 'pipe'), os.O_WRONLY) as writer:
        os.write(writer, b'through')
        return [connecting, os.read(reader, 100).decode(), outcome(os.open, at('e', 'special', 'socket'), os.O_RDONLY)]


# Locks and watches

@check
def flock_excludes():
    with opened(at('e', 'block')) as one, opened(at('e', 'block')) as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        result = [outcome(fcntl.flock, two, fcntl.LOCK_SH | fcntl.LOCK_NB)]
        fcntl.flock(one, fcntl.LOCK_SH)
        return result + [outcome(fcntl.flock, two, fcntl.LOCK_SH | fcntl.LOCK_NB), outcome(fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)]


@check
def record_locks():
    def other():
        with opened(at('e', 'block')) as fd:
            return outcome(fcntl.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with opened(at('e', 'block')) as fd:
        return [outcome(fcntl.lockf, fd, fcntl.LOCK_SH), as_user(0, [0], other), outcome(fcntl.lockf, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)]


@check
def inotify_tells_of_reads():
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, at('e', 'modes'), 0xFFF) > 0
    open(at('e', 'modes', 'all'), 'rb').read()
    os.listdir(at('e', 'modes'))
    events, data, position = set(), os.read(watch, 1 << 16), 0
    while position < len(data):
        _, mask, _, length = struct.unpack_from('iIII', data, position)
        events.add((mask, data[position + 16:position + 16 + length].rstrip(b'\0').decode()))
        position += 16 + length
    os.close(watch)
    return sorted(events)


# Programs

@check
def execve():
    return [subprocess.run([at('bin', 'true')]).returncode, subprocess.check_output([at('bin', 'hello'), 'world']).decode(), outcome(lambda: subprocess.run([at('e', 'block')], check=True)),
            outcome(lambda: subprocess.run([at('e', 'modes')], check=True)), as_user(1000, [1000], lambda: subprocess.check_output([at('bin', 'hello'), 'user']).decode())]


@check
def a_python_module_is_imported():
    return subprocess.check_output([sys.executable, '-B', '-c', 'import module; print(module.answer())'], env={**os.environ, 'PYTHONPATH': at('bin').decode()}).decode()


# Nothing can be written

@check
def every_change_is_refused():
    block, modes, here = at('e', 'block'), at('e', 'modes'), at('e', 'new')
    calls = {
        'open for writing': (os.open, block, os.O_WRONLY), 'open for both': (os.open, block, os.O_RDWR), 'open for appending': (os.open, block, os.O_WRONLY | os.O_APPEND),
        'open and truncate': (os.open, block, os.O_WRONLY | os.O_TRUNC), 'create': (os.open, here, os.O_WRONLY | os.O_CREAT), 'create what is there': (os.open, block, os.O_RDONLY | os.O_CREAT | os.O_EXCL),
        'truncate': (os.truncate, block, 1), 'mkdir': (os.mkdir, here), 'mkdir over': (os.mkdir, modes), 'rmdir': (os.rmdir, at('e', 'modes', 'sticky')),
        'unlink': (os.unlink, block), 'unlink what is absent': (os.unlink, here), 'link': (os.link, block, here), 'symlink': (os.symlink, 'x', here), 'rename': (os.rename, block, here),
        'rename over': (os.rename, block, at('e', 'megabyte')), 'mkfifo': (os.mkfifo, here), 'mknod': (os.mknod, here, stat.S_IFCHR | 0o600, os.makedev(1, 3)), 'chmod': (os.chmod, block, 0o777),
        'chown': (os.chown, block, 1, 1), 'lchown': (os.lchown, at('to-block'), 1, 1), 'utime': (os.utime, block), 'setxattr': (os.setxattr, block, 'user.new', b'x'),
        'removexattr': (os.removexattr, at('e', 'xattrs', 'small'), 'user.a'), 'temporary file': (os.open, modes, os.O_TMPFILE | os.O_WRONLY),
    }
    result = {name: outcome(*call) for name, call in calls.items()}
    with opened(block) as fd:
        result['write'] = outcome(os.write, fd, b'x')
        result['ftruncate'] = outcome(os.ftruncate, fd, 1)
        result['fchmod'] = outcome(os.fchmod, fd, 0o777)
        result['fallocate'] = outcome(os.posix_fallocate, fd, 0, 10)
    assert all(isinstance(value, str) and value.startswith('E') for value in result.values()), result
    return result


if __name__ == '__main__':
    if '--list' in sys.argv:
        print(json.dumps(list(CHECKS)))
        sys.exit()
    ROOT = os.path.realpath(os.fsencode(sys.argv[1]))
    results = {}
    for name, function in CHECKS.items():
        try:
            results[name] = function()
        except Exception as error:  # what went wrong is the result
            results[name] = f'{type(error).__name__}: {error}'
    print(json.dumps(results))
