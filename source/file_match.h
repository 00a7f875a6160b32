/* Which of the files that a scan found is which partition. */
#ifndef PLUMB_SOURCE_FILE_MATCH_H
#define PLUMB_SOURCE_FILE_MATCH_H

#include "source/file_set.h"

/* Hash index over partitions for one scan: open addressing, several entries may have one key. */
struct file_index {
    struct file_part **slots;
    size_t mask;
};

struct found {
    const char *path; /* relative; view into full */
    const char *full;
    struct file_info info;
    struct file_part *part;    /* NULL: not known yet */
    bool passed;               /* left alone by this scan: has its turn under another name,
                                        * cannot be read, is gone, or is not finished */
    bool unreadable;           /* nobody can say which file it is */
    enum file_verdict verdict; /* about part */
};

struct scan {
    struct file_set *set;
    struct found *found;
    size_t count;
    int64_t now_us; /* monotonic */
};

struct file_index *file_index_new(size_t entries);
void file_index_free(struct file_index **x);
void file_index_add_path(struct file_index *x, const char *path, struct file_part *p);
void file_index_add_inode(struct file_index *x, struct file_part *p);

/* Gives every found file its partition, as far as it has one. The indexes of the set are there. */
MUST_CHECK enum err_code file_match_all(struct scan *scan, struct err *err);
/* Whether a new file has its turn already, under another name. */
bool file_match_is_link(const struct file_set *s, const struct found *f);
bool file_match_name_taken(const struct file_set *s, const char *name);
/* A file that cannot be read, or not even be looked at: its trouble, whatever file it is. */
void file_match_refuse(struct file_set *s, const char *path, const struct err *cause);

#endif
