/* For the tests of this folder: the server that tests/postgres/server.py started for them. */
#ifndef PLUMB_STORE_POSTGRES_TEST_SUPPORT_H
#define PLUMB_STORE_POSTGRES_TEST_SUPPORT_H

#include "base/test_support.h"
#include "store/postgres/postgres.h"

/* NULL when there is none. */
static inline const char *test_url(void) {
    const char *url = getenv("PLUMB_TEST_POSTGRES");
    return url != NULL && url[0] != '\0' ? url : NULL;
}

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != ERR_NONE) {                                                                  \
            fail_msg("%s: %s", #call, (err).message);                                              \
        }                                                                                          \
    } while (0)

static inline struct pg *test_open(void) {
    if (test_url() == NULL) {
        print_message(
            "skipped: PLUMB_TEST_POSTGRES names no server (tests/postgres/server.py PROGRAM)\n");
        skip();
    }
    struct err err = ERR_INIT;
    struct pg *pg = NULL;
    assert_ok(pg_open(test_url(), "plumb test", &pg, &err), err);
    return pg;
}

static inline void test_execute(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    assert_ok(pg_execute(pg, sql, &err), err);
}

#endif
