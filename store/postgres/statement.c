/* How it works: bindings and results are binary. A statement is sent with its text each time it runs:
 * a name for it would live in a session, which a pool takes away after the transaction.
 *
 * With chunks, the first step declares a cursor, each further one takes rows from what was fetched
 * last, and fetches more when that is used up. When a row is stepped to, its numerics become int256,
 * so that reading columns cannot fail. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "store/postgres/binary.h"
#include "store/postgres/internal.h"
#include "store/postgres/sqltext.h"

/* What we know how to read, by PostgreSQL's own fixed numbers. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
    OID_REGCLASS = 2205,
    OID_JSONB = 3802
};

#define CURSOR_BYTES 32

struct parameter {
    char bytes[PG_NUMERIC_BYTES_MAX]; /* of numbers */
};

/* What a column of the current row needs besides the result. */
struct cell {
    struct int256 number; /* of a numeric */
    char
        text[PARSE_F64_TEXT_BYTES > INT256_ENCODED_MAX ? PARSE_F64_TEXT_BYTES : INT256_ENCODED_MAX];
};

struct pg_statement {
    struct pg *pg;
    char *original;
    struct buf sql; /* translated */
    size_t parameters;
    Oid *types;
    const char **values;
    int *lengths;
    int *formats; /* all binary */
    struct parameter *numbers;
    int chunk_rows; /* 0: all at once */
    char cursor[CURSOR_BYTES];
    PGresult *result; /* NULL: not running */
    int row;          /* of the result; -1 before the first */
    struct cell *cells;
    int cell_count;
};

enum err_code pg_prepare(struct pg *pg, const char *sql, struct pg_statement **out,
                         struct err *err) {
    struct pg_statement *st = mem_alloc(sizeof(*st));
    st->pg = pg;
    st->original = mem_strdup(sql);
    buf_init(&st->sql, BUF_TEXT_MAX);
    enum err_code code = pg_sql_translate(str_of(sql), &st->sql, &st->parameters, err);
    if (code != ERR_NONE) {
        pg_statement_free(st);
        return code;
    }
    const size_t count = st->parameters + 1; /* an array is never empty */
    st->types = mem_alloc_array(count, sizeof(*st->types));
    st->values = mem_alloc_array(count, sizeof(*st->values));
    st->lengths = mem_alloc_array(count, sizeof(*st->lengths));
    st->formats = mem_alloc_array(count, sizeof(*st->formats));
    st->numbers = mem_alloc_array(count, sizeof(*st->numbers));
    for (size_t i = 0; i < count; i++) {
        st->formats[i] = 1;
    }
    *out = st;
    return ERR_NONE;
}

static void result_free(struct pg_statement *st) {
    PQclear(st->result);
    st->result = NULL;
}

void pg_statement_free(struct pg_statement *st) {
    if (st == NULL) {
        return;
    }
    result_free(st);
    mem_free(st->cells);
    mem_free(st->types);
    mem_free(st->values);
    mem_free(st->lengths);
    mem_free(st->formats);
    mem_free(st->numbers);
    mem_free(st->original);
    buf_release(&st->sql);
    mem_free(st);
}

void pg_statement_chunks(struct pg_statement *st, int rows) {
    ASSERT(rows >= 0 && st->result == NULL);
    st->chunk_rows = rows;
}

/* ---- bindings ---- */

static void bind(struct pg_statement *st, int index, Oid type, const char *value, size_t len) {
    ASSERT(index >= 1 && (size_t)index <= st->parameters && len <= PG_FIELD_BYTES_MAX);
    st->types[index - 1] = type;
    st->values[index - 1] = value;
    st->lengths[index - 1] = (int)len;
}

static char *number_of(struct pg_statement *st, int index) {
    ASSERT(index >= 1 && (size_t)index <= st->parameters);
    return st->numbers[index - 1].bytes;
}

void pg_bind_i64(struct pg_statement *st, int index, int64_t v) {
    char *p = number_of(st, index);
    (void)pg_put_u64(p, (uint64_t)v);
    bind(st, index, OID_INT8, p, 8);
}

