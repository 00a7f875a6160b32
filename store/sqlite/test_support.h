/* For the tests of this folder that need a whole store, beside a flow in a directory of its own. */
#ifndef PLUMB_STORE_SQLITE_TEST_SUPPORT_H
#define PLUMB_STORE_SQLITE_TEST_SUPPORT_H

#include "flow/test_source.h"
#include "store/sqlite/sqlite_store.h"

#define TEST_PATH_BYTES 64

struct test_place {
    char directory[TEST_PATH_BYTES];
};

static inline int place_make(void **state) {
    struct test_place *p = mem_alloc(sizeof(*p));
    (void)snprintf(p->directory, sizeof(p->directory), "/tmp/plumb-store-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    *state = p;
    return 0;
}

static inline int place_remove(void **state) {
    struct test_place *p = *state;
    static const char *const names[] = {"flow.yaml", "t.db", "t.db-wal", "t.db-shm", "t.db-lock"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = mem_printf("%s/%s", p->directory, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    assert_int_equal(rmdir(p->directory), 0);
    mem_free(p);
    return 0;
}

/* The caller frees the flow. Its store is t.db beside it. */
static inline struct flow *place_flow(const struct test_place *p, const char *yaml) {
    return test_flow_in(p->directory, yaml);
}

static inline struct store *store_of(const struct flow *flow, enum store_mode mode) {
    struct err err = ERR_INIT;
    struct store *s = NULL;
    if (store_open(flow, mode, &s, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    return s;
}

static inline void sql(struct store *s, const char *text) {
    struct err err = ERR_INIT;
    if (store_execute(s, text, &err) != ERR_NONE) {
        fail_msg("%s: %s", text, err.message);
    }
}

/* The first column of the first row; -1 when there is none. */
static inline int64_t number(struct store *s, const char *text) {
    struct err err = ERR_INIT;
    int64_t out = 0;
    bool found = false;
    if (store_get_i64(s, text, &out, &found, &err) != ERR_NONE) {
        fail_msg("%s: %s", text, err.message);
    }
    return found ? out : -1;
}

static inline void assert_says(const struct err *err, enum err_code code, const char *words) {
    assert_int_equal(err->code, code);
    if (strstr(err->message, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err->message, words);
    }
}

#endif
