/* The shape of the declared JSON paths: a small trie whose keys remember what followed them.
 * Private to rows/.
 *
 *     columns id, /customer/id, /customer/name
 *     root { id -> column 0, customer -> object { id -> column 1, name -> column 2 } }
 *
 * Undeclared keys of declared objects are learned as they are met (up to JSON_LEARNED_KEYS_MAX), so
 * that the next record finds them by the same guess. Not thread-safe. */
#ifndef PLUMB_ROWS_DECODE_JSON_H
#define PLUMB_ROWS_DECODE_JSON_H

#include "rows/decode_internal.h"
#include "rows/decode_json_scan.h"

#define JSON_LEARNED_KEYS_MAX 1024 /* of a decoder; forgotten at the next batch when full */

struct json_object;

struct json_key {
    struct str name; /* unescaped */
    uint64_t head;   /* the first bytes of name and the closing quote, for one compare */
    uint64_t mask;   /* which bytes of head count */
    bool is_plain;   /* written without escapes, so raw bytes may be compared */
    bool is_learned; /* undeclared */
    uint8_t kind;    /* enum field_kind in this record, for undeclared keys */
    int column;      /* first declared column here, or -1 */
    int drift_index; /* of this batch, or -1 */
    uint64_t batch;  /* in which drift_index is right */
    uint64_t seen;   /* number of the last record that had this key */
    uint64_t hash;
    struct json_key *next;      /* guess: what came behind this key last time */
    struct json_object *parent; /* where the key stands */
    struct json_object *object; /* declared paths go on below, or NULL */
};

struct json_object {
    struct str path; /* JSON pointer of this object; "" is the record */
    struct json_key **slots;
    size_t slot_count; /* a power of two, less than half full */
    size_t key_count;
    struct json_key *first;          /* guess: the first key last time */
    struct json_object *next_object; /* all objects of the tree */
};

/* One scalar or skipped value. */
struct json_item {
    struct str raw;
    unsigned kind; /* enum field_kind */
    bool has_escape;
    bool has_space;
    bool is_true;
    struct json_number number;
};

struct json_tree {
    struct json_object *root;
    int *same_path;       /* [columns] next column with the same path, or -1 */
    struct arena *own;    /* borrowed: declared keys */
    struct arena learned; /* undeclared keys */
    size_t learned_count;
};

void json_tree_init(struct json_tree *t, const struct contract *c, struct arena *own);
void json_tree_release(struct json_tree *t);
/* NULL when the object has no such key. */
struct json_key *json_tree_find(const struct json_object *o, struct str name, uint64_t hash);
/* Adds an undeclared key; NULL when it is too long to be kept or too many are. */
struct json_key *json_tree_learn(struct json_tree *t, struct json_object *o, struct str name,
                                 uint64_t hash);
/* Forgets undeclared keys when there is no room for more. */
void json_tree_tidy(struct json_tree *t);
/* Sets a cell from a value that is not null, of any kind; what the column does not take is a fault.
 * Errors are LIMIT. */
MUST_CHECK enum err_code json_cell_set(struct decoder *d, size_t column,
                                       const struct json_item *item, const struct cell_origin *o,
                                       struct err *err);
/* path and name as a JSON pointer into out, cut at out_bytes. */
struct str json_pointer_write(struct str path, struct str name, char *out, size_t out_bytes);

#endif
