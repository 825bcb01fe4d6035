/* Writes down what a program opens: a library that the dynamic linker loads before the C library (LD_PRELOAD).

   Each line is an action as in accesses.py: kind, state of the file before, nothing, path, former name. Only paths
   below LAMIN_WATCH_ROOTS are written, into LAMIN_WATCH_LOG. Results and errno of the program stay what they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LENGTH (2 * PATH_MAX)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t seen[4096]; /* actions that were written lately; a collision only writes a line once more */

static int absolute(int folder, const char *path, char *result) {
    char link[64];
    ssize_t length = 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (getcwd(result, PATH_MAX) == NULL) return 0;
            length = (ssize_t)strlen(result);
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            length = readlink(link, result, PATH_MAX - 1);
            if (length < 0) return 0;
        }
        result[length++] = '/';
    }
    if (length + strlen(path) >= LENGTH) return 0;
    strcpy(result + length, path);
    return 1;
}

static int below_roots(const char *path) {
    const char *roots = getenv("LAMIN_WATCH_ROOTS");
    while (roots != NULL && *roots) {
        size_t length = strcspn(roots, ":");
        if (length && !strncmp(path, roots, length) && (path[length] == '/' || roots[length - 1] == '/')) return 1;
        roots += length + (roots[length] == ':');
    }
    return 0;
}

static int is_new(const char *kind, const char *path) {
    uint64_t hash = 14695981039346656037u;
    for (; *kind; kind++) hash = (hash ^ (unsigned char)*kind) * 1099511628211u;
    for (; *path; path++) hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    if (seen[hash % 4096] == hash) return 0;
    seen[hash % 4096] = hash;
    return 1;
}

static char *escaped(char *to, const char *path) {
    for (; *path; path++) {
        if (*path == '\\' || *path == '\t' || *path == '\n') {
            *to++ = '\\';
            *to++ = *path == '\t' ? 't' : *path == '\n' ? 'n' : '\\';
        } else {
            *to++ = *path;
        }
    }
    return to;
}

static void write_down(const char *kind, const char *path, const char *source) {
    char line[4 * LENGTH + 256], *end;
    struct stat state;
    const char *log = getenv("LAMIN_WATCH_LOG");
    int descriptor;
    if (log == NULL || !below_roots(path) || (!*source && !is_new(kind, path))) return;
    end = line + sprintf(line, "%s\t", kind);
    if (stat(path, &state) == 0) {
        if (!S_ISREG(state.st_mode)) return;
        end += sprintf(end, "%lld %lld %lld %llu %llu",
                       state.st_mtim.tv_sec * 1000000000LL + state.st_mtim.tv_nsec,
                       state.st_ctim.tv_sec * 1000000000LL + state.st_ctim.tv_nsec, (long long)state.st_size,
                       (unsigned long long)state.st_ino, (unsigned long long)state.st_dev);
    }
    *end++ = '\t';
    *end++ = '\t';
    end = escaped(end, path);
    *end++ = '\t';
    end = escaped(end, source);
    *end++ = '\n';
    descriptor = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return;
    if (write(descriptor, line, (size_t)(end - line)) < 0) { /* a full disk: the program goes on */ }
    syscall(SYS_close, descriptor);
}

static void opened(int folder, const char *path, int flags) {
    char whole[LENGTH];
    int before = errno, access = flags & O_ACCMODE;
    const char *kind = access == O_RDONLY ? "read" : "write";
    if (path == NULL || (flags & (O_DIRECTORY | O_PATH))) return;
    if (access != O_RDONLY && !(flags & O_TRUNC) && (access == O_RDWR || (flags & O_APPEND))) kind = "update";
    if (absolute(folder, path, whole)) write_down(kind, whole, "");
    errno = before;
}

static void opened_as(const char *path, const char *mode) {
    int flags = *mode == 'r' ? O_RDONLY : *mode == 'a' ? O_WRONLY | O_APPEND : O_WRONLY | O_TRUNC;
    if (strchr(mode, '+')) flags = (flags & ~O_ACCMODE) | O_RDWR;
    opened(AT_FDCWD, path, flags);
}

static void renamed(int from, const char *source, int to, const char *target) {
    char first[LENGTH], second[LENGTH];
    int before = errno;
    if (absolute(from, source, first) && absolute(to, target, second)) write_down("rename", second, first);
    errno = before;
}

#define MODE(flags, mode)                        \
    mode_t mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {       \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode = (mode_t)va_arg(rest, int);        \
        va_end(rest);                            \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    opened(AT_FDCWD, path, flags);
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    opened(AT_FDCWD, path, flags);
    return REAL(open64)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    opened(folder, path, flags);
    return REAL(openat)(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    opened(folder, path, flags);
    return REAL(openat64)(folder, path, flags, mode);
}

int creat(const char *path, mode_t mode) {
    opened(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC);
    return REAL(creat)(path, mode);
}

int creat64(const char *path, mode_t mode) {
    opened(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC);
    return REAL(creat64)(path, mode);
}

#ifdef __GLIBC__
/* What a program calls that was compiled with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

int __open_2(const char *path, int flags) {
    opened(AT_FDCWD, path, flags);
    return REAL(__open_2)(path, flags);
}

int __open64_2(const char *path, int flags) {
    opened(AT_FDCWD, path, flags);
    return REAL(__open64_2)(path, flags);
}

int __openat_2(int folder, const char *path, int flags) {
    opened(folder, path, flags);
    return REAL(__openat_2)(folder, path, flags);
}

int __openat64_2(int folder, const char *path, int flags) {
    opened(folder, path, flags);
    return REAL(__openat64_2)(folder, path, flags);
}
#endif

FILE *fopen(const char *path, const char *mode) {
    opened_as(path, mode);
    return REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    opened_as(path, mode);
    return REAL(fopen64)(path, mode);
}

FILE *freopen(const char *path, const char *mode, FILE *stream) {
    if (path != NULL) opened_as(path, mode);
    return REAL(freopen)(path, mode, stream);
}

FILE *freopen64(const char *path, const char *mode, FILE *stream) {
    if (path != NULL) opened_as(path, mode);
    return REAL(freopen64)(path, mode, stream);
}

int rename(const char *source, const char *target) {
    renamed(AT_FDCWD, source, AT_FDCWD, target);
    return REAL(rename)(source, target);
}

int renameat(int from, const char *source, int to, const char *target) {
    renamed(from, source, to, target);
    return REAL(renameat)(from, source, to, target);
}

int renameat2(int from, const char *source, int to, const char *target, unsigned int flags) {
    renamed(from, source, to, target);
    return REAL(renameat2)(from, source, to, target, flags);
}
