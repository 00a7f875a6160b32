/* What SQL becomes on PostgreSQL, as text. That it means the same there is tests/postgres' to show. */
#include "transform/postgres_sql.h"

#include "transform/test_support.h"

static const char flow_text[] =
    "flow: f\n"
    "sources:\n"
    "  s: {type: test, columns: {id: int64, amountIn: int256}}\n"
    "tables:\n"
    "  pools:\n"
    "    key: [chain, Pool]\n"
    "    columns: {chain: int64, Pool: bytes, seen: int64, Total: int64}\n"
    "  users: {key: [id], columns: {id: int64, user: text, total: int64}}\n"
    "transforms: {}\n";

static void check(const struct flow *flow, const char *sql, const char *wanted) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    size_t offset = 0;
    if (postgres_sql(flow, sql, &out, &offset, &err) != ERR_NONE) {
        fail_msg("%s: %s", sql, err.message);
    }
    if (strcmp(buf_c(&out), wanted) != 0) {
        fail_msg("%s\nbecame %s\nnot    %s", sql, buf_c(&out), wanted);
    }
}

/* The complaint has the word, and its place is where ^ stands in marked. */
static void check_refused(const char *marked, const char *word) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    size_t offset = 12345;
    const size_t place = str_find(str_of(marked), '^');
    char *sql = mem_printf("%.*s%s", (int)place, marked, marked + place + 1);
    assert_int_equal(postgres_sql(NULL, sql, &out, &offset, &err), ERR_CONFIG);
    if (strstr(err.message, word) == NULL || offset != place) {
        fail_msg("%s: at %zu, not %zu: %s", sql, offset, place, err.message);
    }
    mem_free(sql);
}

struct expected {
    const char *sql, *wanted;
};

static void check_all(const struct expected *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        check(NULL, cases[i].sql, cases[i].wanted);
    }
}

#define CHECK_ALL(...)                                                                             \
    do {                                                                                           \
        const struct expected cases[] = {__VA_ARGS__};                                             \
        check_all(cases, ARRAY_COUNT(cases));                                                      \
    } while (0)

static void what_means_the_same_is_left_alone(void **state) {
    (void)state;
    static const char *const same[] = {
        "",
        "SELECT id, customer AS c FROM batch WHERE status <> 'void' AND (a OR NOT b)",
        "WITH x(a, b) AS (SELECT 'it''s', X'c0de') SELECT a FROM x WHERE b IS NOT NULL",
        "SELECT count(*) FILTER (WHERE a) OVER (PARTITION BY b) FROM c GROUP BY a, b HAVING max(d) "
        "> e",
        "SELECT coalesce(a, b), nullif(a, b), i256_add(a, b), CASE a WHEN b THEN c ELSE d END FROM "
        "t",
        "SELECT 'a / b IS c -- no comment' AS \"odd\"\"name\" FROM t",
        "a IS NULL OR b IS NOT NULL OR c IS TRUE OR d IS NOT FALSE OR e IS DISTINCT FROM f",
        "SELECT a FROM t UNION ALL SELECT b FROM (u JOIN v ON u.a = v.a) LIMIT 5 OFFSET 2",
        "(a, b) IN (SELECT c, d FROM e) AND f BETWEEN g AND h",
    };
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        check(NULL, same[i], same[i]);
    }
}

static void numbers_are_of_64_bits(void **state) {
    (void)state;
    CHECK_ALL(
        {"1", "1::bigint"}, {"-5", "-5::bigint"}, {"a - 5", "a - 5::bigint"},
        {"9223372036854775807", "9223372036854775807::bigint"},
        {"9223372036854775808", "9223372036854775808::double precision"},
        {"-9223372036854775808", "(-9223372036854775808)::bigint"},
        {"a - 9223372036854775808", "a - 9223372036854775808::double precision"},
        {"1.5", "1.5::double precision"}, {".5", ".5::double precision"},
        {"1e-3", "1e-3::double precision"}, {"2.E+4", "2.E+4::double precision"},
        {"0x1F", "(31)::bigint"}, {"0xffffffffffffffff", "(-1)::bigint"},
        {"18446744073709551616", "18446744073709551616::double precision"},
        {"SELECT a FROM t GROUP BY 1 LIMIT 10 OFFSET 3",
         "SELECT a FROM t GROUP BY 1 LIMIT 10 OFFSET 3"},
        {"SELECT a FROM t ORDER BY 1 DESC, 2 ASC NULLS LAST",
         "SELECT a FROM t ORDER BY 1 DESC NULLS LAST, 2 ASC NULLS LAST"},
        {"SELECT a FROM t ORDER BY 1 + a", "SELECT a FROM t ORDER BY 1::bigint + a NULLS FIRST"},
        {"lag(a, 2, 0) OVER (ROWS 3 PRECEDING)", "lag(a, 2, 0) OVER (ROWS 3 PRECEDING)"});
}

