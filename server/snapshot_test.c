/* A cache that many ask: made once, shared, kept while it is in use, made again when it is old. */
#include "server/snapshot.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/test_support.h"

#define THREADS 8
#define ROUNDS  200

static _Atomic int made;
static bool fails;

static enum err_code make_one(void *context, struct buf *out, struct err *err) {
    (void)context;
    if (fails) {
        return err_set(err, ERR_UNAVAILABLE, "away");
    }
    buf_addf(out, "{\"made\":%d}", atomic_fetch_add(&made, 1) + 1);
    return ERR_NONE;
}

static void test_it_is_made_once_and_shared(void **state) {
    (void)state;
    struct snapshot_cache c;
    struct err err = ERR_INIT;
    const struct snapshot *one = NULL;
    const struct snapshot *two = NULL;
    atomic_store(&made, 0);
    snapshot_cache_init(&c, make_one, NULL, true);
    assert_int_equal(snapshot_take(&c, &one, &err), ERR_NONE);
    assert_int_equal(snapshot_take(&c, &two, &err), ERR_NONE);
    assert_ptr_equal(one, two);
    assert_int_equal(atomic_load(&made), 1);
    snapshot_return(&c, two);
    snapshot_cache_clear(&c); /* who still holds it may go on reading */
    assert_string_equal(buf_c(&one->text), "{\"made\":1}");
    assert_non_null(json_get(one->tree, "made"));
    assert_int_equal(snapshot_take(&c, &two, &err), ERR_NONE);
    assert_int_equal(atomic_load(&made), 2);
    snapshot_return(&c, one);
    snapshot_return(&c, two);
    snapshot_return(&c, NULL);
    snapshot_cache_release(&c);
}

static void test_a_failure_is_told_and_tried_again(void **state) {
    (void)state;
    struct snapshot_cache c;
    struct err err = ERR_INIT;
    const struct snapshot *one = NULL;
    snapshot_cache_init(&c, make_one, NULL, false);
    fails = true;
    assert_int_equal(snapshot_take(&c, &one, &err), ERR_UNAVAILABLE);
    fails = false;
    assert_int_equal(snapshot_take(&c, &one, &err), ERR_NONE);
    assert_null(one->tree);
    snapshot_return(&c, one);
    snapshot_cache_release(&c);
}

static void *asks(void *context) {
    struct snapshot_cache *c = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct err err = ERR_INIT;
        const struct snapshot *one = NULL;
        if (snapshot_take(c, &one, &err) != ERR_NONE || one->text.len == 0) {
            return c;
        }
        snapshot_return(c, one);
        if (i % 10 == 0) {
            snapshot_cache_clear(c);
        }
    }
    return NULL;
}

static void test_many_may_ask_at_once(void **state) {
    (void)state;
    struct snapshot_cache c;
    pthread_t threads[THREADS];
    snapshot_cache_init(&c, make_one, NULL, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, asks, &c), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result = &c;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    snapshot_cache_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_made_once_and_shared),
        cmocka_unit_test(test_a_failure_is_told_and_tried_again),
        cmocka_unit_test(test_many_may_ask_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
