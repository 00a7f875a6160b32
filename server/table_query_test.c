/* Requests for rows as SQL, with a table of every type made here. */
#include "server/table_query.h"

#include <string.h>

#include "base/test_support.h"

static const struct column columns[] = {
    {"id", TYPE_INT64},  {"name", TYPE_TEXT},  {"ratio", TYPE_FLOAT64},
    {"paid", TYPE_BOOL}, {"raw", TYPE_BYTES},  {"at", TYPE_TIMESTAMP},
    {"more", TYPE_JSON}, {"big", TYPE_INT256}, {"order", TYPE_TEXT}};
static const size_t key[] = {1, 0};
static const struct flow_table table = {
    .name = "t", .schema = {columns, ARRAY_COUNT(columns)}, .key = key, .key_count = 2};
static const struct flow_table log_table = {
    .name = "log", .schema = {columns, 2}, .key_auto = true, .lineage = true};

struct made {
    struct arena arena;
    struct table_query query;
    struct buf sql;
    struct err err;
};

/* text: "name=value&name=value", without escapes. */
static bool make(struct made *m, const struct flow_table *t, const char *text) {
    struct query_parameter parameters[80];
    size_t count = 0;
    while (*text != '\0') {
        const size_t len = strcspn(text, "&");
        const struct str all = {text, len};
        const size_t at = str_find(all, '=');
        parameters[count++] =
            (struct query_parameter){{text, at}, {text + at + 1, at < len ? len - at - 1 : 0}};
        text += len + (text[len] == '&');
    }
    memset(m, 0, sizeof(*m));
    arena_init(&m->arena, (size_t)4 << 20);
    buf_init(&m->sql, BUF_TEXT_MAX);
    const bool good =
        table_query_parse(t, parameters, count, &m->arena, &m->query, &m->err) == ERR_NONE;
    if (good) {
        table_query_sql(&m->query, false, &m->sql);
    }
    return good;
}

static void made_release(struct made *m) {
    arena_release(&m->arena);
    buf_release(&m->sql);
}

#define ALL                                                                                        \
    "SELECT \"id\", \"name\", \"ratio\", \"paid\", \"raw\", \"at\", \"more\", \"big\", "           \
    "\"order\" FROM \"t\""
#define KEY " ORDER BY \"name\", \"id\""

static void gives(const char *text, const char *sql) {
    struct made *m = mem_alloc(sizeof(*m));
    if (!make(m, &table, text)) {
        fail_msg("%s: %s", text, m->err.message);
    }
    assert_string_equal(buf_c(&m->sql), sql);
    made_release(m);
    mem_free(m);
}

static void refuses(const char *text, const char *word) {
    struct made *m = mem_alloc(sizeof(*m));
    if (make(m, &table, text)) {
        fail_msg("%s gave %s", text, buf_c(&m->sql));
    }
    assert_int_equal(m->err.code, ERR_INPUT);
    if (strstr(m->err.message, word) == NULL) {
        fail_msg("%s: '%s' does not say '%s'", text, m->err.message, word);
    }
    made_release(m);
    mem_free(m);
}

static void test_requests_become_sql(void **state) {
    (void)state;
    gives("", ALL KEY " LIMIT ?1 OFFSET ?2");
    gives("id=gte.5", ALL " WHERE (\"id\" >= ?1)" KEY " LIMIT ?2 OFFSET ?3");
    gives("id=not.in.(1,2)&paid=is.true",
          ALL " WHERE NOT (\"id\" IN (?1, ?2)) AND (\"paid\" IS 1)" KEY " LIMIT ?3 OFFSET ?4");
    gives("id=in.()", ALL " WHERE (\"id\" IN ())" KEY " LIMIT ?1 OFFSET ?2");
    gives("select=big,id&limit=3", "SELECT \"big\", \"id\" FROM \"t\"" KEY " LIMIT ?1 OFFSET ?2");
    gives("order=at.desc.nullslast,id", ALL " ORDER BY \"at\" DESC NULLS LAST, \"id\" NULLS FIRST, "
                                            "\"name\", \"id\" LIMIT ?1 OFFSET ?2");
    gives("filter.order=eq.x", ALL " WHERE (\"order\" = ?1)" KEY " LIMIT ?2 OFFSET ?3");
    gives("key=a&key=7", ALL " WHERE (\"name\" = ?1) AND (\"id\" = ?2)" KEY " LIMIT ?3 OFFSET ?4");
}

static void gives_postgres(const char *text, const char *where) {
    struct made *m = mem_alloc(sizeof(*m));
    AUTO_BUF expected = BUF_INIT(BUF_TEXT_MAX);
    assert_true(make(m, &table, text));
    buf_clear(&m->sql);
    m->query.dialect = STORE_POSTGRES;
    table_query_sql(&m->query, true, &m->sql);
    buf_addf(&expected, "SELECT count(*) FROM \"t\" WHERE %s", where);
    assert_string_equal(buf_c(&m->sql), buf_c(&expected));
    made_release(m);
    mem_free(m);
}

static void test_postgresql_gets_its_own_words(void **state) {
    (void)state;
    gives_postgres("paid=is.true", "(\"paid\" IS NOT DISTINCT FROM '1' )");
    gives_postgres("paid=not.is.null", "NOT (\"paid\" IS NULL)");
    gives_postgres("paid=eq.true", "(\"paid\" = (?1 <> 0))");
    gives_postgres("big=in.(1,2)", "(\"big\" IN (CAST(?1 AS numeric), CAST(?2 AS numeric)))");
    gives_postgres("id=in.()", "(\"id\" IS NULL AND FALSE )");
    gives_postgres("name=like.a*", "(\"name\" LIKE ?1 ESCAPE '')");
    gives_postgres("name=ilike.a*", "(\"name\" ILIKE ?1 ESCAPE '')");
}