static void operators_bind_as_in_sqlite(void **state) {
    (void)state;
    CHECK_ALL({"a || b || c", "a || b || c"}, {"a || b + c", "(a || b) + c"},
              {"a + b || c -> d * e", "a + (b || c -> d) * e"}, {"a * -b || c", "a * (-b || c)"},
              {"'x' || (a + b) || 'y'", "'x'::text || (a + b) || 'y'::text"},
              {"f(a) || b.c - 1", "(f(a) || b.c) - 1::bigint"},
              {"SELECT (a) || b FROM t", "SELECT (a) || b FROM t"}, {"~a + b", "(~a) + b"},
              {"a == b", "a = b"}, {"j ->> '$.a'", "j ->> '$.a'::text"});
}

static void division_by_zero_is_null(void **state) {
    (void)state;
    CHECK_ALL(
        {"a / b", "a / nullif(b, 0)"}, {"a / 60", "a / 60::bigint"},
        {"a / 0", "a / nullif(0::bigint, 0)"}, {"a % 0.0", "a % nullif(0.0::double precision, 0)"},
        {"a / -2", "a / -2::bigint"}, {"a / b / c", "a / nullif(b, 0) / nullif(c, 0)"},
        {"a / -b.c", "a / nullif(-b.c, 0)"}, {"a / (b - c) + d", "a / nullif((b - c), 0) + d"},
        {"a / max(b) OVER (PARTITION BY c) * d", "a / nullif(max(b) OVER (PARTITION BY c), 0) * d"},
        {"a / CASE WHEN b THEN c END % d", "a / nullif(CASE WHEN b THEN c END, 0) % nullif(d, 0)"},
        {"a / CAST(b AS INT)", "a / nullif(plumb._plumb_to_int(b  ), 0)"},
        {"a / b || c", "a / (nullif(b || c, 0))"});
}

static void is_compares_and_null_is_asked_for(void **state) {
    (void)state;
    CHECK_ALL({"a IS b", "a IS NOT DISTINCT FROM b"}, {"a IS NOT b", "a IS DISTINCT FROM  b"},
              {"a is 5", "a IS NOT DISTINCT FROM 5::bigint"}, {"a IS NOT NULL", "a IS NOT NULL"},
              {"a IS 'x' AND b IS NULL", "a IS NOT DISTINCT FROM 'x' AND b IS NULL"});
}

static void patterns_are_those_of_sqlite(void **state) {
    (void)state;
    CHECK_ALL({"a LIKE 'x%'", "a ILIKE 'x%' ESCAPE ''"},
              {"a NOT LIKE b || '%' AND c", "a NOT ILIKE b || '%'::text ESCAPE '' AND c"},
              {"a LIKE 'x' ESCAPE '\\'", "a ILIKE 'x' ESCAPE '\\'"},
              {"a GLOB 'x*'", "a ~ plumb._plumb_glob('x*')"},
              {"a NOT GLOB b || '*'", "a !~  plumb._plumb_glob(b || '*'::text)"});
}

static void casts_are_calls(void **state) {
    (void)state;
    CHECK_ALL(
        {"CAST(a AS INTEGER)", "plumb._plumb_to_int(a  )"},
        {"cast(a || 'b' as varchar(10))", "plumb._plumb_to_text(a || 'b'::text  )"},
        {"CAST(CAST(a AS REAL) AS BLOB)", "plumb._plumb_to_blob(plumb._plumb_to_real(a  )  )"},
        {"CAST(a AS DOUBLE PRECISION)", "plumb._plumb_to_real(a   )"},
        {"CAST((SELECT b AS c FROM t) AS BIGINT)",
         "plumb._plumb_to_int((SELECT b AS c FROM t)  )"});
    check_refused("SELECT ^CAST(a AS NUMERIC) FROM t", "INTEGER, REAL, TEXT or BLOB");
}

