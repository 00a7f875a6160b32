/* How JSON is decoded: one pass over the record's bytes, led by the trie of declared paths
 * (decode_json.h). In a declared object each key is first compared with the key that stood there
 * in the record before, one masked word compare for short names; only when that fails is the name
 * hashed and looked up. Values of declared columns are converted where they stand; everything else
 * is scanned just as strictly and skipped.
 *
 * Duplicates are found in the record's object and in every object on a declared path, by the number
 * of the last record that had the key; keys that could not be learned are collected and sorted at
 * the end. Objects inside skipped values and inside json columns are not searched for duplicates.
 */
#include "rows/decode_json.h"

#include "rows/decode_json_scan.h"

#include <stdlib.h>
#include <string.h>

#define JSON_SHORT_NAME 7 /* name and closing quote fit one word */

/* A key that is not in the tree, kept to find duplicates. */
struct stray_key {
    uint64_t hash;
    const struct json_object *object;
    struct str name;
    int64_t offset;
};

struct json_frame {
    struct json_object *object;
    struct json_key *last; /* whose guess comes next; NULL: the object's first */
    struct json_key *key;  /* whose value is this object; NULL for the record */
    const char *begin;
    bool had_space;
};

struct json_decoder {
    struct decoder base;
    struct json_tree tree;
    struct json_scan scan;
    uint64_t batch;
    uint64_t record;
    size_t depth;
    struct json_frame frames[CONTRACT_PATH_DEPTH_MAX + 1];
    struct json_key *unknown[JSON_LEARNED_KEYS_MAX]; /* met in this record */
    size_t unknown_count;
    struct buf strays; /* of struct stray_key */
};

static int64_t offset_of(const struct json_decoder *j, const char *p) {
    return p - j->scan.begin;
}

/* ---- keys ---- */

/* True and *p behind the closing quote when the key at p is the guessed one. */
static inline bool key_matches(const struct json_decoder *j, const struct json_key *guess,
                               const char **p) {
    size_t len = guess->name.len;
    uint64_t word = 0;
    memcpy(&word, *p, sizeof(word));
    if (((word ^ guess->head) & guess->mask) != 0 || (size_t)(j->scan.end - *p) <= len ||
        !guess->is_plain) {
        return false;
    }
    if (len > JSON_SHORT_NAME && (memcmp(*p, guess->name.ptr, len) != 0 || (*p)[len] != '"')) {
        return false;
    }
    *p += len + 1;
    return true;
}

static enum err_code add_stray(struct json_decoder *j, const struct json_object *o, struct str name,
                               uint64_t hash, int64_t offset, struct err *err) {
    struct stray_key stray = {.hash = hash, .object = o, .name = name, .offset = offset};
    return buf_add(&j->strays, &stray, sizeof(stray), err);
}

/* The slow way to a key: p is behind the opening quote. *out is NULL for a stray key. NULL is
 * returned for malformed text and, with the class in *code, for errors. */
static const char *read_key_slow(struct json_decoder *j, struct json_frame *f, const char *p,
                                 struct json_key **out, enum err_code *code, struct err *err) {
    const char *begin = p;
    bool has_escape = false;
    p = json_scan_string(&j->scan, p, &has_escape);
    if (p == NULL) {
        return NULL;
    }
    struct str name = {begin, (size_t)(p - 1 - begin)};
    if (has_escape) {
        void *plain = NULL;
        *code = arena_alloc(j->base.arena, name.len, &plain, err);
        if (*code != ERR_NONE) {
            return NULL;
        }
        name = (struct str){plain, json_unescape(name, plain)};
    }
    uint64_t hash = hash64_of(name.ptr, name.len);
    struct json_key *key = json_tree_find(f->object, name, hash);
    if (key == NULL) {
        key = json_tree_learn(&j->tree, f->object, name, hash);
    }
    if (key == NULL) {
        *code = add_stray(j, f->object, name, hash, offset_of(j, begin) - 1, err);
    } else if (f->last != NULL) {
        f->last->next = key;
    } else {
        f->object->first = key;
    }
    *out = key;
    return *code == ERR_NONE ? p : NULL;
}

