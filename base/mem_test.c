/* Small objects and arenas. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/test_support.h"

static void small_objects_are_zeroed(void **state) {
    (void)state;
    unsigned char *p = mem_alloc_array(10, 100);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(p[i], 0);
    }
    mem_free(p);
    mem_free(mem_alloc(0));
    mem_free(NULL);
}

static void texts_are_copied(void **state) {
    (void)state;
    char *a = mem_strdup("abc");
    char *b = mem_strndup("abc\0def", 5);
    char *c = mem_printf("%s-%d", a, 42);
    assert_string_equal(a, "abc");
    assert_memory_equal(b, "abc\0d", 6);
    assert_string_equal(c, "abc-42");
    c = mem_realloc(c, 1000);
    assert_string_equal(c, "abc-42");
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static void overflow(void) {
    mem_free(mem_alloc_array(SIZE_MAX, 2));
}

static void an_impossible_size_aborts(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    assert_true(WIFSIGNALED(run_child(overflow, output)));
    assert_non_null(strstr(output, "out of memory"));
}

static void data_memory_gives_limit_at_its_fault_point(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    void *p = NULL;
    assert_int_equal(fault_arm("alloc:1", &err), ERR_NONE);
    assert_int_equal(mem_alloc_data(10, &p, &err), ERR_LIMIT);
    assert_null(p);
    assert_int_equal(mem_alloc_data(10, &p, &err), ERR_NONE);
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_non_null(p);
    mem_free(p);
}

static void arena_memory_is_aligned_and_apart(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, (size_t)64 << 20);
    uint64_t random = 1;
    unsigned char *pieces[500];
    size_t sizes[500];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            void *p = NULL;
            sizes[i] = next_random(&random) % (i % 50 == 0 ? 100000 : 200);
            assert_int_equal(arena_alloc(&a, sizes[i], &p, &err), ERR_NONE);
            assert_int_equal((uintptr_t)p % 8, 0);
            if (sizes[i] >= 16) {
                assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            }
            memset(p, (int)(i & 0xFF), sizes[i]);
            pieces[i] = p;
        }
        for (size_t i = 0; i < 500; i++) {
            for (size_t j = 0; j < sizes[i]; j++) {
                assert_int_equal(pieces[i][j], i & 0xFF);
            }
        }
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_release(&a);
    assert_null(a.blocks);
}

static void an_arena_stops_at_its_maximum_and_can_be_reset(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, 1000);
    for (int round = 0; round < 2; round++) {
        void *p = NULL;
        assert_int_equal(arena_alloc(&a, 1000, &p, &err), ERR_NONE);
        p = NULL;
        assert_int_equal(arena_alloc(&a, 1, &p, &err), ERR_LIMIT);
        assert_null(p);
        assert_non_null(strstr(err.message, "limit of 1000 bytes"));
        arena_reset(&a);
        assert_int_equal(arena_alloc(&a, 1001, &p, &err), ERR_LIMIT);
        assert_int_equal(arena_alloc(&a, SIZE_MAX, &p, &err), ERR_LIMIT);
        assert_int_equal(a.used, 0);
    }
    arena_release(&a);
}

static void many_empty_allocations_count_too(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, 4096);
    size_t n = 0;
    void *p = NULL;
    while (n < 1000 && arena_alloc(&a, 1, &p, &err) == ERR_NONE) {
        n++;
    }
    assert_int_equal(n, 4096 / _Alignof(max_align_t)); /* the padding is memory as well */
    arena_release(&a);
}

