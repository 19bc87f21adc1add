/* A disk that fails when it is told to: for LD_PRELOAD.

   The file that FAULTY_DISK names says what fails, and how often the operation succeeds before and until when:

       write short 3 5         the 3rd to 5th write, since the file was changed, writes half of what it should
       write enospc 1 2        there is no space
       write eio 4 4           the device is broken
       read eio 1 1            the same
       write erofs 1 9         the file system has become read-only
       open erofs 1 9          the same, for those who want to write
       sync eio 1 1            what was written may be lost
       sync wait 1 1           it takes until the file is changed; meanwhile there is another file, called ".waiting"
       write kill 9 9          the process is killed before it

   What comes after the four words only makes one order differ from the next. Only files that are called "amqpy.db" and
   the like, or "amqpy.lock", and segments of streams are concerned. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, SHORT, WAIT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[64];
static long calls;

static int concerned(const char *path) {
    return strstr(path, "/amqpy.db") || strstr(path, "/amqpy.lock") || strstr(path, ".segment");
}

static int concerned_file(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return concerned(path);
}

/* What the file says; empty if it is not there. */
static void look(char text[64]) {
    memset(text, 0, 64);
    int file = syscall(SYS_openat, AT_FDCWD, getenv("FAULTY_DISK"), O_RDONLY);
    if (file < 0) return;
    if (syscall(SYS_read, file, text, 63) < 0) text[0] = 0;
    syscall(SYS_close, file);
}

static void wait_for_change(const char *text) {
    char name[4096], now[64];
    snprintf(name, sizeof name, "%s.waiting", getenv("FAULTY_DISK"));
    syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, name, O_CREAT | O_WRONLY, 0600));
    do {
        usleep(1000);
        look(now);
    } while (!strcmp(now, text));
    unlink(name);
}

/* What is to become of an operation: -1 with errno set, SHORT or NOTHING. */
static int verdict(const char *operation) {
    char text[64], which[16], kind[16];
    long first, last;
    look(text);
    if (!text[0]) return NOTHING;
    if (sscanf(text, "%15s %15s %ld %ld", which, kind, &first, &last) != 4 || strcmp(which, operation)) return NOTHING;
    pthread_mutex_lock(&lock);
    if (strcmp(known, text)) {
        strcpy(known, text);
        calls = 0;
    }
    calls++;
    int fails = calls >= first && calls <= last;
    pthread_mutex_unlock(&lock);
    if (!fails) return NOTHING;
    if (!strcmp(kind, "short")) return SHORT;
    if (!strcmp(kind, "kill")) raise(SIGKILL);
    if (!strcmp(kind, "wait")) {
        wait_for_change(text);
        return NOTHING;
    }
    errno = !strcmp(kind, "enospc") ? ENOSPC : !strcmp(kind, "erofs") ? EROFS : EIO;
    return -1;
}

static int verdict_on(int fd, const char *operation) {
    return getenv("FAULTY_DISK") && concerned_file(fd) ? verdict(operation) : NOTHING;
}

static size_t half(size_t count) { return count > 1 ? count / 2 : count; }

ssize_t write(int fd, const void *buffer, size_t count) {
    int fate = verdict_on(fd, "write");
    return fate < 0 ? -1 : syscall(SYS_write, fd, buffer, fate == SHORT ? half(count) : count);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    int fate = verdict_on(fd, "write");
    return fate < 0 ? -1 : syscall(SYS_pwrite64, fd, buffer, fate == SHORT ? half(count) : count, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
    return pwrite(fd, buffer, count, offset);
}

ssize_t read(int fd, void *buffer, size_t count) {
    int fate = verdict_on(fd, "read");
    return fate < 0 ? -1 : syscall(SYS_read, fd, buffer, fate == SHORT ? half(count) : count);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    int fate = verdict_on(fd, "read");
    return fate < 0 ? -1 : syscall(SYS_pread64, fd, buffer, fate == SHORT ? half(count) : count, offset);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset) { return pread(fd, buffer, count, offset); }

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    int fate = verdict_on(fd, "write");
    if (fate < 0) return -1;
    if (fate == SHORT) return syscall(SYS_pwrite64, fd, parts[0].iov_base, half(parts[0].iov_len), offset);
    return syscall(SYS_pwritev2, fd, parts, (long)count, (long)offset, 0L, (long)flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    return pwritev2(fd, parts, count, offset, flags);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    if (verdict_on(fd, "read") < 0) return -1;
    return syscall(SYS_preadv2, fd, parts, (long)count, (long)offset, 0L, (long)flags);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    return preadv2(fd, parts, count, offset, flags);
}

int fsync(int fd) { return verdict_on(fd, "sync") < 0 ? -1 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return verdict_on(fd, "sync") < 0 ? -1 : (int)syscall(SYS_fdatasync, fd); }

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (writes && getenv("FAULTY_DISK") && concerned(path) && verdict("open") < 0) return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    return open(path, flags, mode);
}