/* Names for messages: printable, 60 bytes. */
static void fault_at_key(struct json_decoder *j, enum reject_reason reason,
                         const struct json_object *o, struct str name, int64_t offset) {
    char pointer[DRIFT_NAME_BYTES_MAX + 32];
    char shown[DECODE_SHOWN_BYTES];
    str_printable(json_pointer_write(o->path, name, pointer, sizeof(pointer)), shown,
                  sizeof(shown));
    decode_fault(&j->base, reason, -1, offset,
                 reason == REJECT_DUPLICATE_KEY ? "the key '%s' comes twice in one object"
                                                : "the field '%s' is not declared",
                 shown);
}

/* ---- values ---- */

/* What most cells are, without a call; json_cell_set does the rest. */
static inline enum err_code set_column(struct json_decoder *j, size_t column,
                                       const struct json_item *item, struct err *err) {
    struct decoder *d = &j->base;
    const struct column_rule *rule = &d->rules[column];
    d->kinds[column] = (uint8_t)item->kind;
    if (item->kind == FIELD_NULL || UNLIKELY(d->fault.is_set)) {
        return ERR_NONE;
    }
    if (LIKELY(!rule->has_checks)) {
        if (rule->type == TYPE_INT64 && item->kind == FIELD_INTEGER && item->number.fits) {
            rows_set_i64(d->rows, column, item->number.integer);
            return ERR_NONE;
        }
        if (rule->type == TYPE_TEXT && item->kind == FIELD_STRING && !item->has_escape) {
            rows_set_bytes(d->rows, column, (struct str){item->raw.ptr + 1, item->raw.len - 2});
            return ERR_NONE;
        }
    }
    struct cell_origin o = {item->raw, offset_of(j, item->raw.ptr)};
    return json_cell_set(d, column, item, &o, err);
}

