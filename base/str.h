/* String views and growable buffers.
 *
 * struct str borrows bytes (not NUL-terminated). struct buf owns bytes and names its maximum when
 * it is made; growing past it fails with LIMIT. A buf's data is always NUL-terminated one past len,
 * once anything was added. Not thread-safe; one owner. */
#ifndef PLUMB_BASE_STR_H
#define PLUMB_BASE_STR_H

#include "base/err.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT(s)   (int)(s).len, (s).ptr /* for "%.*s"; the view must be shorter than INT_MAX */

struct str str_of(const char *c_string); /* NULL gives the empty view */
bool str_equal(struct str a, struct str b);
bool str_equal_c(struct str a, const char *b);
int str_compare(struct str a, struct str b); /* bytewise, like memcmp then length */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
struct str str_trim(struct str s); /* ASCII white space */
/* First index of c, or s.len. */
size_t str_find(struct str s, char c);
/* Bytes a terminal may show: control characters and invalid UTF-8 become '?', length capped with
 * "...". */
void str_printable(struct str s, char *out, size_t out_bytes);
/* True when s is well-formed UTF-8 (no surrogates, no overlong forms). NUL is allowed; ask
 * str_find. */
bool str_is_utf8(struct str s);
/* Bytes of the well-formed UTF-8 character at the start of s and its code point; 0 if none. */
size_t str_utf8_size(struct str s, uint32_t *out_code);

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; the buf may be used again with its old maximum */
void buf_clear(struct buf *b);   /* len = 0, memory stays */
MUST_CHECK enum err_code buf_reserve(struct buf *b, size_t extra, struct err *err);
MUST_CHECK enum err_code buf_add(struct buf *b, const void *bytes, size_t len, struct err *err);
/* For text of program size (SQL, help, JSON of facts): aborts when memory is out or max is passed.
 */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_adds(struct buf *b, const char *c_string);
void buf_addstr(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
struct str buf_str(const struct buf *b);
const char *buf_c(const struct buf *b); /* "" when empty */

#define AUTO_BUF     CLEANUP(buf_release) struct buf
#define BUF_TEXT_MAX ((size_t)64 << 20) /* maximum for buffers that hold program text */
#define BUF_INIT(maximum)                                                                          \
    { .max = (maximum) }

#endif