void pg_bind_f64(struct pg_statement *st, int index, double v) {
    char *p = number_of(st, index);
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof(bits));
    (void)pg_put_u64(p, bits);
    bind(st, index, OID_FLOAT8, p, 8);
}

void pg_bind_bool(struct pg_statement *st, int index, bool v) {
    char *p = number_of(st, index);
    *p = v ? 1 : 0;
    bind(st, index, OID_BOOL, p, 1);
}

void pg_bind_str(struct pg_statement *st, int index, struct str v) {
    bind(st, index, OID_TEXT, v.ptr != NULL ? v.ptr : "", v.len);
}

void pg_bind_blob(struct pg_statement *st, int index, struct str v) {
    bind(st, index, OID_BYTEA, v.ptr != NULL ? v.ptr : "", v.len);
}

void pg_bind_int256(struct pg_statement *st, int index, const struct int256 *v) {
    char *p = number_of(st, index);
    bind(st, index, OID_NUMERIC, p, pg_numeric_encode(v, (uint8_t *)p));
}

void pg_bind_null(struct pg_statement *st, int index) {
    bind(st, index, 0, NULL, 0); /* of whatever type the server wants there */
}

int pg_parameters(const struct pg_statement *st) {
    return (int)st->parameters;
}

void pg_clear(struct pg_statement *st) {
    for (size_t i = 0; i < st->parameters; i++) {
        pg_bind_null(st, (int)i + 1);
    }
}

/* ---- running ---- */

/* Sends prefix + the statement with its bindings. */
static enum err_code send(struct pg_statement *st, const char *prefix, PGresult **out,
                          struct err *err) {
    struct pg *pg = st->pg;
    enum err_code code = pg_ready(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&text, prefix);
    buf_addstr(&text, buf_str(&st->sql));
    if (PQsendQueryParams(pg->conn, buf_c(&text), (int)st->parameters, st->types, st->values,
                          st->lengths, st->formats, 1) == 0) {
        return pg_connection_error(pg, "send", err);
    }
    AUTO_PGRESULT r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    const ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
        code = pg_result_error(pg, r, &(struct pg_text){st->original, strlen(prefix)}, err);
        pg_drain(pg); /* after a COPY */
        return code;
    }
    *out = r;
    r = NULL;
    return ERR_NONE;
}

static bool is_known(Oid type) {
    switch (type) {
    case OID_BOOL:
    case OID_BYTEA:
    case OID_CHAR:
    case OID_NAME:
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_TEXT:
    case OID_OID:
    case OID_JSON:
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_UNKNOWN:
    case OID_BPCHAR:
    case OID_VARCHAR:
    case OID_NUMERIC:
    case OID_REGCLASS:
    case OID_JSONB:
        return true;
    default:
        return false;
    }
}

/* A new result: are all columns of types we can read? */
static enum err_code result_take(struct pg_statement *st, PGresult *r, struct err *err) {
    PQclear(st->result);
    st->result = r;
    st->row = -1;
    const int count = PQnfields(r);
    for (int i = 0; i < count; i++) {
        if (!is_known(PQftype(r, i))) {
            return err_set(
                err, ERR_INPUT,
                "column '%s' of the result is of a type plumb does not read (oid %u): cast it, "
                "to text for instance",
                PQfname(r, i), (unsigned)PQftype(r, i));
        }
    }
    if (count > st->cell_count) {
        mem_free(st->cells);
        st->cells = mem_alloc_array((size_t)count, sizeof(*st->cells));
        st->cell_count = count;
    }
    return ERR_NONE;
}

static enum err_code fetch(struct pg_statement *st, struct err *err) {
    struct pg *pg = st->pg;
    enum err_code code = pg_ready(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    char sql[CURSOR_BYTES + 64];
    (void)snprintf(sql, sizeof(sql), "FETCH FORWARD %d FROM %s", st->chunk_rows, st->cursor);
    if (PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) == 0) {
        return pg_connection_error(pg, "send", err);
    }
    PGresult *r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        code = pg_result_error(pg, r, NULL, err);
        PQclear(r);
        return code;
    }
    return result_take(st, r, err);
}

