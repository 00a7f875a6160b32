/* A partition of the file source: one file, however it is named today.
 *
 * What is durable about it is its cursor, JSON:
 *
 *   v            2
 *   path         where the file was found last, if that is not the partition's name
 *   dev, ino     device and inode
 *   fp, fp_len   XXH3-64 (hex) of the file's first fp_len bytes, decompressed
 *   offset       decompressed bytes taken
 *   line         lines taken
 *   records      records given
 *   open         true when the last record ended with the file instead of a newline
 *   compression  "gzip" or "zstd"; absent for plain files
 *   raw_size     compressed file read to its end: its size then */
#ifndef PLUMB_SOURCE_FILE_PART_H
#define PLUMB_SOURCE_FILE_PART_H

#include "base/file.h"
#include "component/source.h"
#include "source/file_frames.h"

#define FILE_FINGERPRINT_BYTES 1024
#define FILE_PATH_BYTES_MAX    600 /* so that a cursor with the escaped path fits */
#define FILE_CURSOR_ARENA      ((size_t)64 << 10)

enum file_verdict {
    FILE_SAME,
    FILE_SHRANK, /* shorter than what was read of it */
    FILE_CHANGED /* begins with something else */
};

/* What moves when records are given; copied, changed, and put back when the batch is whole. */
struct file_mark {
    struct file_position at;
    int64_t records;
    uint64_t fingerprint;
    size_t fingerprint_len;
    int64_t raw_size; /* -1: not read to its end */
};

struct file_part {
    char *name; /* of the partition */
    char *path; /* as matched now, relative to the flow's directory */
    uint64_t device, inode;
    enum file_compression compression; /* AUTO: not looked at yet */
    struct file_mark mark;
    bool has_cursor; /* a batch was given, now or in an earlier run */
    /* As seen by the last scan. */
    bool seen;                 /* size and modified_us are known */
    bool present;              /* under its path */
    enum file_verdict verdict; /* about the file under its path */
    bool ended;                /* another generation took over its file */
    int64_t size, modified_us;
    int64_t quiet_since_us; /* monotonic: when it was seen to change last */
    /* Reading. */
    int fd;              /* -1 if not open */
    bool news;           /* worth reading */
    bool tail;           /* ends in something incomplete */
    bool settled;        /* and has not changed for FILE_SETTLE_US */
    bool moved;          /* its new path is not in the cursor yet */
    int64_t unread;      /* bytes, for the lag */
    struct err *trouble; /* to be told, or NULL */
    uint64_t told;       /* hash of the trouble told last; 0 = none since records came */
};

struct file_part *file_part_new(const char *name, const char *path);
void file_part_free(struct file_part *p);
/* CORRUPT when the cursor is not one of ours. */
MUST_CHECK enum err_code file_part_from_cursor(const struct source_cursor *c,
                                               struct file_part **out, struct err *err);
/* The cursor of p as if it stood at mark. */
void file_part_write_cursor(const struct file_part *p, const struct file_mark *mark,
                            struct buf *out);
/* The first len bytes, decompressed; *got < len when the file is shorter, cut or damaged. */
MUST_CHECK enum err_code file_head(int fd, enum file_compression compression, char *out, size_t len,
                                   size_t *got, struct err *err);
/* Hash of the head; len at most FILE_FINGERPRINT_BYTES. */
MUST_CHECK enum err_code file_fingerprint(int fd, enum file_compression compression, size_t len,
                                          uint64_t *out, size_t *got, struct err *err);
/* NULL-terminated: ".gz", ".gzip", ".zst", ".zstd". */
extern const char *const file_endings[];
/* The name without such an ending. */
struct str file_name_stem(const char *path);
/* Whether there is more to read than was read, by size. */
bool file_part_has_unread(const struct file_part *p);
/* Notes a trouble to be told once; a repetition of the one told last is dropped. */
void file_part_set_trouble(struct file_part *p, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The trouble of a file that may not be read. */
void file_part_set_unreadable(struct file_part *p, const struct err *cause);
/* Later generations of a path come after earlier ones: "a", "a@2", ..., "a@10". */
int file_part_compare_age(const struct file_part *a, const struct file_part *b);

#endif
