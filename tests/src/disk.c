/* A disk that loses its power, fills up, or fails to sync.
 *
 * Preloaded (LD_PRELOAD) into a process, it watches the files under one folder
 * and keeps for each what a real disk would be sure to hold: its content as of
 * the last sync. Everything written since is kept in a list. At the power cut
 * it writes back, for each file, the sure content and of each later write
 * either all, nothing, or some of its 512-byte sectors, by chance; then the
 * process ends with exit code 99. Syncs that are waiting never return.
 *
 *   DISK_FOLDER     the folder, as an absolute path
 *   DISK_CUT_AT     the cut comes at this write or sync, counted from 1 (optional)
 *   DISK_SEED       for what chance decides
 *   DISK_FAIL_SYNC  this sync, counted from 1, fails with EIO and forgets what
 *                   it should have written; the next sync through each other
 *                   descriptor of the file fails too, as on Linux since 4.13
 *                   (optional)
 *   DISK_LIES       syncs do nothing and succeed: shows that a test sees a loss
 *                   (optional)
 *   DISK_FAULTS     a folder in which files switch faults on (optional):
 *                   full       while it is there no file can grow: ENOSPC
 *                   fail-sync  the next sync fails as above; removed by it
 *                   cut        the cut comes at the next write or sync
 *
 * It works on any dynamically linked program, but not on its children. What it
 * doesn't do: creating, removing and renaming a file count as durable at once,
 * and of a renamed file everything; files that are written through a memory map
 * or without the C library aren't watched. SQLite maps only its "-shm" file,
 * which it rebuilds: that one is removed at the cut, and it may grow on a full
 * disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SECTOR 512
#define MAX_FD 4096

struct change { /* a write, or with data == NULL a new length */
  struct change *next;
  off_t at;
  size_t length;
  unsigned char *data;
};

struct file {
  struct file *next;
  char path[PATH_MAX];
  unsigned char *sure;
  size_t length;
  struct change *first, *last;
  long failures; /* syncs of it that have failed */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct file *by_fd[MAX_FD];
static long seen_by_fd[MAX_FD]; /* failures reported through the descriptor */
static const char *folder, *faults;
static long cut_at, fail_sync_at, steps, syncs;
static int lies;
static uint64_t chance = 88172645463325252ull;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_unlink)(const char *);
static int (*real_fallocate)(int, int, off_t, off_t);
static int (*real_posix_fallocate)(int, off_t, off_t);

__attribute__((constructor)) static void start(void) {
  real_open = dlsym(RTLD_NEXT, "open");
  real_close = dlsym(RTLD_NEXT, "close");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_fallocate = dlsym(RTLD_NEXT, "fallocate");
  real_posix_fallocate = dlsym(RTLD_NEXT, "posix_fallocate");
  /* Children would count their own steps. */
  unsetenv("LD_PRELOAD");
  folder = getenv("DISK_FOLDER");
  faults = getenv("DISK_FAULTS");
  lies = getenv("DISK_LIES") != NULL;
  const char *text = getenv("DISK_CUT_AT");
  cut_at = text ? atol(text) : 0;
  text = getenv("DISK_FAIL_SYNC");
  fail_sync_at = text ? atol(text) : 0;
  text = getenv("DISK_SEED");
  if (text) chance ^= (uint64_t)strtoull(text, NULL, 10) * 0x9e3779b97f4a7c15ull;
  if (!chance) chance = 1;
}

static uint64_t roll(void) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return chance >> 11;
}

static int is_shm(const char *path) {
  size_t n = strlen(path);
  return n >= 4 && strcmp(path + n - 4, "-shm") == 0;
}

static int watched(const char *path) {
  size_t n;
  if (!folder || !path) return 0;
  n = strlen(folder);
  return strncmp(path, folder, n) == 0 && path[n] == '/';
}

static void make_longer(struct file *f, size_t length) {
  if (length <= f->length) return;
  f->sure = realloc(f->sure, length);
  if (!f->sure) abort();
  memset(f->sure + f->length, 0, length - f->length);
  f->length = length;
}

static void apply(struct file *f, off_t at, const unsigned char *data, size_t length) {
  if (!data) {
    make_longer(f, (size_t)at);
    f->length = (size_t)at;
    return;
  }
  make_longer(f, (size_t)at + length);
  memcpy(f->sure + at, data, length);
}

