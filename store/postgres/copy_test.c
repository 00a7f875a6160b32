/* COPY with a real server: what is sent is there, what is there comes back, and every way to fail. */
#include "store/postgres/binary.h"
#include "store/postgres/test_support.h"

static const struct column columns[] = {
    {"i", TYPE_INT64}, {"f", TYPE_FLOAT64},    {"b", TYPE_BOOL}, {"t", TYPE_TEXT},
    {"x", TYPE_BYTES}, {"at", TYPE_TIMESTAMP}, {"j", TYPE_JSON}, {"n", TYPE_INT256}};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};
#define TABLE                                                                                      \
    "CREATE TEMP TABLE c(place bigint, i bigint, f double precision, b boolean, t text, x bytea, " \
    "at "                                                                                          \
    "bigint, j text, n numeric)"
#define COPY_IN "COPY pg_temp.c FROM STDIN (FORMAT binary)"
#define COPY_OUT                                                                                   \
    "COPY (SELECT i, f, b, t, x, at, j, n FROM pg_temp.c ORDER BY place) TO STDOUT (FORMAT "       \
    "binary)"

#define ROWS 3000

/* Of every type, small and large, NULL now and then. */
static void rows_make(struct rows *r, struct arena *arena, size_t count) {
    struct err err = ERR_INIT;
    arena_init(arena, (size_t)1 << 28);
    assert_int_equal(rows_init(r, &schema, arena, count, &err), ERR_NONE);
    uint64_t seed = 11;
    for (size_t row = 0; row < count; row++) {
        struct int256 v = {{next_random(&seed), row % 3 == 0 ? next_random(&seed) : 0, 0, row % 7},
                           row % 2 == 0};
        void *wei = NULL;
        void *text = NULL;
        const size_t len = row % 1000 == 999 ? 300000 : row % 40;
        assert_int_equal(arena_alloc(arena, INT256_ENCODED_MAX, &wei, &err), ERR_NONE);
        assert_int_equal(arena_alloc(arena, len + 1, &text, &err), ERR_NONE);
        memset(text, 'a' + (int)(row % 26), len);
        rows_set_i64(r, 0, (int64_t)next_random(&seed));
        rows_set_f64(r, 1, (double)row / 7);
        rows_set_i64(r, 2, (int64_t)(row % 2));
        rows_set_bytes(r, 3, (struct str){text, len});
        rows_set_bytes(r, 4, (struct str){wei, row % INT256_ENCODED_MAX});
        rows_set_i64(r, 5, (int64_t)row * 1000000);
        rows_set_bytes(r, 6, STR("{\"a\":null}"));
        rows_set_bytes(r, 7, (struct str){wei, int256_encode(&v, wei)});
        if (row % 11 == 0) {
            rows_set_null(r, row % schema.count);
        }
        rows_commit(r, (uint32_t)row);
    }
}

struct compared {
    const struct rows *rows;
    size_t row;
    size_t fail_at;
};

static enum err_code row_compare(void *context, const struct value *values, struct err *err) {
    struct compared *c = context;
    if (c->row == c->fail_at) {
        return err_set(err, ERR_LIMIT, "enough");
    }
    for (size_t i = 0; i < schema.count; i++) {
        struct value expected;
        rows_get(c->rows, c->row, i, &expected);
        assert_int_equal(values[i].is_null, expected.is_null);
        assert_true(expected.is_null || value_compare(&values[i], &expected) == 0);
    }
    c->row++;
    return ERR_NONE;
}

static int64_t ask(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    bool has_row = false;
    assert_ok(pg_prepare(pg, sql, &st, &err), err);
    assert_ok(pg_step(st, &has_row, &err), err);
    assert_true(has_row);
    const int64_t v = pg_column_i64(st, 0);
    pg_statement_free(st);
    return v;
}

static void rows_go_there_and_back(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena, ROWS);
    test_execute(pg, TABLE);
    const int64_t place = 5000;
    assert_ok(pg_copy_table(pg, COPY_IN, &r, 0, ROWS, &place, &err), err);
    assert_int_equal(ask(pg, "SELECT count(*) FROM pg_temp.c"), ROWS);
    assert_int_equal(ask(pg, "SELECT min(place) FROM pg_temp.c"), 5000);
    struct compared compared = {.rows = &r, .fail_at = ROWS + 1};
    assert_ok(pg_copy_out(pg, COPY_OUT, &schema, row_compare, &compared, &err), err);
    assert_int_equal(compared.row, ROWS);
    arena_release(&arena);
    pg_close(pg);
}