static void functions_are_called_by_the_schema(void **state) {
    (void)state;
    CHECK_ALL({"round(a, 2)", "plumb.round(a, 2::bigint)"},
              {"SUBSTR(a, 1)", "plumb.substr(a, 1::bigint)"}, {"max(a)", "max(a)"},
              {"max(a, (b, c))", "plumb.max(a, (b, c))"}, {"max((a, b))", "max((a, b))"},
              {"WITH total(a) AS (SELECT sum(b) FROM c) SELECT a FROM total",
               "WITH total(a) AS (SELECT plumb.sum(b) FROM c) SELECT a FROM total"},
              {"t.round", "t.round"}, {"\"round\"(a)", "\"round\"(a)"});
    check_refused("a + ^printf('%d', b)", "||");
    check_refused("^json_set(a, '$.b', 1)", "no equal");
    check_refused("^log(2, a)", "log10()");
}

static void joins_have_conditions_or_cross(void **state) {
    (void)state;
    CHECK_ALL({"SELECT 1 AS a FROM b CROSS JOIN c ON b.d = c.d",
               "SELECT 1::bigint AS a FROM b INNER JOIN c ON b.d = c.d"},
              {"SELECT a FROM b CROSS JOIN c AS x USING (d)",
               "SELECT a FROM b INNER JOIN c AS x USING (d)"},
              {"SELECT a FROM b CROSS JOIN c d", "SELECT a FROM b CROSS JOIN c d"},
              {"SELECT a FROM b JOIN c INNER JOIN d", "SELECT a FROM b CROSS JOIN c  CROSS JOIN d"},
              {"SELECT a FROM b LEFT JOIN c ON true NATURAL JOIN d",
               "SELECT a FROM b LEFT JOIN c ON true NATURAL JOIN d"});
}

static void subqueries_get_a_name(void **state) {
    (void)state;
    CHECK_ALL(
        {"SELECT a FROM (SELECT b FROM c) WHERE a",
         "SELECT a FROM (SELECT b FROM c) AS _s4 WHERE a"},
        {"SELECT a FROM b, (VALUES (1)), (SELECT c FROM d) AS e JOIN (SELECT f FROM g) h ON true",
         "SELECT a FROM b, (VALUES (1::bigint)) AS _s6, (SELECT c FROM d) AS e JOIN (SELECT f FROM "
         "g) h ON true"},
        {"SELECT (SELECT a FROM b), c IN (SELECT d FROM e)",
         "SELECT (SELECT a FROM b), c IN (SELECT d FROM e)"});
}

static void null_comes_first(void **state) {
    (void)state;
    CHECK_ALL(
        {"SELECT a FROM b ORDER BY c, d DESC LIMIT 1",
         "SELECT a FROM b ORDER BY c NULLS FIRST, d DESC NULLS LAST LIMIT 1"},
        {"SELECT a FROM b ORDER BY c NULLS LAST, f(d, e) ASC",
         "SELECT a FROM b ORDER BY c NULLS LAST, f(d, e) ASC NULLS FIRST"},
        {"row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
         "row_number() OVER (PARTITION BY a ORDER BY b NULLS FIRST ROWS BETWEEN 1 PRECEDING AND "
         "CURRENT ROW)"},
        {"SELECT a FROM b WINDOW w AS (ORDER BY c)",
         "SELECT a FROM b WINDOW w AS (ORDER BY c NULLS FIRST)"},
        {"a IN (SELECT b FROM c ORDER BY CASE WHEN d THEN e END / f)",
         "a IN (SELECT b FROM c ORDER BY CASE WHEN d THEN e END / nullif(f, 0) NULLS FIRST)"});
}

static void keys_are_never_null(void **state) {
    (void)state;
    struct flow *flow = test_flow(flow_text);
    check(flow, "SELECT seen FROM pools ORDER BY chain DESC, \"Pool\" LIMIT 1",
          "SELECT seen FROM pools ORDER BY chain DESC, \"Pool\" LIMIT 1");
    check(flow, "SELECT p.seen FROM pools p ORDER BY p.chain, p.seen",
          "SELECT p.seen FROM pools p ORDER BY p.chain, p.seen NULLS FIRST");
    check(flow, "SELECT u.id FROM users u JOIN pools AS p ON true ORDER BY p.chain, id",
          "SELECT u.id FROM users u JOIN pools AS p ON true ORDER BY p.chain, id");
    /* of an outer join, another relation, a union, another table */
    check(flow, "SELECT u.id FROM users u LEFT JOIN pools p ON true ORDER BY p.chain",
          "SELECT u.id FROM users u LEFT JOIN pools p ON true ORDER BY p.chain NULLS FIRST");
    check(flow, "SELECT chain FROM pools, other ORDER BY chain",
          "SELECT chain FROM pools, other ORDER BY chain NULLS FIRST");
    check(flow, "SELECT chain FROM pools UNION SELECT id FROM users ORDER BY chain",
          "SELECT chain FROM pools UNION SELECT id FROM users ORDER BY chain NULLS FIRST");
    check(flow, "SELECT q.chain FROM pools p, (SELECT seen AS chain FROM pools) q ORDER BY q.chain",
          "SELECT q.chain FROM pools p, (SELECT seen AS chain FROM pools) q ORDER BY q.chain NULLS "
          "FIRST");
    flow_free(flow);
}