static enum err_code start(struct pg_statement *st, struct err *err) {
    PGresult *r = NULL;
    if (st->chunk_rows == 0) {
        enum err_code code = send(st, "", &r, err);
        return code != ERR_NONE ? code : result_take(st, r, err);
    }
    if (PQtransactionStatus(st->pg->conn) != PQTRANS_INTRANS) {
        return err_set(err, ERR_INTERNAL, "rows in chunks are read within a transaction");
    }
    (void)snprintf(st->cursor, sizeof(st->cursor), "_plumb_cursor_%u", ++st->pg->cursors);
    char prefix[CURSOR_BYTES + 64];
    (void)snprintf(prefix, sizeof(prefix), "DECLARE %s NO SCROLL CURSOR FOR ", st->cursor);
    enum err_code code = send(st, prefix, &r, err);
    PQclear(r);
    return code != ERR_NONE ? code : fetch(st, err);
}

/* The cursor is of no more use; in a transaction that has failed it is gone. */
static void cursor_close(struct pg_statement *st) {
    if (st->cursor[0] == '\0') {
        return;
    }
    char sql[CURSOR_BYTES + 16];
    (void)snprintf(sql, sizeof(sql), "CLOSE %s", st->cursor);
    st->cursor[0] = '\0';
    struct err unused = ERR_INIT;
    if (!pg_is_broken(st->pg) && PQtransactionStatus(st->pg->conn) == PQTRANS_INTRANS) {
        if (pg_execute(st->pg, sql, &unused) != ERR_NONE) {
            return; /* the transaction's next statement says so, too */
        }
    }
}

void pg_reset(struct pg_statement *st) {
    result_free(st);
    cursor_close(st);
}

bool pg_is_running(const struct pg_statement *st) {
    return st->result != NULL;
}

enum err_code pg_run(struct pg_statement *st, int64_t *changes, struct err *err) {
    pg_reset(st);
    AUTO_PGRESULT r = NULL;
    enum err_code code = send(st, "", &r, err);
    if (code == ERR_NONE && changes != NULL) {
        *changes = 0;
        if (!parse_i64(str_of(PQcmdTuples(r)), changes)) {
            *changes = 0; /* of commands that change no rows */
        }
    }
    return code;
}

/* ---- columns ---- */

static struct str raw(const struct pg_statement *st, int column) {
    return (struct str){PQgetvalue(st->result, st->row, column),
                        (size_t)PQgetlength(st->result, st->row, column)};
}

static enum err_code numerics_read(struct pg_statement *st, struct err *err) {
    for (int i = 0; i < PQnfields(st->result); i++) {
        if (PQftype(st->result, i) != OID_NUMERIC || PQgetisnull(st->result, st->row, i) != 0) {
            continue;
        }
        enum err_code code = pg_numeric_decode(raw(st, i), &st->cells[i].number, err);
        if (code != ERR_NONE) {
            return err_wrap(err, "column '%s'", PQfname(st->result, i));
        }
    }
    return ERR_NONE;
}

enum err_code pg_step(struct pg_statement *st, bool *has_row, struct err *err) {
    *has_row = false;
    enum err_code code = st->result == NULL ? start(st, err) : ERR_NONE;
    if (code == ERR_NONE && st->chunk_rows > 0 && st->row + 1 >= PQntuples(st->result) &&
        PQntuples(st->result) == st->chunk_rows) {
        code = fetch(st, err); /* fewer than asked for were the last */
    }
    if (code == ERR_NONE && st->row + 1 < PQntuples(st->result)) {
        st->row++;
        code = numerics_read(st, err);
        *has_row = code == ERR_NONE;
    }
    if (!*has_row) {
        pg_reset(st);
    }
    return code;
}

