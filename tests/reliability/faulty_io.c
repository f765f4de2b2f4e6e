/* A disk that fails at a chosen call: preloaded, it counts the calls that change files below one folder.
 *
 * fault_arm(root, at, error, sticky, half): the call number `at` (from 0; -1: none, only count) below `root` fails with
 * `error`; with `sticky` every later one does too; with `half` a write takes half of its bytes before it fails.
 * fault_count() returns how many calls there were since; fault_last() names the one that failed first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], last[PATH_MAX + 64];
static long at = -1, count = 0;
static int error_number = 0, is_sticky = 0, takes_half = 0, is_armed = 0;

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

void fault_arm(const char *folder, long number, int error, int sticky, int half) {
    pthread_mutex_lock(&lock);
    snprintf(root, sizeof root, "%s", folder);
    at = number; error_number = error; is_sticky = sticky; takes_half = half;
    count = 0; last[0] = 0; is_armed = 1;
    pthread_mutex_unlock(&lock);
}

void fault_disarm(void) { is_armed = 0; }
long fault_count(void) { return count; }
const char *fault_last(void) { return last; }

static int is_below(const char *path) { return path && !strncmp(path, root, strlen(root)); }

static int fails(const char *call, const char *path) {
    int failing = 0;
    if (!is_armed || !is_below(path)) return 0;
    pthread_mutex_lock(&lock);
    long number = count++;
    failing = at >= 0 && (number == at || (is_sticky && number > at));
    if (failing && !last[0]) snprintf(last, sizeof last, "%s %s", call, path + strlen(root));
    pthread_mutex_unlock(&lock);
    return failing;
}

static int fails_fd(const char *call, int descriptor) {
    char link[64], path[PATH_MAX];
    if (!is_armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

#define FAIL do { errno = error_number; return -1; } while (0)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(write);
    if (fails_fd("write", descriptor)) { if (takes_half && size > 1) real(descriptor, bytes, size / 2); FAIL; }
    return real(descriptor, bytes, size);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    if (fails_fd("pwrite", descriptor)) { if (takes_half && size > 1) real(descriptor, bytes, size / 2, offset); FAIL; }
    return real(descriptor, bytes, size, offset);
}
ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    if (fails_fd("pwrite", descriptor)) { if (takes_half && size > 1) real(descriptor, bytes, size / 2, offset); FAIL; }
    return real(descriptor, bytes, size, offset);
}
int fsync(int descriptor) { REAL(fsync); if (fails_fd("fsync", descriptor)) FAIL; return real(descriptor); }
int fdatasync(int descriptor) { REAL(fdatasync); if (fails_fd("fdatasync", descriptor)) FAIL; return real(descriptor); }
int ftruncate64(int d, off64_t size) { REAL(ftruncate64); if (fails_fd("ftruncate", d)) FAIL; return real(d, size); }
int ftruncate(int d, off_t size) { REAL(ftruncate); if (fails_fd("ftruncate", d)) FAIL; return real(d, size); }
int rename(const char *from, const char *to) { REAL(rename); if (fails("rename", to)) FAIL; return real(from, to); }
int unlink(const char *path) { REAL(unlink); if (fails("unlink", path)) FAIL; return real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); if (fails("mkdir", path)) FAIL; return real(path, mode); }
int fchmod(int descriptor, mode_t mode) { REAL(fchmod); if (fails_fd("fchmod", descriptor)) FAIL; return real(descriptor, mode); }

#define IS_WRITING(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE_OF(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open64(const char *path, int flags, ...) {
    MODE_OF(flags); REAL(open64);
    if (IS_WRITING(flags) && fails("open", path)) FAIL;
    return real(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    MODE_OF(flags); REAL(open);
    if (IS_WRITING(flags) && fails("open", path)) FAIL;
    return real(path, flags, mode);
}
