/* A JSON writer and a small strict reader for facts of program size (cursors, --json output,
 * tests).
 *
 * Records of data are decoded by rows/decode_json, not here. */
#ifndef PLUMB_BASE_JSON_H
#define PLUMB_BASE_JSON_H

#include "base/mem.h"

/* ---- writing: commas and escapes are the writer's business ---- */
#define JSON_DEPTH_MAX 32
struct json_writer {
    struct buf *out; /* borrowed */
    bool pretty;     /* two spaces an indent, one member a line */
    int depth;
    bool has_items[JSON_DEPTH_MAX];
    bool after_key;
};
void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_str(struct json_writer *w, struct str s);       /* invalid UTF-8 becomes U+FFFD */
void json_c(struct json_writer *w, const char *c_string); /* NULL writes null */
void json_i64(struct json_writer *w, int64_t v);
void json_f64(struct json_writer *w,
              double v); /* shortest text that reads back the same; nan, inf: null */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct str text); /* already JSON */
/* key and value in one line */
void json_kv_c(struct json_writer *w, const char *key, const char *value);
void json_kv_str(struct json_writer *w, const char *key, struct str value);
void json_kv_i64(struct json_writer *w, const char *key, int64_t value);
void json_kv_bool(struct json_writer *w, const char *key, bool value);
/* The text of s with JSON escapes, without quotes, added to out. */
void json_escape(struct buf *out, struct str s);

/* ---- reading ---- */
enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
struct json_value {
    enum json_kind kind;
    bool boolean;
    struct str text;          /* string unescaped; number as written */
    struct str key;           /* when member of an object */
    struct json_value *first; /* children */
    struct json_value *next;  /* sibling */
};
/* Parses exactly one value (RFC 8259, duplicate keys refused, depth <= JSON_DEPTH_MAX). Result
 * lives in the arena. */
MUST_CHECK enum err_code json_parse(struct str text, struct arena *a, const struct json_value **out,
                                    struct err *err);
const struct json_value *json_get(const struct json_value *object,
                                  const char *key); /* NULL if absent */
MUST_CHECK bool json_get_i64(const struct json_value *object, const char *key, int64_t *out);
MUST_CHECK bool json_get_str(const struct json_value *object, const char *key, struct str *out);

#endif
