#include "rows/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* after the three above */
#include <cmocka.h>

static const struct column columns[] = {
    {"id", TYPE_INT64}, {"idx", TYPE_TEXT}, {"ID", TYPE_BOOL}, {"id", TYPE_JSON}};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};

static void a_column_is_found_by_its_exact_name(void **state) {
    (void)state;
    assert_int_equal(schema_find(&schema, STR("id")), 0);
    assert_int_equal(schema_find(&schema, STR("idx")), 1);
    assert_int_equal(schema_find(&schema, STR("ID")), 2);
}

static void a_name_that_is_no_column_gives_minus_one(void **state) {
    (void)state;
    const struct schema empty = {NULL, 0};
    assert_int_equal(schema_find(&schema, STR("i")), -1);
    assert_int_equal(schema_find(&schema, STR("")), -1);
    assert_int_equal(schema_find(&schema, STR("id\0")), -1);
    assert_int_equal(schema_find(&schema, STR("Idx")), -1);
    assert_int_equal(schema_find(&empty, STR("id")), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_is_found_by_its_exact_name),
        cmocka_unit_test(a_name_that_is_no_column_gives_minus_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