enum err_code pg_describe(struct pg_statement *st, struct err *err) {
    struct pg *pg = st->pg;
    pg_reset(st);
    enum err_code code = pg_ready(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQsendPrepare(pg->conn, "", buf_c(&st->sql), 0, NULL) == 0) {
        return pg_connection_error(pg, "send", err);
    }
    AUTO_PGRESULT prepared = NULL;
    code = pg_last_result(pg, &prepared, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) {
        return pg_result_error(pg, prepared, &(struct pg_text){st->original, 0}, err);
    }
    if (PQsendDescribePrepared(pg->conn, "") == 0) {
        return pg_connection_error(pg, "send", err);
    }
    PGresult *r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        code = pg_result_error(pg, r, NULL, err);
        PQclear(r);
        return code;
    }
    st->result = r; /* columns, no rows: the next step starts anew */
    return ERR_NONE;
}

int pg_column_count(const struct pg_statement *st) {
    return st->result != NULL ? PQnfields(st->result) : 0;
}

const char *pg_column_name(const struct pg_statement *st, int column) {
    return st->result != NULL ? PQfname(st->result, column) : NULL;
}

unsigned pg_column_oid(const struct pg_statement *st, int column) {
    return st->result != NULL ? PQftype(st->result, column) : 0;
}

bool pg_column_is_null(const struct pg_statement *st, int column) {
    return PQgetisnull(st->result, st->row, column) != 0;
}

int64_t pg_column_i64(const struct pg_statement *st, int column) {
    const struct str v = raw(st, column);
    if (pg_column_is_null(st, column)) {
        return 0;
    }
    switch (PQftype(st->result, column)) {
    case OID_INT8:
        return (int64_t)pg_get_u64(v.ptr);
    case OID_INT4:
        return (int32_t)pg_get_u32(v.ptr);
    case OID_INT2:
        return (int16_t)pg_get_u16(v.ptr);
    case OID_OID:
    case OID_REGCLASS:
        return pg_get_u32(v.ptr);
    case OID_BOOL:
        return v.ptr[0] != 0;
    case OID_NUMERIC: {
        const struct int256 *number = &st->cells[column].number;
        int64_t whole = number->negative ? INT64_MIN : INT64_MAX;
        return int256_to_i64(number, &whole) ? whole : (number->negative ? INT64_MIN : INT64_MAX);
    }
    default:
        return 0;
    }
}

double pg_column_f64(const struct pg_statement *st, int column) {
    const struct str v = raw(st, column);
    if (pg_column_is_null(st, column)) {
        return 0;
    }
    switch (PQftype(st->result, column)) {
    case OID_FLOAT8:
        return pg_get_f64(v.ptr);
    case OID_FLOAT4: {
        const uint32_t bits = pg_get_u32(v.ptr);
        float f = 0;
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    case OID_NUMERIC:
        return int256_to_double(&st->cells[column].number);
    default: {
        const int64_t whole = pg_column_i64(st, column);
        return (double)whole;
    }
    }
}

struct str pg_column_str(struct pg_statement *st, int column) {
    const struct str v = raw(st, column);
    struct cell *cell = &st->cells[column];
    if (pg_column_is_null(st, column)) {
        return (struct str){"", 0};
    }
    switch (PQftype(st->result, column)) {
    case OID_NUMERIC:
        return (struct str){cell->text, int256_encode(&cell->number, (uint8_t *)cell->text)};
    case OID_JSONB: /* a version before the text */
        return (struct str){v.ptr + 1, v.len > 0 ? v.len - 1 : 0};
    case OID_INT8:
    case OID_INT4:
    case OID_INT2:
    case OID_OID:
    case OID_REGCLASS:
    case OID_BOOL:
        (void)snprintf(cell->text, sizeof(cell->text), "%" PRId64, pg_column_i64(st, column));
        return str_of(cell->text);
    case OID_FLOAT4:
    case OID_FLOAT8:
        parse_print_f64(pg_column_f64(st, column), cell->text);
        return str_of(cell->text);
    default:
        return v;
    }
}
