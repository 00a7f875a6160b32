/* Files through POSIX calls. Each call that can fail asks the FILE fault point once and then
 * reports EIO. The class follows errno: what the user named wrongly is CONFIG, what ran out is
 * LIMIT, the rest is UNAVAILABLE. */
#include "base/file.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READ_STEP ((size_t)64 << 10)
#define FILE_MODE      0644
#define DIRECTORY_MODE 0755

static enum err_code class_of(int origin) {
    switch (origin) {
    case ENOENT:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EROFS:
    case EEXIST:
        return ERR_CONFIG;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_LIMIT;
    default:
        return ERR_UNAVAILABLE;
    }
}

/* True, with errno set, when the fault point says that this operation fails. */
static bool faulty(void) {
    if (fault_fails(FAULT_FILE)) {
        errno = EIO;
        return true;
    }
    return false;
}

static enum err_code failed(struct err *err, const char *path) {
    int origin = errno;
    return err_set_errno(err, class_of(origin), origin, "'%s'", path);
}

static int open_file(const char *path, int flags) {
    if (faulty()) {
        return -1;
    }
    int fd = -1;
    do {
        fd = open(path, flags | O_CLOEXEC, FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

enum err_code file_open_read(const char *path, int *out_fd, struct err *err) {
    int fd = open_file(path, O_RDONLY);
    if (fd < 0) {
        return failed(err, path);
    }
    *out_fd = fd;
    return ERR_NONE;
}

void file_close(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd); /* what matters was fsynced before */
        *fd = -1;
    }
}

static void fill_info(const struct stat *from, struct file_info *out) {
    *out = (struct file_info){
        .device = (uint64_t)from->st_dev,
        .inode = (uint64_t)from->st_ino,
        .size = (int64_t)from->st_size,
        .modified_us = (int64_t)from->st_mtim.tv_sec * 1000000 + from->st_mtim.tv_nsec / 1000,
        .changed_us = (int64_t)from->st_ctim.tv_sec * 1000000 + from->st_ctim.tv_nsec / 1000,
        .is_regular = S_ISREG(from->st_mode),
        .is_directory = S_ISDIR(from->st_mode),
    };
}

enum err_code file_info_of(const char *path, struct file_info *out, struct err *err) {
    struct stat info;
    if (faulty() || stat(path, &info) != 0) {
        return failed(err, path);
    }
    fill_info(&info, out);
    return ERR_NONE;
}

enum err_code file_info_of_fd(int fd, struct file_info *out, struct err *err) {
    struct stat info;
    if (faulty() || fstat(fd, &info) != 0) {
        int origin = errno;
        return err_set_errno(err, class_of(origin), origin, "file descriptor %d", fd);
    }
    fill_info(&info, out);
    return ERR_NONE;
}

bool file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

enum err_code file_read_at(int fd, int64_t offset, void *out, size_t len, size_t *out_read,
                           struct err *err) {
    size_t done = 0;
    while (done < len) {
        ssize_t got =
            faulty() ? -1
                     : pread(fd, (char *)out + done, len - done, (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int origin = errno;
            return err_set_errno(err, class_of(origin), origin, "reading at byte %lld",
                                 (long long)offset + (long long)done);
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out_read = done;
    return ERR_NONE;
}

/* Reads on from the descriptor's place, so pipes and /dev/stdin work too. */
static enum err_code read_rest(int fd, const char *path, struct buf *b, struct err *err) {
    for (;;) {
        size_t room = b->max - b->len;
        char probe = '\0'; /* a full buffer: one byte more tells the end from a file too large */
        size_t want = room < FILE_READ_STEP ? room : FILE_READ_STEP;
        if (buf_reserve(b, want, err) != ERR_NONE) {
            return err_wrap(err, "'%s'", path);
        }
        void *into = want == 0 ? &probe : b->data + b->len;
        ssize_t got = faulty() ? -1 : read(fd, into, want == 0 ? 1 : want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failed(err, path);
        }
        if (got == 0) {
            return ERR_NONE;
        }
        if (want == 0) {
            return err_set(err, ERR_LIMIT, "'%s' is larger than the limit of %zu bytes", path,
                           b->max);
        }
        b->len += (size_t)got;
        b->data[b->len] = '\0';
    }
}

enum err_code file_read_all(const char *path, struct buf *b, struct err *err) {
    AUTO_FD fd = -1;
    enum err_code code = file_open_read(path, &fd, err);
    if (code != ERR_NONE) {
        return code;
    }
    size_t before = b->len;
    code = read_rest(fd, path, b, err);
    if (code != ERR_NONE && b->data != NULL) {
        b->len = before;
        b->data[before] = '\0';
    }
    return code;
}

static bool write_all(int fd, struct str content) {
    size_t done = 0;
    while (done < content.len) {
        ssize_t written = faulty() ? -1 : write(fd, content.ptr + done, content.len - done);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

static enum err_code sync_directory(const char *path, struct err *err) {
    char *directory = file_directory_of(path);
    enum err_code code = ERR_NONE;
    int fd = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || faulty() || fsync(fd) != 0) {
        code = failed(err, directory);
    }
    file_close(&fd);
    mem_free(directory);
    return code;
}

static enum err_code write_and_rename(const char *path, const char *temporary, struct str content,
                                      struct err *err) {
    AUTO_FD fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return failed(err, temporary);
    }
    if (!write_all(fd, content) || faulty() || fsync(fd) != 0) {
        enum err_code code = failed(err, temporary);
        (void)unlink(temporary); /* the first error is the one to tell */
        return code;
    }
    fault_step("file written");
    if (faulty() || rename(temporary, path) != 0) {
        enum err_code code = failed(err, path);
        (void)unlink(temporary); /* the first error is the one to tell */
        return code;
    }
    fault_step("file renamed");
    return sync_directory(path, err);
}

enum err_code file_write_atomic(const char *path, struct str content, struct err *err) {
    char *temporary = mem_printf("%s.tmp", path);
    enum err_code code = write_and_rename(path, temporary, content, err);
    mem_free(temporary);
    return code;
}

enum err_code file_make_directory(const char *path, struct err *err) {
    if (faulty()) {
        return failed(err, path);
    }
    if (mkdir(path, DIRECTORY_MODE) == 0) {
        return ERR_NONE;
    }
    struct stat info;
    int origin = errno;
    if (origin == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return ERR_NONE;
    }
    errno = origin;
    return failed(err, path);
}

char *file_join(const char *dir, const char *name) {
    size_t len = strlen(dir);
    if (name[0] == '/' || len == 0) {
        return mem_strdup(name);
    }
    return mem_printf("%s%s%s", dir, dir[len - 1] == '/' ? "" : "/", name);
}

char *file_directory_of(const char *path) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    if (len == 0) {
        return mem_strdup(".");
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    return mem_strndup(path, len);
}
