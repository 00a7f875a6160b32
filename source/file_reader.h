/* Fills batches from one partition after the other.
 *
 * One file is active: its descriptor, decompressor and window stay between calls, so that reading
 * on costs nothing. Switching to another file starts a plain one at its offset and a compressed one
 * at its beginning. */
#ifndef PLUMB_SOURCE_FILE_READER_H
#define PLUMB_SOURCE_FILE_READER_H

#include "source/file_set.h"

#define FILE_HEADER_BYTES_MAX ((size_t)64 << 10) /* of a CSV header */

struct file_reader {
    struct file_set *set; /* borrowed */
    bool csv;
    bool verify; /* compressed files before their first record */
    struct file_frames frames;
    struct file_part *active; /* whose bytes the frames hold; NULL: nobody's */
    struct buf header;        /* of the active CSV file */
};

/* delimiter 0: lines. */
void file_reader_init(struct file_reader *r, struct file_set *set, int64_t record_bytes_max,
                      char delimiter, char quote);
void file_reader_release(struct file_reader *r);
/* Begins the batch and adds records of p to it, perhaps none. *mark is where p stands after them;
 * p->news, p->tail and p->trouble say what comes next. Nothing about p has moved when it fails. */
MUST_CHECK enum err_code file_reader_read(struct file_reader *r, struct file_part *p,
                                          const struct source_limit *limit, struct batch *batch,
                                          struct file_mark *mark, struct err *err);
/* Bytes of p's file that are done with, for the lag. */
int64_t file_reader_taken(const struct file_reader *r, const struct file_part *p);
/* Whether more of the active file is known to wait. */
bool file_reader_has_more(const struct file_reader *r);

#endif
