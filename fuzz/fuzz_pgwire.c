/* What comes from PostgreSQL, and SQL on its way there: any bytes.
 *
 * The input is used three times. As a numeric: what is taken goes back to a numeric of the same
 * value. As a stream of COPY: rows are read to the end or refused, and every view lies within the
 * input. As SQL: what is translated has at most as many parameters as there may be, is shorter only
 * where a long name was, and no place of it lies outside the text. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "store/postgres/binary.h"
#include "store/postgres/sqltext.h"

#define SQL_BYTES_MAX ((size_t)64 << 10)

static void check_numeric(struct str bytes) {
    struct err err = ERR_INIT;
    struct int256 v;
    struct int256 back;
    if (pg_numeric_decode(bytes, &v, &err) != ERR_NONE) {
        ASSERT(err.code == ERR_INPUT || err.code == ERR_CORRUPT);
        return;
    }
    uint8_t out[PG_NUMERIC_BYTES_MAX];
    const size_t len = pg_numeric_encode(&v, out);
    ASSERT(pg_numeric_decode((struct str){(const char *)out, len}, &back, &err) == ERR_NONE);
    ASSERT(int256_compare(&v, &back) == 0);
}

static const struct column columns[] = {
    {"i", TYPE_INT64}, {"t", TYPE_TEXT}, {"n", TYPE_INT256}, {"b", TYPE_BOOL}};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};

static void check_copy(struct str bytes) {
    struct err err = ERR_INIT;
    uint8_t scratch[ARRAY_COUNT(columns) * INT256_ENCODED_MAX];
    struct value values[ARRAY_COUNT(columns)];
    const char *end_of_input = bytes.ptr + bytes.len;
    if (pg_copy_read_begin(&bytes, &err) != ERR_NONE) {
        return;
    }
    bool end = false;
    while (!end && pg_copy_read_row(&bytes, &schema, scratch, values, &end, &err) == ERR_NONE) {
        if (!end && !values[1].is_null) {
            ASSERT(values[1].bytes.ptr + values[1].bytes.len <= end_of_input);
        }
    }
    ASSERT(end || err.code == ERR_CORRUPT || err.code == ERR_INPUT);
}

static void check_sql(struct str sql) {
    struct err err = ERR_INIT;
    AUTO_BUF out = BUF_INIT(SQL_BYTES_MAX * 16);
    size_t parameters = 0;
    if (sql.len > SQL_BYTES_MAX || pg_sql_translate(sql, &out, &parameters, &err) != ERR_NONE) {
        return;
    }
    const bool may_shrink = sql.len > PG_IDENTIFIER_BYTES && memchr(sql.ptr, '"', sql.len) != NULL;
    ASSERT(parameters <= PG_PARAMETERS_MAX && (out.len >= sql.len || may_shrink));
    size_t line = 0;
    size_t column = 0;
    for (size_t i = 1; i <= out.len && i < 64; i++) {
        pg_sql_place(sql, i, &line, &column);
        ASSERT(line <= sql.len + 1 && column <= sql.len + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct str bytes = {(const char *)data, size};
    check_numeric(bytes);
    check_copy(bytes);
    check_sql(bytes);
    return 0;
}
