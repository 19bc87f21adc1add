/* A disk that fails when it is told to: for LD_PRELOAD.

   The file that AMQPY_TEST_FAULTS names says what fails, and how often the operation succeeds before and until when:

       write short 3 5         the 3rd to 5th write, since the file was changed, writes half of what it should
       write enospc 1 2        there is no space
       write eio 4 4           the device is broken
       sync eio 1 1            what was written may be lost
       write kill 9 9          the process is killed before it

   Only files with "amqpy.db" in their names are concerned. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTHING, SHORT };

static char known[64];
static long calls;

static int concerned(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return strstr(path, "amqpy.db") != NULL;
}

/* What is to become of an operation: -1 with errno set, SHORT or NOTHING. */
static int verdict(int fd, const char *operation) {
    const char *name = getenv("AMQPY_TEST_FAULTS");
    char text[64] = "", which[16], kind[16];
    long first, last;
    if (!name || !concerned(fd)) return NOTHING;
    int file = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
    if (file < 0) return NOTHING;
    ssize_t size = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (size <= 0) return NOTHING;
    if (strcmp(known, text)) {
        strcpy(known, text);
        calls = 0;
    }
    if (sscanf(text, "%15s %15s %ld %ld", which, kind, &first, &last) != 4 || strcmp(which, operation)) return NOTHING;
    calls++;
    if (calls < first || calls > last) return NOTHING;
    if (!strcmp(kind, "short")) return SHORT;
    if (!strcmp(kind, "kill")) raise(SIGKILL);
    errno = strcmp(kind, "enospc") ? EIO : ENOSPC;
    return -1;
}

static size_t half(size_t count) { return count > 1 ? count / 2 : count; }

ssize_t write(int fd, const void *buffer, size_t count) {
    int fate = verdict(fd, "write");
    return fate < 0 ? -1 : syscall(SYS_write, fd, buffer, fate == SHORT ? half(count) : count);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    int fate = verdict(fd, "write");
    return fate < 0 ? -1 : syscall(SYS_pwrite64, fd, buffer, fate == SHORT ? half(count) : count, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
    return pwrite(fd, buffer, count, offset);
}

int fsync(int fd) { return verdict(fd, "sync") < 0 ? -1 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return verdict(fd, "sync") < 0 ? -1 : (int)syscall(SYS_fdatasync, fd); }
