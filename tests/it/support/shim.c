/* Makes calls of libc fail as a file system would that cannot lock, or is full; or lets the wall clock be an hour ahead, as after a sleep. By
   SHIM: "nolocks", "full", "slept". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int is(const char *what) {
    const char *shim = getenv("SHIM");
    /* A file that can be made and removed while the program runs. */
    const char *only = getenv("SHIM_WHILE");
    return shim && strcmp(shim, what) == 0 && (!only || access(only, F_OK) == 0);
}

static int is_file(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

int flock(int fd, int operation) {
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    if (is("nolocks")) {
        errno = ENOLCK;
        return -1;
    }
    return real(fd, operation);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && is("slept")) {
        now->tv_sec += 3600;
    }
    return result;
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (is("full") && is_file(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, data, size);
}