static void test_values_are_of_the_columns_type(void **state) {
    (void)state;
    static const char *const good[] = {
        "id=eq.-9223372036854775808",
        "ratio=lt.1e3",
        "paid=eq.true",
        "raw=eq.0x00ff",
        "at=gte.2026-01-31T12:00:00Z",
        "big=gt.115792089237316195423570985008687907853269984665640564039457584007913129639935",
        "name=eq.",
        "name=eq.a.b.c"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct made *m = mem_alloc(sizeof(*m));
        if (!make(m, &table, good[i])) {
            fail_msg("%s: %s", good[i], m->err.message);
        }
        assert_int_equal(m->query.filters[0].count, 1);
        made_release(m);
        mem_free(m);
    }
    refuses("id=eq.9223372036854775808", "int64");
    refuses("id=eq.1 OR 1=1", "int64");
    refuses("id=eq.", "int64");
    refuses("ratio=eq.nan", "float64");
    refuses("paid=eq.2", "bool");
    refuses("raw=eq.0xf", "bytes");
    refuses("at=eq.yesterday", "timestamp");
    refuses("big=eq.1.5", "int256");
}

static void test_names_come_from_the_flow_alone(void **state) {
    (void)state;
    refuses("names=eq.x", "did you mean 'name'");
    refuses("NAME=eq.x", "no column");
    refuses("id\"=eq.1", "no column");
    refuses("id\" OR 1=1 --=eq.1", "no column");
    refuses("_n=eq.1", "no column");
    refuses("rowid=eq.1", "no column");
    refuses("select=id,*", "no column");
    refuses("select=id,id", "twice");
    refuses("select=", "no column");
    refuses("order=id;drop", "no column");
    refuses("order=id.sideways", "asc");
}

static void test_operators_and_numbers_have_limits(void **state) {
    (void)state;
    refuses("id=5", "OP.VALUE");
    refuses("id=gtee.5", "OP.VALUE");
    refuses("id=not.5", "OP.VALUE");
    refuses("id=is.5", "is.null");
    refuses("id=in.1,2", "in.(a,b,c)");
    refuses("name=in.(\"a)", "quote");
    refuses("name=in.(\"a\"b)", "quote");
    refuses("id=like.5", "text");
    refuses("name=like.%a%b%c%d%e%f", "at most");
    refuses("limit=10001", "10000");
    refuses("limit=-1", "limit");
    refuses("offset=x", "offset");
    refuses("key=a", "2 times");
    refuses("key=a&key=1&key=2", "2 columns");
    char *many = mem_strdup("id=in.(1");
    for (int i = 0; i < QUERY_LIST_MAX; i++) {
        char *next = mem_printf("%s,1", many);
        mem_free(many);
        many = next;
    }
    char *closed = mem_printf("%s)", many);
    refuses(closed, "at most 100");
    mem_free(closed);
    mem_free(many);
    AUTO_BUF filters = BUF_INIT(BUF_TEXT_MAX);
    for (int i = 0; i <= QUERY_FILTERS_MAX; i++) {
        buf_adds(&filters, i > 0 ? "&id=eq.1" : "id=eq.1");
    }
    refuses(buf_c(&filters), "more than 32");
}

static void test_patterns_are_made_for_their_operator(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"name=like.a%b_", "a*b?"}, {"name=like.a?[b", "a[?][[]b"}, {"name=ilike.A*b_", "A%b_"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct made *m = mem_alloc(sizeof(*m));
        assert_true(make(m, &table, cases[i][0]));
        assert_true(str_equal_c(m->query.filters[0].values[0].bytes, cases[i][1]));
        made_release(m);
        mem_free(m);
    }
}

static void test_quoted_values_of_a_list(void **state) {
    (void)state;
    struct made *m = mem_alloc(sizeof(*m));
    assert_true(make(m, &table, "name=in.(a,\"b,c\",\"d\\\"e\",)"));
    static const char *const values[] = {"a", "b,c", "d\"e"};
    assert_true(m->query.filters[0].count >= ARRAY_COUNT(values));
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        assert_true(str_equal_c(m->query.filters[0].values[i].bytes, values[i]));
    }
    made_release(m);
    mem_free(m);
}

static void test_hidden_columns_are_shown_where_the_flow_asks(void **state) {
    (void)state;
    struct made *m = mem_alloc(sizeof(*m));
    assert_true(make(m, &log_table, "key=1&key=2"));
    assert_string_equal(
        buf_c(&m->sql),
        "SELECT \"_partition\", \"_record\", \"id\", \"name\", \"_batch\", \"_pos\" "
        "FROM \"log\" WHERE (\"_partition\" = ?1) AND (\"_record\" = ?2) ORDER BY "
        "\"_partition\", \"_record\" LIMIT ?3 OFFSET ?4");
    made_release(m);
    mem_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_become_sql),
        cmocka_unit_test(test_postgresql_gets_its_own_words),
        cmocka_unit_test(test_values_are_of_the_columns_type),
        cmocka_unit_test(test_names_come_from_the_flow_alone),
        cmocka_unit_test(test_operators_and_numbers_have_limits),
        cmocka_unit_test(test_patterns_are_made_for_their_operator),
        cmocka_unit_test(test_quoted_values_of_a_list),
        cmocka_unit_test(test_hidden_columns_are_shown_where_the_flow_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