/* key is NULL for a value nobody wants: a stray's, or a duplicate's. */
static inline enum err_code take_item(struct json_decoder *j, struct json_key *key,
                                      const struct json_item *item, struct err *err) {
    if (key == NULL) {
        return ERR_NONE;
    }
    key->kind = (uint8_t)item->kind;
    for (int column = key->column; column >= 0; column = j->tree.same_path[column]) {
        enum err_code code = set_column(j, (size_t)column, item, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* Scans the value at p, whatever it is. */
static const char *read_item(struct json_decoder *j, const char *p, struct json_item *item) {
    struct json_scan *s = &j->scan;
    const char *begin = p;
    char c = json_peek(s, p);
    item->has_escape = false;
    item->has_space = false;
    if (c == '"') {
        item->kind = FIELD_STRING;
        p = json_scan_string(s, p + 1, &item->has_escape);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        p = json_scan_number(s, p, &item->number);
        if (p == NULL) {
            return NULL;
        }
        bool is_integer = !item->number.has_fraction && !item->number.has_exponent;
        item->kind = is_integer ? FIELD_INTEGER : FIELD_NUMBER;
    } else if (c == '{' || c == '[') {
        item->kind = c == '{' ? FIELD_OBJECT : FIELD_ARRAY;
        bool had_space = s->has_space;
        s->has_space = false;
        p = json_scan_value(s, p, (unsigned)j->depth);
        item->has_space = s->has_space;
        s->has_space |= had_space;
    } else {
        p = json_scan_literal(s, p);
        item->kind = c == 'n' ? FIELD_NULL : FIELD_BOOL;
        item->is_true = c == 't';
    }
    if (p != NULL) {
        item->raw = (struct str){begin, (size_t)(p - begin)};
    }
    return p;
}

/* ---- objects on declared paths ---- */

static void push(struct json_decoder *j, struct json_object *o, struct json_key *key,
                 const char *begin) {
    ASSERT(j->depth <= CONTRACT_PATH_DEPTH_MAX);
    j->frames[j->depth++] = (struct json_frame){
        .object = o, .key = key, .begin = begin, .had_space = j->scan.has_space};
    j->scan.has_space = false;
}

/* p behind the closing brace. */
static enum err_code pop(struct json_decoder *j, const char *p, struct err *err) {
    struct json_frame *f = &j->frames[--j->depth];
    struct json_item item = {.raw = {f->begin, (size_t)(p - f->begin)},
                             .kind = FIELD_OBJECT,
                             .has_space = j->scan.has_space};
    j->scan.has_space |= f->had_space;
    return take_item(j, f->key, &item, err);
}

/* p at a key's opening quote; *out is the key, or NULL when its value is only to be skipped.
 * Returns the first byte of the value. */
static const char *read_key(struct json_decoder *j, struct json_frame *f, const char *p,
                            struct json_key **out, enum err_code *code, struct err *err) {
    if (UNLIKELY(json_peek(&j->scan, p) != '"')) {
        return json_scan_fault(&j->scan, p, "a key in double quotes is missing");
    }
    int64_t offset = offset_of(j, p);
    p++;
    struct json_key *key = f->last != NULL ? f->last->next : f->object->first;
    if (UNLIKELY(key == NULL || !key_matches(j, key, &p))) {
        p = read_key_slow(j, f, p, &key, code, err);
        if (p == NULL) {
            return NULL;
        }
    }
    if (LIKELY(json_peek(&j->scan, p) == ':')) {
        p++;
    } else {
        p = json_skip_space(&j->scan, p);
        if (json_peek(&j->scan, p) != ':') {
            return json_scan_fault(&j->scan, p, "':' is missing after a key");
        }
        p++;
    }
    *out = key;
    if (key != NULL) {
        f->last = key;
        if (UNLIKELY(key->seen == j->record)) {
            fault_at_key(j, REJECT_DUPLICATE_KEY, f->object, key->name, offset);
            *out = NULL;
        } else if (key->is_learned) {
            j->unknown[j->unknown_count++] = key;
            if (j->base.contract->unknown == UNKNOWN_REJECT) {
                fault_at_key(j, REJECT_UNKNOWN_FIELD, f->object, key->name, offset);
            }
        }
        key->seen = j->record;
    } else if (j->base.contract->unknown == UNKNOWN_REJECT) {
        const struct stray_key *stray =
            (const struct stray_key *)(const void *)(j->strays.data + j->strays.len) - 1;
        fault_at_key(j, REJECT_UNKNOWN_FIELD, f->object, stray->name, offset);
    }
    return json_skip_space(&j->scan, p);
}

/* Behind a value: *p goes to the next key, over closed objects, or with depth 0 to the end. */
static enum err_code after_value(struct json_decoder *j, const char **p, struct err *err) {
    while (j->depth > 0) {
        *p = json_skip_space(&j->scan, *p);
        char c = json_peek(&j->scan, *p);
        if (LIKELY(c == ',')) {
            *p = json_skip_space(&j->scan, *p + 1);
            return ERR_NONE;
        }
        if (UNLIKELY(c != '}')) {
            *p = json_scan_fault(&j->scan, *p, "',' or '}' is missing");
            return ERR_NONE;
        }
        (*p)++;
        enum err_code code = pop(j, *p, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* p at the record's opening brace. *end is behind its closing brace, or NULL when malformed. */
static enum err_code read_object(struct json_decoder *j, const char *p, const char **end,
                                 struct err *err) {
    enum err_code code = ERR_NONE;
    push(j, j->tree.root, NULL, p);
    p = json_skip_space(&j->scan, p + 1);
    if (json_peek(&j->scan, p) == '}') {
        code = after_value(j, &p, err);
    }
    while (code == ERR_NONE && p != NULL && j->depth > 0) {
        struct json_key *key = NULL;
        p = read_key(j, &j->frames[j->depth - 1], p, &key, &code, err);
        if (p == NULL) {
            break;
        }
        if (key != NULL && key->object != NULL && json_peek(&j->scan, p) == '{') {
            push(j, key->object, key, p);
            p = json_skip_space(&j->scan, p + 1);
            if (json_peek(&j->scan, p) != '}') {
                continue;
            }
        } else {
            struct json_item item;
            p = read_item(j, p, &item);
            if (p == NULL) {
                break;
            }
            code = take_item(j, key, &item, err);
        }
        if (LIKELY(json_peek(&j->scan, p) == ',')) {
            p = json_skip_space(&j->scan, p + 1);
        } else if (code == ERR_NONE) {
            code = after_value(j, &p, err);
        }
    }
    *end = p;
    return code;
}

/* ---- the decoder ---- */

static int compare_strays(const void *left, const void *right) {
    const struct stray_key *a = left;
    const struct stray_key *b = right;
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    if (a->object != b->object) {
        return (uintptr_t)a->object < (uintptr_t)b->object ? -1 : 1;
    }
    int order = str_compare(a->name, b->name);
    return order != 0 ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

static void find_stray_duplicates(struct json_decoder *j) {
    size_t count = j->strays.len / sizeof(struct stray_key);
    struct stray_key *keys = (struct stray_key *)(void *)j->strays.data;
    qsort(keys, count, sizeof(*keys), compare_strays);
    for (size_t i = 1; i < count; i++) {
        if (keys[i].hash == keys[i - 1].hash && keys[i].object == keys[i - 1].object &&
            str_equal(keys[i].name, keys[i - 1].name)) {
            fault_at_key(j, REJECT_DUPLICATE_KEY, keys[i].object, keys[i].name, keys[i].offset);
            return;
        }
    }
}

static enum err_code record_json(struct decoder *d, struct str record, struct err *err) {
    struct json_decoder *j = (struct json_decoder *)d;
    struct json_scan *s = &j->scan;
    *s = (struct json_scan){.begin = record.ptr, .end = record.ptr + record.len};
    j->record++;
    j->depth = 0;
    j->unknown_count = 0;
    buf_clear(&j->strays);
    const char *p = json_skip_space(s, record.ptr);
    if (json_peek(s, p) == '{') {
        enum err_code code = read_object(j, p, &p, err);
        if (code != ERR_NONE) {
            return code;
        }
    } else {
        /* A value of another kind still has its own faults named first. */
        const char *begin = p;
        p = json_scan_value(s, p, 0);
        p = p == NULL ? NULL : json_scan_fault(s, begin, "the record is not an object");
    }
    if (p != NULL) {
        p = json_skip_space(s, p);
        if (p != s->end) {
            p = json_scan_fault(s, p, "more text behind the object");
        }
    }
    if (UNLIKELY(p == NULL)) {
        char shown[32];
        str_printable((struct str){s->fault_at, (size_t)(s->end - s->fault_at)}, shown,
                      sizeof(shown));
        decode_malformed(d, offset_of(j, s->fault_at), "not JSON: %s, at byte %lld%s%s", s->fault,
                         (long long)offset_of(j, s->fault_at),
                         s->fault_at == s->end ? ", where the record ends" : ": ", shown);
        return ERR_NONE;
    }
    if (UNLIKELY(j->strays.len > sizeof(struct stray_key))) {
        find_stray_duplicates(j);
    }
    return ERR_NONE;
}

static enum err_code note_json(struct decoder *d, struct err *err) {
    struct json_decoder *j = (struct json_decoder *)d;
    if (d->contract->unknown != UNKNOWN_NOTE) {
        return ERR_NONE;
    }
    d->drift->overflow += (int64_t)(j->strays.len / sizeof(struct stray_key));
    for (size_t i = 0; i < j->unknown_count; i++) {
        struct json_key *key = j->unknown[i];
        if (LIKELY(key->batch == j->batch && key->drift_index >= 0)) {
            struct drift_field *field = &d->drift->fields[key->drift_index];
            field->kinds |= key->kind;
            field->records++;
            continue;
        }
        char pointer[DRIFT_NAME_BYTES_MAX + 4];
        struct str path = {0};
        if (key->batch != j->batch) {
            key->batch = j->batch;
            key->drift_index = -1;
        }
        if (key->drift_index < 0) {
            path = json_pointer_write(key->parent->path, key->name, pointer, sizeof(pointer));
        }
        enum err_code code = decode_note_field(d, path, key->kind, &key->drift_index, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code begin_json(struct decoder *d, const struct batch *b, struct err *err) {
    struct json_decoder *j = (struct json_decoder *)d;
    (void)b;
    (void)err;
    j->batch++;
    json_tree_tidy(&j->tree);
    return ERR_NONE;
}

static void release_json(struct decoder *d) {
    struct json_decoder *j = (struct json_decoder *)d;
    json_tree_release(&j->tree);
    buf_release(&j->strays);
}

static const struct decoder_ops json_ops = {
    .begin = begin_json, .record = record_json, .note = note_json, .release = release_json};

enum err_code decoder_new_json(const struct contract *c, struct decoder **out, struct err *err) {
    struct json_decoder *j = mem_alloc(sizeof(*j));
    buf_init(&j->strays, BATCH_BYTES_MAX);
    enum err_code code = decode_base_init(&j->base, &json_ops, c, true, err);
    if (code != ERR_NONE) {
        decoder_free(&j->base);
        return code;
    }
    json_tree_init(&j->tree, c, &j->base.own);
    *out = &j->base;
    return ERR_NONE;
}
