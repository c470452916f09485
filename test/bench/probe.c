// Times single system calls, for test/bench: cc -O2 probe.c -o probe; probe MODE SEED FILE...
// Prints nanoseconds "p50 p99 mean count". Modes:
//   apart   pread of 4 KiB, one in each 128 KiB window of the files, in random order: nobody's block is read twice
//   within  pread of 4 KiB in the first 4 MiB of the first file, after one page of each 64 KiB was read; without reading ahead, so that each is one request
//   hot     pread of 4 KiB at random from the first 32 MiB of the files, which were read before
//   map     the same through mmap, touching one byte of each page
//   stream  read of 1 MiB after another over the first 128 MiB of the files, which were read before
//   open    open, read of up to 64 KiB, close of each file, which were all read before
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static uint64_t below(uint64_t limit) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % limit;
}
static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t *times;
static size_t count, room;
static void note(int64_t start) {
  int64_t spent = now() - start;
  if (count == room) times = realloc(times, (room = room * 2 + 1024) * sizeof *times);
  times[count++] = spent;
}
static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

struct place { int fd; off_t offset; };
static struct place *places;
static size_t placed;
static void add(int fd, off_t offset) {
  places = realloc(places, (placed + 1) * sizeof *places);
  places[placed++] = (struct place){ fd, offset };
}
static void shuffle(void) {
  for (size_t i = placed; i > 1; i--) {
    size_t j = below(i);
    struct place other = places[j];
    places[j] = places[i - 1];
    places[i - 1] = other;
  }
}

static char buffer[1 << 20] __attribute__((aligned(4096)));
static void require(int holds, const char *what) {
  if (!holds) { perror(what); exit(1); }
}
static void fetch(int fd, size_t length, off_t offset) { require(pread(fd, buffer, length, offset) > 0, "pread"); }

int main(int argc, char **argv) {
  require(argc >= 4, "usage: probe MODE SEED FILE...");
  const char *mode = argv[1];
  state = strtoull(argv[2], NULL, 10);
  int opens = !strcmp(mode, "open");
  off_t budget = !strcmp(mode, "stream") ? 128 << 20 : 32 << 20;
  for (int i = 3; i < argc; i++) {
    struct stat info;
    int fd = open(argv[i], O_RDONLY);
    require(fd >= 0 && fstat(fd, &info) == 0, argv[i]);
    if (opens) { while (read(fd, buffer, sizeof buffer) > 0); close(fd); continue; }
    if (!strcmp(mode, "apart")) {
      for (off_t window = 0; window + (128 << 10) <= info.st_size; window += 128 << 10) add(fd, window + 4096 * below(32));
    } else if (!strcmp(mode, "within")) {
      require(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0, "fadvise");
      for (off_t chunk = 0; chunk < 4 << 20; chunk += 64 << 10) {
        fetch(fd, 4096, chunk);
        for (int page = 1; page < 16; page++) add(fd, chunk + 4096 * page);
      }
      break;
    } else {
      for (off_t at = 0; at + (1 << 20) <= info.st_size && budget > 0; at += 1 << 20, budget -= 1 << 20) {
        fetch(fd, 1 << 20, at);
        add(fd, at);
      }
    }
  }
  if (opens) {
    for (int round = 0; round < 3; round++) for (int i = 3; i < argc; i++) {
      int64_t start = now();
      int fd = open(argv[i], O_RDONLY);
      require(fd >= 0 && read(fd, buffer, 1 << 16) >= 0, argv[i]);
      close(fd);
      note(start);
    }
  } else if (!strcmp(mode, "stream")) {
    for (int round = 0; round < 3; round++) for (size_t i = 0; i < placed; i++) {
      int64_t start = now();
      fetch(places[i].fd, 1 << 20, places[i].offset);
      note(start);
    }
  } else if (!strcmp(mode, "hot")) {
    for (int i = 0; i < 200000; i++) {
      struct place place = places[below(placed)];
      off_t offset = place.offset + 4096 * below(256);
      int64_t start = now();
      fetch(place.fd, 4096, offset);
      note(start);
    }
  } else if (!strcmp(mode, "map")) {
    for (size_t i = 0; i < placed; i++) {
      volatile char *bytes = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, places[i].fd, places[i].offset);
      require(bytes != MAP_FAILED, "mmap");
      int64_t start = now();
      for (int page = 0; page < 256; page++) (void)bytes[4096 * page];
      note(start);
      munmap((void *)bytes, 1 << 20);
    }
  } else {
    shuffle();
    for (size_t i = 0; i < placed; i++) {
      int64_t start = now();
      fetch(places[i].fd, 4096, places[i].offset);
      note(start);
    }
  }
  require(count > 0, "nothing to measure");
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += times[i];
  qsort(times, count, sizeof *times, ascending);
  printf("%lld %lld %lld %zu\n", (long long)times[count / 2], (long long)times[count * 99 / 100], (long long)(sum / (int64_t)count), count);
  return 0;
}
