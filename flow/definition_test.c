/* Definition hashes: what changes them, what does not, and how SQL is folded. */
#include "flow/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void folds_to(const char *sql, const char *folded) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&out, ">");
    definition_fold_sql(str_of(sql), &out);
    assert_string_equal(buf_c(&out) + 1, folded);
}

static void white_space_is_folded_outside_quotes(void **state) {
    (void)state;
    folds_to("  SELECT\n\t a ,  b \r\n FROM t ;\n", "SELECT a , b FROM t");
    folds_to("SELECT 'a  b'  ||  \"c  d\"", "SELECT 'a  b' || \"c  d\"");
    folds_to("SELECT 'it''s  x'  , `a  b`", "SELECT 'it''s  x' , `a  b`");
    folds_to("", "");
    folds_to(" ;; ", "");
    folds_to("'  not closed", "'  not closed");
}

static void comments_are_dropped_outside_quotes(void **state) {
    (void)state;
    folds_to("SELECT a -- all of it\nFROM t", "SELECT a FROM t");
    folds_to("SELECT a/* x */FROM t -- end", "SELECT a FROM t");
    folds_to("SELECT '-- no', '/* no */'", "SELECT '-- no', '/* no */'");
    folds_to("SELECT a - -b", "SELECT a - -b");
    folds_to("-- first\nSELECT a", "SELECT a");
    folds_to("SELECT a /* not closed", "SELECT a");
}

static void quotes_of_postgres_are_kept(void **state) {
    (void)state;
    folds_to("SELECT $$a  'b$$  , 1", "SELECT $$a  'b$$ , 1");
    folds_to("SELECT $x$a  $$  b$x$  , 1", "SELECT $x$a  $$  b$x$ , 1");
    folds_to("SELECT $1  ,  $2", "SELECT $1 , $2");
    folds_to("SELECT E'it\\'s  x'  , 1", "SELECT E'it\\'s  x' , 1");
    folds_to("SELECT 'x\\'  ,  1", "SELECT 'x\\' , 1");
}

#define BASE                                                                                       \
    "flow: f\n"                                                                                    \
    "sources: {s: {type: file, path: x, columns: {k: int64, v: {type: text, max: 9}}}}\n"          \
    "tables:\n"                                                                                    \
    "  a: {key: [k], columns: {k: int64, v: text, n: int64}}\n"                                    \
    "  b: {key: [k], columns: {k: int64, n: int64}}\n"                                             \
    "  c: {key: [k], columns: {k: int64, n: int64}}\n"                                             \
    "transforms:\n"                                                                                \
    "  m: {from: s, into: a, sql: 'SELECT k, v, 1 AS n FROM batch', latest_by: n}\n"               \
    "  u: {from: a, into: b, sum: 'SELECT k, n FROM change'}\n"                                    \
    "  d: {on: [b], into: c, derive: 'SELECT k, n FROM changed JOIN b USING (k)'}\n"

static struct hash128 hash_of(const char *from, const char *to, const char *transform) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    const char *at = strstr(BASE, from);
    assert_non_null(at);
    buf_addstr(&text, (struct str){BASE, strlen(BASE) - strlen(at)});
    buf_adds(&text, to);
    buf_adds(&text, at + strlen(from));
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    if (flow_load_text(buf_str(&text), "flow.yaml", &test_registry, test_lookup, &f, &err) !=
        ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
        fail();
    }
    const struct hash128 hash = flow_find_transform(f, transform)->definition;
    flow_free(f);
    return hash;
}

static bool changes(const char *from, const char *to, const char *transform) {
    return !hash128_equal(hash_of("flow: f", "flow: f", transform), hash_of(from, to, transform));
}

static void what_shapes_results_changes_the_definition(void **state) {
    (void)state;
    assert_true(changes("1 AS n FROM batch", "2 AS n FROM batch", "m"));
    assert_true(changes("max: 9", "max: 8", "m"));
    assert_true(changes("max: 9", "min: 9", "m"));
    assert_true(changes("max: 9", "required: true", "m"));
    assert_true(changes("max: 9", "one_of: [a]", "m"));
    assert_true(changes("max: 9", "path: /v/w", "m"));
    assert_true(changes("path: x,", "path: x, unknown: reject,", "m"));
    assert_true(changes("path: x,", "path: x, format: csv,", "m"));
    assert_true(changes("path: x,", "path: x, delimiter: ';',", "m"));
    assert_true(changes("path: x,", "path: x, 'null': '-',", "m"));
    assert_true(changes("path: x,", "path: x, 'null': '',", "m"));
    assert_true(changes(", latest_by: n", "", "m"));
    assert_true(changes("latest_by: n", "latest_by: [n, v]", "m"));
    assert_true(changes("latest_by: n", "latest_by: n, delete_when: n = 0", "m"));
    assert_true(changes("latest_by: n", "latest_by: n, many: true", "m"));
    assert_true(changes("k: int64, v: text, n: int64", "k: int64, v: text, n: int256", "m"));
    assert_true(changes("b: {key: [k], columns: {k: int64, n: int64}",
                        "b: {key: [k, n], columns: {k: int64, n: int64}", "u"));
    assert_true(changes("on: [b]", "on: {b: [n]}", "d"));
    assert_true(changes("on: [b]", "on: {b: SELECT k FROM change}", "d"));
}

static void what_does_not_shape_results_does_not(void **state) {
    (void)state;
    assert_false(changes("flow: f", "flow: g", "m"));
    assert_false(changes("path: x", "path: elsewhere", "m"));
    assert_false(changes("path: x", "path: x, format: jsonl", "m")); /* the default */
    assert_false(changes("path: x", "path: x, batch_rows_max: 5", "m"));
    assert_false(
        changes("SELECT k, v, 1 AS n FROM batch", "SELECT k, v,  1 AS n FROM batch;", "m"));
    assert_false(changes("v: text, n: int64}", "v: text, n: int64}, indexes: [[n]]", "m"));
    assert_false(changes("max: 9", "max: 8", "d"));
}

static void different_options_give_different_definitions(void **state) {
    (void)state;
    const struct hash128 delimiter = hash_of("path: x,", "path: x, delimiter: '-',", "m");
    const struct hash128 null_text = hash_of("path: x,", "path: x, 'null': '-',", "m");
    assert_false(hash128_equal(delimiter, null_text));
}

static void definitions_of_different_transforms_differ(void **state) {
    (void)state;
    const struct hash128 m = hash_of("flow: f", "flow: f", "m");
    const struct hash128 u = hash_of("flow: f", "flow: f", "u");
    const struct hash128 d = hash_of("flow: f", "flow: f", "d");
    assert_false(hash128_equal(m, u));
    assert_false(hash128_equal(u, d));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_folded_outside_quotes),
        cmocka_unit_test(comments_are_dropped_outside_quotes),
        cmocka_unit_test(quotes_of_postgres_are_kept),
        cmocka_unit_test(what_shapes_results_changes_the_definition),
        cmocka_unit_test(what_does_not_shape_results_does_not),
        cmocka_unit_test(different_options_give_different_definitions),
        cmocka_unit_test(definitions_of_different_transforms_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