static void forget(struct file *f) {
  while (f->first) {
    struct change *c = f->first;
    f->first = c->next;
    free(c->data);
    free(c);
  }
  f->last = NULL;
}

static void note(struct file *f, off_t at, const void *data, size_t length) {
  struct change *c = calloc(1, sizeof *c);
  if (!c) abort();
  c->at = at;
  c->length = length;
  if (data) {
    c->data = malloc(length ? length : 1);
    if (!c->data) abort();
    memcpy(c->data, data, length);
  }
  if (f->last) f->last->next = c; else f->first = c;
  f->last = c;
}

static void cut(void) {
  for (struct file *f = files; f; f = f->next) {
    for (struct change *c = f->first; c; c = c->next) {
      uint64_t fate = roll() % 3;
      if (fate == 0) continue;
      if (fate == 1 || !c->data) {
        apply(f, c->at, c->data, c->length);
        continue;
      }
      for (size_t i = 0; i < c->length; i += SECTOR) {
        size_t part = c->length - i < SECTOR ? c->length - i : SECTOR;
        if (roll() % 2) apply(f, c->at + (off_t)i, c->data + i, part);
      }
    }
    int fd = real_open(f->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue; /* it was removed */
    size_t done = 0;
    while (done < f->length) {
      ssize_t n = real_pwrite(fd, f->sure + done, f->length - done, (off_t)done);
      if (n <= 0) abort();
      done += (size_t)n;
    }
    if (real_ftruncate(fd, (off_t)f->length)) abort();
    char shm[PATH_MAX + 8];
    strcpy(shm, f->path);
    strcat(shm, "-shm");
    real_unlink(shm);
  }
  _exit(99);
}

static int fault(const char *name, int once) {
  char path[PATH_MAX];
  if (!faults || snprintf(path, sizeof path, "%s/%s", faults, name) >= PATH_MAX) return 0;
  return once ? real_unlink(path) == 0 : access(path, F_OK) == 0;
}

/* Counts a write or a sync. Called with the lock held; a cut keeps it. */
static void step(void) {
  if (++steps == cut_at || fault("cut", 0)) cut();
}

/* How many bytes of a write there is room for. Called with the lock held. */
static size_t room(int fd, off_t at, size_t length) {
  struct stat st;
  if (!fault("full", 0) || fstat(fd, &st) || at + (off_t)length <= st.st_size) return length;
  return at < st.st_size ? (size_t)(st.st_size - at) : 0;
}

static struct file *find(const char *path) {
  for (struct file *f = files; f; f = f->next)
    if (strcmp(f->path, path) == 0) return f;
  return NULL;
}

static void opened(int fd, const char *path) {
  if (fd < 0 || fd >= MAX_FD || !watched(path) || is_shm(path)) return;
  struct stat st;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) return;
  pthread_mutex_lock(&lock);
  struct file *f = find(path);
  if (!f) {
    f = calloc(1, sizeof *f);
    if (!f || strlen(path) >= PATH_MAX) abort();
    strcpy(f->path, path);
    /* What is there at first is taken to be on the disk. */
    make_longer(f, (size_t)st.st_size);
    int in = real_open(path, O_RDONLY | O_CLOEXEC);
    if (in >= 0) {
      size_t done = 0;
      while (done < f->length) {
        ssize_t n = pread(in, f->sure + done, f->length - done, (off_t)done);
        if (n <= 0) break;
        done += (size_t)n;
      }
      real_close(in);
    }
    f->next = files;
    files = f;
  }
  by_fd[fd] = f;
  seen_by_fd[fd] = f->failures;
  pthread_mutex_unlock(&lock);
}

static struct file *of(int fd) {
  return fd >= 0 && fd < MAX_FD ? by_fd[fd] : NULL;
}

#define MODE(flags, mode)                         \
  mode_t mode = 0;                                \
  if ((flags) & (O_CREAT | O_TMPFILE)) {          \
    va_list rest;                                 \
    va_start(rest, flags);                        \
    mode = (mode_t)va_arg(rest, int);             \
    va_end(rest);                                 \
  }