static void names_are_spelled_as_the_flow_does(void **state) {
    (void)state;
    struct flow *flow = test_flow(flow_text);
    check(flow, "SELECT AMOUNTIN AS a, Id FROM batch", "SELECT \"amountIn\" AS a, Id FROM batch");
    check(flow, "SELECT p.pool, `Pool`, [pool], \"POOL\", Chain, \"CHAIN\" FROM Pools p",
          "SELECT p.\"Pool\", \"Pool\", \"Pool\", \"Pool\", Chain, \"chain\" FROM Pools p");
    check(flow, "SELECT user, \"Odd\" AS ODD, [x y], u.\"user\" FROM users u",
          "SELECT \"user\", \"odd\" AS ODD, \"x y\", u.\"user\" FROM users u");
    check(flow, "SELECT total, Total FROM t", "SELECT total, \"Total\" FROM t");
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    size_t offset = 0;
    assert_int_equal(postgres_sql(flow, "SELECT TOTAL FROM t", &out, &offset, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "several ways")); /* it might be either */
    assert_int_equal(offset, strlen("SELECT "));
    flow_free(flow);
}

static void rows_are_found_by_each_column(void **state) {
    (void)state;
    CHECK_ALL(
        {"SELECT a FROM t WHERE (a, b) = (SELECT x, f(y, z) FROM u\nWHERE w)",
         "SELECT a FROM t WHERE (a = (SELECT x FROM u\nWHERE w) AND b = (SELECT f(y, z) FROM u "
         "WHERE "
         "w))"},
        {"SELECT a FROM t WHERE a AND (a, b) = (SELECT x, y FROM u) OR (c)",
         "SELECT a FROM t WHERE a AND (a = (SELECT x FROM u) AND b = (SELECT y FROM u)) OR (c)"},
        /* what cannot be parted, or is no such comparison */
        {"SELECT a FROM t WHERE (a, b) = (c, d)", "SELECT a FROM t WHERE (a, b) = (c, d)"},
        {"SELECT a FROM t WHERE (a, b) = (SELECT x FROM u)",
         "SELECT a FROM t WHERE (a, b) = (SELECT x FROM u)"},
        {"SELECT a FROM t WHERE (a) = (SELECT x FROM u)",
         "SELECT a FROM t WHERE (a) = (SELECT x FROM u)"},
        {"SELECT a FROM t WHERE (a, b) > (SELECT x, y FROM u)",
         "SELECT a FROM t WHERE (a, b) > (SELECT x, y FROM u)"},
        {"SELECT a FROM t WHERE (a, b) = (SELECT x, y FROM u UNION SELECT x, y FROM v)",
         "SELECT a FROM t WHERE (a, b) = (SELECT x, y FROM u UNION SELECT x, y FROM v)"},
        {"SELECT a FROM t WHERE (a, b) = (SELECT DISTINCT x, y FROM u)",
         "SELECT a FROM t WHERE (a, b) = (SELECT DISTINCT x, y FROM u)"},
        {"SELECT a FROM t WHERE (a, b) = (SELECT x AS p, y FROM u)",
         "SELECT a FROM t WHERE (a, b) = (SELECT x AS p, y FROM u)"},
        {"SELECT a FROM t WHERE (a, b) = (SELECT x, y FROM u", /* left open */
         "SELECT a FROM t WHERE (a, b) = (SELECT x, y FROM u"});
}

static void comments_go_and_lines_stay(void **state) {
    (void)state;
    CHECK_ALL({"a -- one / two\n/ b", "a  \n/ nullif(b, 0)"}, {"a /* x /* y\n*/ + b", "a  \n + b"},
              {"a /* open", "a  "}, {"a -- end", "a  "});
}

