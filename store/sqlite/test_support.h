/* For the tests of this folder that need a whole store: cmocka with what it needs before it, and a
 * flow from YAML text in a directory of its own. */
#ifndef PLUMB_STORE_SQLITE_TEST_SUPPORT_H
#define PLUMB_STORE_SQLITE_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite/sqlite_store.h"

#define TEST_PATH_BYTES 64

struct test_conf {
    const char *path;
};

static const struct option test_options[] = {
    OPTION_STR(struct test_conf, path, .def = "nowhere", .doc = "Not looked at.", .example = "a")};

static const struct component test_source = {
    .kind = COMPONENT_SOURCE,
    .name = "test",
    .since = "0.1",
    .summary = "Gives what a test puts in.",
    .doc = "Nothing.",
    .example = "s:\n  type: test\n  columns: {id: int64}\n",
    COMPONENT_OPTIONS(test_options),
    .conf_size = sizeof(struct test_conf),
    .caps = CAP_RESUMABLE,
};
static const struct component *const test_components[] = {&test_source};
static const struct registry test_registry = {test_components, 1};

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
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    char *path = mem_printf("%s/flow.yaml", p->directory);
    assert_int_equal(file_write_atomic(path, str_of(yaml), &err), ERR_NONE);
    if (flow_load(path, &test_registry, &flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(path);
    return flow;
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