static void no_rows_are_fine(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena, 1);
    test_execute(pg, TABLE);
    const int64_t place = 0;
    assert_ok(pg_copy_table(pg, COPY_IN, &r, 0, 0, &place, &err), err);
    struct compared compared = {.rows = &r, .fail_at = 99};
    assert_ok(pg_copy_out(pg, COPY_OUT, &schema, row_compare, &compared, &err), err);
    assert_int_equal(compared.row, 0);
    arena_release(&arena);
    pg_close(pg);
}

static void a_row_that_the_table_refuses_is_told(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena, ROWS);
    test_execute(pg, TABLE "; ALTER TABLE pg_temp.c ADD CHECK (place <> 1500)");
    const int64_t place = 0;
    assert_int_equal(pg_copy_table(pg, COPY_IN, &r, 0, ROWS, &place, &err), ERR_INPUT);
    assert_non_null(strstr(err.message, "violates check constraint"));
    assert_int_equal(ask(pg, "SELECT count(*) FROM pg_temp.c"), 0);
    /* A table of another shape is our mistake or somebody's who changed it. */
    test_execute(pg, "ALTER TABLE pg_temp.c DROP COLUMN n");
    assert_int_not_equal(pg_copy_table(pg, COPY_IN, &r, 0, ROWS, &place, &err), ERR_NONE);
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    arena_release(&arena);
    pg_close(pg);
}

static void a_copy_that_cannot_begin_is_told(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    assert_int_equal(pg_copy_in(pg, "COPY nowhere FROM STDIN (FORMAT binary)", &err), ERR_CONFIG);
    assert_int_equal(pg_copy_in(pg, "SELECT 1", &err), ERR_INTERNAL);
    test_execute(pg, TABLE);
    assert_int_equal(pg_copy_in(pg, COPY_OUT, &err), ERR_INTERNAL);
    assert_int_equal(pg_copy_out(pg, COPY_IN, &schema, row_compare, NULL, &err), ERR_INTERNAL);
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(pg);
}

static void a_reader_may_end_it_early(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena, ROWS);
    test_execute(pg, TABLE);
    const int64_t place = 0;
    assert_ok(pg_copy_table(pg, COPY_IN, &r, 0, ROWS, &place, &err), err);
    struct compared compared = {.rows = &r, .fail_at = 10};
    assert_int_equal(pg_copy_out(pg, COPY_OUT, &schema, row_compare, &compared, &err), ERR_LIMIT);
    assert_string_equal(err.message, "enough");
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    arena_release(&arena);
    pg_close(pg);
}

static void columns_of_other_types_are_corrupt(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    static const struct column one[] = {{"a", TYPE_INT64}};
    static const struct schema expected = {one, 1};
    struct compared compared = {.fail_at = 0};
    assert_int_equal(pg_copy_out(pg, "COPY (SELECT 1::int) TO STDOUT (FORMAT binary)", &expected,
                                 row_compare, &compared, &err),
                     ERR_CORRUPT);
    assert_int_equal(pg_copy_out(pg, "COPY (SELECT 1, 2) TO STDOUT (FORMAT binary)", &expected,
                                 row_compare, &compared, &err),
                     ERR_CORRUPT);
    assert_int_equal(pg_copy_out(pg,
                                 "COPY (SELECT (1 / (3 - g))::bigint FROM generate_series(1, 9) g) "
                                 "TO STDOUT (FORMAT binary)",
                                 &expected, row_compare, &compared, &err),
                     ERR_LIMIT); /* the reader's, before the server's */
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(pg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_there_and_back),
        cmocka_unit_test(no_rows_are_fine),
        cmocka_unit_test(a_row_that_the_table_refuses_is_told),
        cmocka_unit_test(a_copy_that_cannot_begin_is_told),
        cmocka_unit_test(a_reader_may_end_it_early),
        cmocka_unit_test(columns_of_other_types_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