static void what_has_no_equal_is_refused(void **state) {
    (void)state;
    check_refused("SELECT a FROM b ^LIMIT -1", "negative");
    check_refused("SELECT a FROM b LIMIT 1^, 2", "OFFSET");
    check_refused("a = b ^COLLATE NOCASE", "lower(");
    check_refused("SELECT a FROM b ^INDEXED BY c", "leave it out");
    check_refused("a = b ^= c", "brackets");
    check_refused("a <> b ^IN (c) AND d", "brackets");
    check_refused("NOT a < b ^LIKE c", "brackets");
    check(NULL, "(a = b) = c AND d = e OR NOT f = g", "(a = b) = c AND d = e OR NOT f = g");
    check(NULL, "CASE WHEN a = b THEN c = d ELSE e = f END",
          "CASE WHEN a = b THEN c = d ELSE e = f END");
    check(NULL, "a = b COLLATE BINARY", "a = b COLLATE \"C\"");
}

static void what_is_malformed_does_no_harm(void **state) {
    (void)state;
    static const char *const texts[] = {
        "(",        ")",          "((a",      "CASE",       "END END",
        "a /",      "a IS",       "a IS NOT", "LIKE",       "a LIKE",
        "GLOB",     "NOT GLOB",   "CAST(",    "CAST(a AS",  "CAST()",
        "x '",      "X'",         "JOIN",     "CROSS JOIN", "FROM (SELECT",
        "ORDER BY", "ORDER BY ,", "a ||",     "|| a",       "~",
        "- -",      "lag(",       "max(a,",   ".",          "a.",
        "a.b.",     "[",          "\"",       "OVER (",     "EXISTS",
        "1",        "/*",         "--",       "WITH a( AS", "ORDER BY a DESC,",
        "IN (",     "=",          "= = ="};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        for (size_t k = 0; k < ARRAY_COUNT(texts); k++) {
            AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
            struct err err = ERR_INIT;
            size_t offset = 0;
            char *sql = mem_printf("%s %s", texts[i], texts[k]);
            const enum err_code code = postgres_sql(NULL, sql, &out, &offset, &err);
            assert_true(code == ERR_NONE || (code == ERR_CONFIG && offset <= strlen(sql)));
            mem_free(sql);
        }
    }
}

static void too_much_is_refused(void **state) {
    (void)state;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < POSTGRES_SQL_TOKENS_MAX / 2; i++) {
        buf_adds(&sql, "a,");
    }
    struct err err = ERR_INIT;
    size_t offset = 0;
    assert_int_equal(postgres_sql(NULL, buf_c(&sql), &out, &offset, &err), ERR_NONE);
    buf_adds(&sql, "a");
    assert_int_equal(postgres_sql(NULL, buf_c(&sql), &out, &offset, &err), ERR_LIMIT);
}

static void a_complaint_has_its_place_in_the_flow(void **state) {
    (void)state;
    static const char sql[] = "SELECT a,\n  quote(b) FROM t";
    const struct node node = {
        .file = "flow.yaml", .text = STR(sql), .text_line = 7, .text_column = 9};
    struct err err = ERR_INIT;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    assert_int_equal(postgres_sql_at(NULL, sql, &node, &out, &err), ERR_CONFIG);
    assert_string_equal(err.where, "flow.yaml:8:11");
    err = (struct err)ERR_INIT;
    assert_int_equal(postgres_sql_at(NULL, "SELECT a FROM t", &node, &out, &err), ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_the_same_is_left_alone),
        cmocka_unit_test(numbers_are_of_64_bits),
        cmocka_unit_test(operators_bind_as_in_sqlite),
        cmocka_unit_test(division_by_zero_is_null),
        cmocka_unit_test(is_compares_and_null_is_asked_for),
        cmocka_unit_test(patterns_are_those_of_sqlite),
        cmocka_unit_test(casts_are_calls),
        cmocka_unit_test(functions_are_called_by_the_schema),
        cmocka_unit_test(joins_have_conditions_or_cross),
        cmocka_unit_test(subqueries_get_a_name),
        cmocka_unit_test(null_comes_first),
        cmocka_unit_test(keys_are_never_null),
        cmocka_unit_test(names_are_spelled_as_the_flow_does),
        cmocka_unit_test(rows_are_found_by_each_column),
        cmocka_unit_test(comments_go_and_lines_stay),
        cmocka_unit_test(what_has_no_equal_is_refused),
        cmocka_unit_test(what_is_malformed_does_no_harm),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_complaint_has_its_place_in_the_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
