/* Files and directories: the only door to the file system (except the store's own).
 *
 * Every call passes the FILE fault point. Descriptors are O_CLOEXEC. Errors are UNAVAILABLE (I/O),
 * CONFIG (does not exist, no permission) or LIMIT, with the path in the message. */
#ifndef PLUMB_BASE_FILE_H
#define PLUMB_BASE_FILE_H

#include "base/mem.h"

struct file_info {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t modified_us;
    int64_t changed_us; /* contents, name or permission: ctime */
    bool is_regular;
    bool is_directory;
};

MUST_CHECK enum err_code file_open_read(const char *path, int *out_fd, struct err *err);
MUST_CHECK enum err_code file_info_of(const char *path, struct file_info *out, struct err *err);
MUST_CHECK enum err_code file_info_of_fd(int fd, struct file_info *out, struct err *err);
bool file_exists(const char *path);
/* Up to len bytes at offset; *out_read < len only at the end of the file. */
MUST_CHECK enum err_code file_read_at(int fd, int64_t offset, void *out, size_t len,
                                      size_t *out_read, struct err *err);
/* The whole file; LIMIT when it is larger than b->max. */
MUST_CHECK enum err_code file_read_all(const char *path, struct buf *b, struct err *err);
/* Writes path.tmp, fsyncs, renames over path, fsyncs the directory. */
MUST_CHECK enum err_code file_write_atomic(const char *path, struct str content, struct err *err);
MUST_CHECK enum err_code file_make_directory(const char *path, struct err *err);
void file_close(int *fd); /* sets -1; -1 is fine; for AUTO_FD */
#define AUTO_FD CLEANUP(file_close) int

#define FILE_GLOB_MAX 100000
struct file_list {
    char **paths; /* sorted bytewise */
    size_t count;
};
/* Matches *, ?, [..] and, as a whole path part, ** (any depth). A pattern without wildcards that
 * names an existing file gives that file; nothing found is an empty list. LIMIT above
 * FILE_GLOB_MAX. Release with file_list_release. */
MUST_CHECK enum err_code file_glob(const char *pattern, struct file_list *out, struct err *err);
void file_list_release(struct file_list *list);

/* dir + "/" + name unless name is absolute; heap, free with mem_free. */
char *file_join(const char *dir, const char *name);
/* The directory part of path ("." if none); heap. */
char *file_directory_of(const char *path);

#endif
