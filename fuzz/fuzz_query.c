/* Requests for rows of a table: NAME=VALUE with & between them, any bytes.
 *
 * A refusal is INPUT with a message. Of what is taken, the SQL holds nothing but its own words and
 * names of the table's columns, and as many parameters as there are values. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "server/table_query.h"

#define PARAMETERS_MAX 64
#define ARENA_BYTES    ((size_t)8 << 20)

static const struct column columns[] = {
    {"id", TYPE_INT64},  {"name", TYPE_TEXT},    {"ratio", TYPE_FLOAT64}, {"paid", TYPE_BOOL},
    {"raw", TYPE_BYTES}, {"at", TYPE_TIMESTAMP}, {"more", TYPE_JSON},     {"big", TYPE_INT256}};
static const size_t key[] = {0, 1};
static const struct flow_table table = {
    .name = "t", .schema = {columns, ARRAY_COUNT(columns)}, .key = key, .key_count = 2};

static const char *const words[] = {"SELECT", "FROM", "WHERE", "AND",    "NOT",  "IN",   "IS",
                                    "NULL",   "GLOB", "LIKE",  "ORDER",  "BY",   "DESC", "NULLS",
                                    "FIRST",  "LAST", "LIMIT", "OFFSET", "count"};

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void check_name(struct str name) {
    bool known = str_equal_c(name, table.name);
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        known = known || str_equal_c(name, columns[i].name);
    }
    ASSERT(known);
}

static void check_word(struct str word) {
    bool known = false;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        known = known || str_equal_c(word, words[i]);
    }
    ASSERT(known);
}

/* Returns the number of parameters. */
static size_t check_sql(struct str sql) {
    size_t parameters = 0;
    for (size_t at = 0; at < sql.len;) {
        const char c = sql.ptr[at];
        size_t end = at + 1;
        if (c == '"') {
            end = at + 1 + str_find((struct str){sql.ptr + at + 1, sql.len - at - 1}, '"');
            ASSERT(end < sql.len);
            check_name((struct str){sql.ptr + at + 1, end - at - 1});
            end++;
        } else if (is_letter(c)) {
            while (end < sql.len && is_letter(sql.ptr[end])) {
                end++;
            }
            check_word((struct str){sql.ptr + at, end - at});
        } else {
            ASSERT(strchr(" (),?=<>*0123456789", c) != NULL);
            parameters += c == '?';
        }
        at = end;
    }
    return parameters;
}

static size_t split(struct str text, struct query_parameter *out) {
    size_t count = 0;
    while (text.len > 0 && count < PARAMETERS_MAX) {
        const struct str one = {text.ptr, str_find(text, '&')};
        const size_t equals = str_find(one, '=');
        const size_t used = equals < one.len ? equals + 1 : equals;
        out[count++] =
            (struct query_parameter){{one.ptr, equals}, {one.ptr + used, one.len - used}};
        const size_t next = one.len < text.len ? one.len + 1 : one.len;
        text = (struct str){text.ptr + next, text.len - next};
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct query_parameter parameters[PARAMETERS_MAX];
    const size_t count = split((struct str){(const char *)data, size}, parameters);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct table_query *q = mem_alloc(sizeof(*q));
    struct err err = ERR_INIT;
    const enum err_code code = table_query_parse(&table, parameters, count, &arena, q, &err);
    if (code == ERR_NONE) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        size_t values = 0;
        for (size_t i = 0; i < q->filter_count; i++) {
            values += q->filters[i].count;
        }
        table_query_sql(q, false, &sql);
        ASSERT(check_sql(buf_str(&sql)) == values + 2);
        buf_clear(&sql);
        table_query_sql(q, true, &sql);
        ASSERT(check_sql(buf_str(&sql)) == values);
    } else {
        ASSERT((code == ERR_INPUT || code == ERR_LIMIT) && err.message[0] != '\0');
    }
    mem_free(q);
    arena_release(&arena);
    return 0;
}
