/* How the trie is kept: each object has an open-addressing table of its keys (linear probing, less
 * than half full, nothing is ever removed but by json_tree_tidy, which rebuilds the tables). */
#include "rows/decode_json.h"

#include <string.h>

#define JSON_SLOTS_FIRST 16
#define JSON_LEARNED_MAX ((size_t)4 << 20) /* bytes of learned keys; their number is the limit */

static void put(struct json_object *o, struct json_key *key) {
    size_t i = key->hash & (o->slot_count - 1);
    while (o->slots[i] != NULL) {
        i = (i + 1) & (o->slot_count - 1);
    }
    o->slots[i] = key;
    o->key_count++;
}

/* Puts every key (only declared ones if asked) into a new table. */
static void rebuild(struct json_object *o, size_t slot_count, bool keep_learned) {
    struct json_key **old = o->slots;
    size_t old_count = o->slot_count;
    o->slots = mem_alloc_array(slot_count, sizeof(struct json_key *));
    o->slot_count = slot_count;
    o->key_count = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != NULL && (keep_learned || !old[i]->is_learned)) {
            put(o, old[i]);
        }
    }
    mem_free(old);
}

struct json_key *json_tree_find(const struct json_object *o, struct str name, uint64_t hash) {
    size_t i = hash & (o->slot_count - 1);
    while (o->slots[i] != NULL) {
        if (o->slots[i]->hash == hash && str_equal(o->slots[i]->name, name)) {
            return o->slots[i];
        }
        i = (i + 1) & (o->slot_count - 1);
    }
    return NULL;
}

static void key_init(struct json_key *key, struct json_object *parent, uint64_t hash) {
    key->hash = hash;
    key->parent = parent;
    key->column = -1;
    key->drift_index = -1;
    key->is_plain = str_is_utf8(key->name);
    for (size_t i = 0; i < key->name.len; i++) {
        unsigned char c = (unsigned char)key->name.ptr[i];
        key->is_plain = key->is_plain && c >= 0x20 && c != '"' && c != '\\';
    }
    char head[sizeof(key->head)] = {0};
    char mask[sizeof(key->mask)] = {0};
    size_t n = key->name.len < sizeof(head) ? key->name.len : sizeof(head);
    memcpy(head, key->name.ptr, n);
    memset(mask, 0xFF, n);
    if (n < sizeof(head)) {
        head[n] = '"';
        mask[n] = (char)0xFF;
    }
    memcpy(&key->head, head, sizeof(head));
    memcpy(&key->mask, mask, sizeof(mask));
}

static struct json_key *add_key(struct json_object *o, struct arena *arena, struct str name,
                                uint64_t hash) {
    struct json_key *key = arena_new(arena, sizeof(*key));
    key->name = (struct str){arena_strndup(arena, name.ptr, name.len), name.len};
    key_init(key, o, hash);
    if ((o->key_count + 1) * 2 > o->slot_count) {
        rebuild(o, o->slot_count * 2, true);
    }
    put(o, key);
    return key;
}

struct json_key *json_tree_learn(struct json_tree *t, struct json_object *o, struct str name,
                                 uint64_t hash) {
    if (t->learned_count == JSON_LEARNED_KEYS_MAX || name.len > DRIFT_NAME_BYTES_MAX) {
        return NULL;
    }
    struct json_key *key = add_key(o, &t->learned, name, hash);
    key->is_learned = true;
    t->learned_count++;
    return key;
}

void json_tree_tidy(struct json_tree *t) {
    if (t->learned_count < JSON_LEARNED_KEYS_MAX) {
        return;
    }
    for (struct json_object *o = t->root; o != NULL; o = o->next_object) {
        rebuild(o, o->slot_count, false);
        o->first = NULL;
        for (size_t i = 0; i < o->slot_count; i++) {
            if (o->slots[i] != NULL) {
                o->slots[i]->next = NULL;
            }
        }
    }
    arena_reset(&t->learned);
    t->learned_count = 0;
}

/* ---- building ---- */

struct str json_pointer_write(struct str path, struct str name, char *out, size_t out_bytes) {
    size_t len = path.len < out_bytes ? path.len : out_bytes;
    memcpy(out, path.ptr, len);
    if (len < out_bytes) {
        out[len++] = '/';
    }
    for (size_t i = 0; i < name.len && len + 2 <= out_bytes; i++) {
        char c = name.ptr[i];
        if (c == '~' || c == '/') {
            out[len++] = '~';
            c = c == '~' ? '0' : '1';
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

static struct json_object *object_new(struct json_tree *t, struct str parent, struct str name) {
    struct json_object *o = arena_new(t->own, sizeof(*o));
    if (t->root != NULL) {
        size_t room = parent.len + 2 * name.len + 2;
        o->path = json_pointer_write(parent, name, arena_new(t->own, room), room);
        o->next_object = t->root->next_object;
        t->root->next_object = o;
    } else {
        o->path = STR("");
    }
    rebuild(o, JSON_SLOTS_FIRST, true);
    return o;
}

static void add_path(struct json_tree *t, const struct contract_column *col, int column) {
    struct json_object *o = t->root;
    for (size_t i = 0; i < col->path_depth; i++) {
        struct str name = str_of(col->path[i]);
        uint64_t hash = hash64_of(name.ptr, name.len);
        struct json_key *key = json_tree_find(o, name, hash);
        if (key == NULL) {
            key = add_key(o, t->own, name, hash);
        }
        if (i + 1 == col->path_depth) {
            t->same_path[column] = key->column;
            key->column = column;
            return;
        }
        if (key->object == NULL) {
            key->object = object_new(t, o->path, name);
        }
        o = key->object;
    }
}

void json_tree_init(struct json_tree *t, const struct contract *c, struct arena *own) {
    *t = (struct json_tree){.own = own};
    arena_init(&t->learned, JSON_LEARNED_MAX);
    t->same_path = arena_new(own, c->schema.count * sizeof(int));
    t->root = object_new(t, STR(""), STR(""));
    for (size_t i = 0; i < c->schema.count; i++) {
        add_path(t, &c->columns[i], (int)i);
    }
}

void json_tree_release(struct json_tree *t) {
    for (struct json_object *o = t->root; o != NULL; o = o->next_object) {
        mem_free(o->slots);
    }
    t->root = NULL;
    arena_release(&t->learned);
}