int open(const char *path, int flags, ...) {
  MODE(flags, mode)
  int fd = real_open(path, flags, mode);
  opened(fd, path);
  return fd;
}
int open64(const char *path, int flags, ...) {
  MODE(flags, mode)
  int fd = real_open(path, flags | O_LARGEFILE, mode);
  opened(fd, path);
  return fd;
}
static int open_at(int dir, const char *path, int flags, mode_t mode) {
  static int (*real_openat)(int, const char *, int, ...);
  if (!real_openat) real_openat = dlsym(RTLD_NEXT, "openat");
  int fd = real_openat(dir, path, flags, mode);
  if (path[0] == '/') opened(fd, path);
  return fd;
}
int openat(int dir, const char *path, int flags, ...) {
  MODE(flags, mode)
  return open_at(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) {
  MODE(flags, mode)
  return open_at(dir, path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
  if (of(fd)) {
    pthread_mutex_lock(&lock);
    by_fd[fd] = NULL;
    pthread_mutex_unlock(&lock);
  }
  return real_close(fd);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  struct file *f = of(fd);
  if (!f) return real_pwrite(fd, data, length, at);
  pthread_mutex_lock(&lock);
  step();
  size_t fits = room(fd, at, length);
  ssize_t n = fits || !length ? real_pwrite(fd, data, fits, at) : -1;
  if (!fits && length) errno = ENOSPC;
  if (n > 0) note(f, at, data, (size_t)n);
  pthread_mutex_unlock(&lock);
  return n;
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
  return pwrite(fd, data, length, at);
}

ssize_t write(int fd, const void *data, size_t length) {
  struct file *f = of(fd);
  if (!f) return real_write(fd, data, length);
  pthread_mutex_lock(&lock);
  step();
  size_t fits = room(fd, lseek(fd, 0, SEEK_CUR), length);
  ssize_t n = fits || !length ? real_write(fd, data, fits) : -1;
  int full = !fits && length;
  off_t end = lseek(fd, 0, SEEK_CUR);
  if (n > 0 && end >= n) note(f, end - n, data, (size_t)n);
  pthread_mutex_unlock(&lock);
  if (full) errno = ENOSPC;
  return n;
}

int ftruncate(int fd, off_t length) {
  struct file *f = of(fd);
  if (!f) return real_ftruncate(fd, length);
  pthread_mutex_lock(&lock);
  step();
  int full = room(fd, 0, (size_t)length) != (size_t)length;
  int rc = full ? -1 : real_ftruncate(fd, length);
  if (rc == 0) note(f, length, NULL, 0);
  pthread_mutex_unlock(&lock);
  if (full) errno = ENOSPC;
  return rc;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

/* The rest of a file that was made longer in advance: zeroes, or a full disk. */
static int longer(int fd, struct file *f, off_t length) {
  struct stat st;
  int error = 0;
  pthread_mutex_lock(&lock);
  step();
  if (fstat(fd, &st)) error = errno;
  else if (room(fd, 0, (size_t)length) != (size_t)length) error = ENOSPC;
  else if (length > st.st_size) {
    if (real_ftruncate(fd, length)) error = errno;
    else note(f, length, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  return error;
}
int posix_fallocate(int fd, off_t at, off_t length) {
  struct file *f = of(fd);
  return f ? longer(fd, f, at + length) : real_posix_fallocate(fd, at, length);
}
int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }
int fallocate(int fd, int mode, off_t at, off_t length) {
  struct file *f = of(fd);
  if (!f || mode) return real_fallocate(fd, mode, at, length);
  errno = longer(fd, f, at + length);
  return errno ? -1 : 0;
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }

int fsync(int fd) {
  struct file *f = of(fd);
  if (!f) return real_fsync(fd);
  pthread_mutex_lock(&lock);
  step();
  if (lies) {
    pthread_mutex_unlock(&lock);
    return 0;
  }
  int forgets = ++syncs == fail_sync_at || fault("fail-sync", 1);
  if (forgets) f->failures++;
  else
    for (struct change *c = f->first; c; c = c->next)
      apply(f, c->at, c->data, c->length);
  forget(f);
  int fails = seen_by_fd[fd] != f->failures;
  seen_by_fd[fd] = f->failures;
  pthread_mutex_unlock(&lock);
  if (fails) errno = EIO;
  return fails ? -1 : 0;
}
int fdatasync(int fd) { return fsync(fd); }

int unlink(const char *path) {
  int rc = real_unlink(path);
  if (rc == 0 && watched(path)) {
    pthread_mutex_lock(&lock);
    struct file *f = find(path);
    if (f) {
      forget(f);
      f->length = 0;
    }
    pthread_mutex_unlock(&lock);
  }
  return rc;
}
