/* All partitions of one file source, and which of them have something to read.
 *
 * file_set_scan looks at the directory and gives every file its partition: the same inode and the
 * same beginning is the same file, even under another name (rotation); the same path, the same
 * beginning and at least the size read is the same file, even with another inode (restored, checked
 * out again); and so it is when it has vanished from its path and is there with .gz or .zst added
 * or taken away (compressed after rotation); everything else is new. A new file at a path that had another one is the path's next
 * generation, partition "path@2". */
#ifndef PLUMB_SOURCE_FILE_SET_H
#define PLUMB_SOURCE_FILE_SET_H

#include "source/file_part.h"

#define FILE_SETTLE_US ((int64_t)5000000) /* an unfinished end that rests so long is the end */
#define FILE_OPEN_MAX  64                 /* descriptors kept open */

struct file_set {
    /* Settings, borrowed. */
    const char *pattern;   /* relative to directory, or absolute */
    const char *directory; /* of the flow */
    bool once, follow;
    enum file_compression compression; /* of all files, or AUTO */
    /* State. */
    struct file_part **parts; /* owned */
    size_t count, capacity;
    struct file_part **refused; /* owned: files that may not be read or named; never read */
    size_t refused_count;
    struct file_part **order; /* what the last scan found, in order of reading; borrowed */
    size_t order_count, order_capacity;
    struct file_part *open[FILE_OPEN_MAX]; /* whose descriptors are open */
    size_t open_next;
    size_t matched;                                  /* files the last scan found */
    bool stale;                                      /* a file was replaced since */
    int64_t unread;                                  /* sum over all parts */
    struct file_index *by_path, *by_inode, *by_name; /* during a scan */
};

void file_set_init(struct file_set *s);
void file_set_release(struct file_set *s);
MUST_CHECK enum err_code file_set_add_cursor(struct file_set *s, const struct source_cursor *c,
                                             struct err *err);
MUST_CHECK enum err_code file_set_scan(struct file_set *s, struct err *err);
/* Opens p's descriptor if it is not open. CONFIG when the file is gone or may not be read. */
MUST_CHECK enum err_code file_set_open(struct file_set *s, struct file_part *p, struct err *err);
void file_set_close(struct file_set *s, struct file_part *p);
void file_set_note_unread(struct file_set *s, struct file_part *p, int64_t bytes);
/* The path to open: heap. */
char *file_set_full_path(const struct file_set *s, const char *path);

#endif