/* Under AddressSanitizer each allocation is new, so that use after a reset is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_IS_SEPARATE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_IS_SEPARATE
#endif
#endif

#ifndef ARENA_IS_SEPARATE
static void the_same_allocations_after_a_reset_get_the_same_memory(void **state) {
    (void)state;
    static const size_t sizes[] = {100, 5000, 70000, 16, 3000000, 900000, 1, 1500000, 40000};
    uintptr_t first[ARRAY_COUNT(sizes)] = {0};
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, (size_t)64 << 20);
    for (int turn = 0; turn < 5; turn++) {
        uintptr_t now[ARRAY_COUNT(sizes)] = {0};
        for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
            void *p = NULL;
            assert_int_equal(arena_alloc(&a, sizes[i], &p, &err), ERR_NONE);
            memset(p, turn, sizes[i]);
            now[i] = (uintptr_t)p;
        }
        assert_non_null(a.blocks);
        assert_null(a.spare);
        if (turn > 0) {
            assert_memory_equal(now, first, sizeof(first));
        }
        memcpy(first, now, sizeof(first));
        arena_reset(&a);
        assert_null(a.blocks);
        assert_int_equal(a.used, 0);
    }
    arena_release(&a);
}

static void a_reset_keeps_no_more_than_its_limit(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    void *p = NULL;
    arena_init(&a, 4 * ARENA_KEEP_BYTES_MAX);
    assert_int_equal(arena_alloc(&a, ARENA_KEEP_BYTES_MAX + 1, &p, &err), ERR_NONE);
    arena_reset(&a);
    assert_null(a.spare);
    assert_int_equal(arena_alloc(&a, ARENA_KEEP_BYTES_MAX / 2, &p, &err), ERR_NONE);
    arena_reset(&a);
    assert_non_null(a.spare);
    assert_int_equal(arena_alloc(&a, ARENA_KEEP_BYTES_MAX, &p, &err), ERR_NONE);
    assert_non_null(a.spare);
    arena_reset(&a); /* the block of the turn stays, the spare one goes */
    assert_int_equal(arena_alloc(&a, ARENA_KEEP_BYTES_MAX, &p, &err), ERR_NONE);
    assert_null(a.spare);
    arena_release(&a);
}
#define ARENA_REUSE_TESTS                                                                          \
    cmocka_unit_test(the_same_allocations_after_a_reset_get_the_same_memory),                      \
        cmocka_unit_test(a_reset_keeps_no_more_than_its_limit),
#else
#define ARENA_REUSE_TESTS
#endif

static void arena_copies_end_with_nul(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, 100000);
    struct str copy = STR("");
    assert_int_equal(arena_copy(&a, (struct str){"a\0b", 3}, &copy, &err), ERR_NONE);
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b", 4);
    assert_int_equal(arena_copy(&a, (struct str){NULL, 0}, &copy, &err), ERR_NONE);
    assert_int_equal(copy.len, 0);
    assert_int_equal(copy.ptr[0], '\0');
    assert_string_equal(arena_strdup(&a, "xyz"), "xyz");
    assert_string_equal(arena_strndup(&a, "xyz", 2), "xy");
    assert_string_equal(arena_printf(&a, "%d/%s", 3, "q"), "3/q");
    const unsigned char *zeroed = arena_new(&a, 500);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    arena_release(&a);
}

static void the_alloc_fault_reaches_arenas(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, 1000);
    void *p = NULL;
    assert_int_equal(fault_arm("alloc:1+", &err), ERR_NONE);
    assert_int_equal(arena_alloc(&a, 1, &p, &err), ERR_LIMIT);
    assert_int_equal(arena_alloc(&a, 1, &p, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "out of memory"));
    struct str copy = STR("untouched");
    assert_int_equal(arena_copy(&a, STR("x"), &copy, &err), ERR_LIMIT);
    assert_true(str_equal_c(copy, "untouched"));
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_int_equal(a.used, 0);
    arena_release(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_objects_are_zeroed),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(an_impossible_size_aborts),
        cmocka_unit_test(data_memory_gives_limit_at_its_fault_point),
        cmocka_unit_test(arena_memory_is_aligned_and_apart),
        cmocka_unit_test(an_arena_stops_at_its_maximum_and_can_be_reset),
        cmocka_unit_test(many_empty_allocations_count_too),
        ARENA_REUSE_TESTS cmocka_unit_test(arena_copies_end_with_nul),
        cmocka_unit_test(the_alloc_fault_reaches_arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
