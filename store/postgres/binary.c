/* How it works: a row is encoded straight into the buffer, for which room is made once with an upper
 * bound of the row's size. int256 goes through its decimal text (int256_format is quick, and groups
 * of four digits are what a numeric holds); numbers of one limb, nearly all there are, are divided
 * directly. */
#include "store/postgres/binary.h"

#include <string.h>

#define GROUP         10000
#define GROUP_DIGITS  4
#define SIGN_NEGATIVE 0x4000
#define NUMERIC_HEAD  8

static const char signature[] = "PGCOPY\n\377\r\n"; /* and its NUL: 11 bytes */
#define SIGNATURE_BYTES sizeof(signature)
#define HEADER_BYTES    (SIGNATURE_BYTES + 8) /* flags and length of the extension */
#define FLAGS_CRITICAL  UINT32_C(0xffff0000)

double pg_get_f64(const char *p) {
    const uint64_t bits = pg_get_u64(p);
    double v = 0;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

const char *pg_type_name(enum column_type type) {
    switch (type) {
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
        return "bigint";
    case TYPE_FLOAT64:
        return "double precision";
    case TYPE_BOOL:
        return "boolean";
    case TYPE_TEXT:
    case TYPE_JSON:
        return "text";
    case TYPE_BYTES:
        return "bytea";
    case TYPE_INT256:
        return "numeric";
    }
    return "text";
}

/* ---- numeric ---- */

/* Digits of base 10000, most significant first; returns how many. */
static size_t groups_of(const struct int256 *v, uint16_t groups[PG_NUMERIC_DIGITS_MAX]) {
    size_t count = 0;
    if ((v->limb[1] | v->limb[2] | v->limb[3]) == 0) {
        uint16_t backwards[PG_NUMERIC_DIGITS_MAX];
        for (uint64_t rest = v->limb[0]; rest > 0; rest /= GROUP) {
            backwards[count++] = (uint16_t)(rest % GROUP);
        }
        for (size_t i = 0; i < count; i++) {
            groups[i] = backwards[count - 1 - i];
        }
        return count;
    }
    char text[INT256_TEXT_BYTES];
    const size_t len = int256_format(v, text);
    const char *digit = text + (v->negative ? 1 : 0);
    size_t left = len - (v->negative ? 1 : 0);
    while (left > 0) {
        const size_t take = left % GROUP_DIGITS == 0 ? GROUP_DIGITS : left % GROUP_DIGITS;
        unsigned group = 0;
        for (size_t i = 0; i < take; i++) {
            group = group * 10 + (unsigned)(*digit++ - '0');
        }
        groups[count++] = (uint16_t)group;
        left -= take;
    }
    return count;
}

size_t pg_numeric_encode(const struct int256 *v, uint8_t out[PG_NUMERIC_BYTES_MAX]) {
    uint16_t groups[PG_NUMERIC_DIGITS_MAX] = {0};
    const size_t count = groups_of(v, groups);
    size_t kept = count; /* zeros at the end are not written, the weight says they are there */
    while (kept > 0 && groups[kept - 1] == 0) {
        kept--;
    }
    char *p = (char *)out;
    p = pg_put_u16(p, (uint16_t)kept);
    p = pg_put_u16(p, (uint16_t)(count > 0 ? count - 1 : 0));
    p = pg_put_u16(p, v->negative ? SIGN_NEGATIVE : 0);
    p = pg_put_u16(p, 0);
    for (size_t i = 0; i < kept; i++) {
        p = pg_put_u16(p, groups[i]);
    }
    return (size_t)(p - (char *)out);
}

static enum err_code not_ours(struct err *err, const char *what) {
    return err_set(err, ERR_INPUT, "a numeric that is %s is no int256", what);
}

/* Head and digits are as they must be; *significant: digits up to the last that is not zero. */
static enum err_code numeric_check(struct str bytes, size_t *significant, struct err *err) {
    if (bytes.len < NUMERIC_HEAD || bytes.len != NUMERIC_HEAD + 2 * (size_t)pg_get_u16(bytes.ptr)) {
        return err_set(err, ERR_CORRUPT, "a numeric of %zu bytes is malformed", bytes.len);
    }
    const uint16_t sign = pg_get_u16(bytes.ptr + 4);
    if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) {
        return not_ours(err, "not a number, or infinite,");
    }
    if (sign != 0 && sign != SIGN_NEGATIVE) {
        return err_set(err, ERR_CORRUPT, "a numeric has the sign %04x", (unsigned)sign);
    }
    *significant = 0;
    const size_t count = pg_get_u16(bytes.ptr);
    for (size_t i = 0; i < count; i++) {
        const uint16_t digit = pg_get_u16(bytes.ptr + NUMERIC_HEAD + 2 * i);
        if (digit >= GROUP) {
            return err_set(err, ERR_CORRUPT, "a numeric has the digit %u", (unsigned)digit);
        }
        *significant = digit != 0 ? i + 1 : *significant;
    }
    return ERR_NONE;
}

enum err_code pg_numeric_decode(struct str bytes, struct int256 *out, struct err *err) {
    size_t significant = 0;
    enum err_code code = numeric_check(bytes, &significant, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (significant == 0) {
        *out = int256_from_i64(0);
        return ERR_NONE;
    }
    const int weight = (int16_t)pg_get_u16(bytes.ptr + 2);
    if (weight < 0 || (size_t)weight + 1 < significant) {
        return not_ours(err, "no whole number");
    }
    /* Zeros may lead, in what others wrote: they count against the weight, not against the limit. */
    size_t first = 0;
    while (pg_get_u16(bytes.ptr + NUMERIC_HEAD + 2 * first) == 0) {
        first++;
    }
    const size_t groups = (size_t)weight + 1 - first;
    if (groups > PG_NUMERIC_DIGITS_MAX) {
        return not_ours(err, "larger than 256 bits");
    }
    char text[1 + PG_NUMERIC_DIGITS_MAX * GROUP_DIGITS];
    size_t len = 0;
    if (pg_get_u16(bytes.ptr + 4) == SIGN_NEGATIVE) {
        text[len++] = '-';
    }
    for (size_t i = first; i < first + groups; i++) {
        unsigned digit = i < significant ? pg_get_u16(bytes.ptr + NUMERIC_HEAD + 2 * i) : 0;
        for (size_t k = GROUP_DIGITS; k-- > 0;) {
            text[len + k] = (char)('0' + digit % 10);
            digit /= 10;
        }
        len += GROUP_DIGITS;
    }
    struct int256 v;
    if (!int256_parse((struct str){text, len}, &v)) {
        return not_ours(err, "larger than 256 bits");
    }
    *out = v;
    return ERR_NONE;
}

/* ---- rows to bytes ---- */

void pg_copy_begin(struct buf *out) {
    buf_addstr(out, (struct str){signature, SIGNATURE_BYTES});
    buf_addstr(out, (struct str){"\0\0\0\0\0\0\0\0", 8});
}

void pg_copy_end(struct buf *out) {
    buf_addstr(out, STR("\377\377"));
}

/* No cell but text and bytes needs more room than this with its length. */
#define CELL_BYTES_MAX (4 + PG_NUMERIC_BYTES_MAX)

static bool is_long(enum column_type type) {
    return type == TYPE_TEXT || type == TYPE_JSON || type == TYPE_BYTES;
}

/* An upper bound of what the row takes. */
static enum err_code row_room(const struct rows *rows, size_t row, size_t *out, struct err *err) {
    size_t bytes = 2 + 12 + rows->schema->count * CELL_BYTES_MAX;
    for (size_t c = 0; c < rows->schema->count; c++) {
        const struct rows_column *column = &rows->columns[c];
        if (!is_long(column->type) || column->is_null[row]) {
            continue;
        }
        if (column->bytes[row].len > PG_FIELD_BYTES_MAX) {
            return err_set(
                err, ERR_LIMIT, "column '%s': a value of %zu bytes; PostgreSQL takes %zu at most",
                rows->schema->columns[c].name, column->bytes[row].len, PG_FIELD_BYTES_MAX);
        }
        bytes += column->bytes[row].len;
    }
    *out = bytes;
    return ERR_NONE;
}

static char *put_bytes(char *p, struct str s) {
    p = pg_put_u32(p, (uint32_t)s.len);
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    return p + s.len;
}

static char *put_int256(char *p, struct str encoded) {
    struct int256 v;
    const bool ok = int256_decode(encoded, &v);
    ASSERT(ok); /* cells of rows are int256 */
    const size_t len = pg_numeric_encode(&v, (uint8_t *)p + 4);
    return pg_put_u32(p, (uint32_t)len) + len;
}

static char *put_cell(char *p, const struct rows_column *column, size_t row) {
    if (column->is_null[row]) {
        return pg_put_u32(p, UINT32_MAX);
    }
    switch (column->type) {
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
        return pg_put_u64(pg_put_u32(p, 8), (uint64_t)column->integer[row]);
    case TYPE_BOOL:
        p = pg_put_u32(p, 1);
        *p = column->integer[row] != 0 ? 1 : 0;
        return p + 1;
    case TYPE_FLOAT64: {
        uint64_t bits = 0;
        memcpy(&bits, &column->real[row], sizeof(bits));
        return pg_put_u64(pg_put_u32(p, 8), bits);
    }
    case TYPE_TEXT:
    case TYPE_JSON:
    case TYPE_BYTES:
        return put_bytes(p, column->bytes[row]);
    case TYPE_INT256:
        return put_int256(p, column->bytes[row]);
    }
    return pg_put_u32(p, UINT32_MAX);
}

enum err_code pg_copy_rows(struct buf *out, const struct rows *rows, size_t low, size_t high,
                           const int64_t *place, struct err *err) {
    ASSERT(low <= high && high <= rows->count);
    const uint16_t fields = (uint16_t)(rows->schema->count + (place != NULL ? 1 : 0));
    for (size_t row = low; row < high; row++) {
        size_t room = 0;
        enum err_code code = row_room(rows, row, &room, err);
        if (code == ERR_NONE) {
            code = buf_reserve(out, room, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        char *p = pg_put_u16(out->data + out->len, fields);
        if (place != NULL) {
            p = pg_put_u64(pg_put_u32(p, 8), (uint64_t)(*place + rows->pos[row]));
        }
        for (size_t c = 0; c < rows->schema->count; c++) {
            p = put_cell(p, &rows->columns[c], row);
        }
        out->len = (size_t)(p - out->data);
        out->data[out->len] = '\0';
    }
    return ERR_NONE;
}

/* ---- bytes to rows ---- */

enum err_code pg_copy_read_begin(struct str *bytes, struct err *err) {
    if (bytes->len < HEADER_BYTES || memcmp(bytes->ptr, signature, SIGNATURE_BYTES) != 0) {
        return err_set(err, ERR_CORRUPT, "COPY: no binary header in %zu bytes", bytes->len);
    }
    const uint32_t flags = pg_get_u32(bytes->ptr + SIGNATURE_BYTES);
    const uint32_t extension = pg_get_u32(bytes->ptr + SIGNATURE_BYTES + 4);
    if ((flags & FLAGS_CRITICAL) != 0 || extension > bytes->len - HEADER_BYTES) {
        return err_set(err, ERR_CORRUPT,
                       "COPY: a header with flags %x and an extension of %u bytes", (unsigned)flags,
                       (unsigned)extension);
    }
    bytes->ptr += HEADER_BYTES + extension;
    bytes->len -= HEADER_BYTES + extension;
    return ERR_NONE;
}

static enum err_code wrong_size(const struct column *c, size_t len, struct err *err) {
    return err_set(err, ERR_CORRUPT, "column '%s': %zu bytes are no %s", c->name, len,
                   type_name(c->type));
}

static enum err_code read_cell(struct str cell, const struct column *c, uint8_t *scratch,
                               struct value *out, struct err *err) {
    switch (c->type) {
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
        if (cell.len != 8) {
            return wrong_size(c, cell.len, err);
        }
        out->integer = (int64_t)pg_get_u64(cell.ptr);
        return ERR_NONE;
    case TYPE_BOOL:
        if (cell.len != 1 || (cell.ptr[0] != 0 && cell.ptr[0] != 1)) {
            return wrong_size(c, cell.len, err);
        }
        out->integer = cell.ptr[0] != 0;
        return ERR_NONE;
    case TYPE_FLOAT64:
        if (cell.len != 8) {
            return wrong_size(c, cell.len, err);
        }
        out->real = pg_get_f64(cell.ptr);
        return ERR_NONE;
    case TYPE_TEXT:
    case TYPE_JSON:
    case TYPE_BYTES:
        out->bytes = cell;
        return ERR_NONE;
    case TYPE_INT256: {
        struct int256 v;
        enum err_code code = pg_numeric_decode(cell, &v, err);
        if (code != ERR_NONE) {
            return err_wrap(err, "column '%s'", c->name);
        }
        out->bytes = (struct str){(const char *)scratch, int256_encode(&v, scratch)};
        return ERR_NONE;
    }
    }
    return wrong_size(c, cell.len, err);
}

/* Takes a field's length and bytes off the front; len UINT32_MAX is NULL. */
static enum err_code read_field(struct str *bytes, const struct column *c, struct str *cell,
                                bool *is_null, struct err *err) {
    if (bytes->len < 4) {
        return err_set(err, ERR_CORRUPT, "COPY: the row ends before column '%s'", c->name);
    }
    const uint32_t len = pg_get_u32(bytes->ptr);
    *is_null = len == UINT32_MAX;
    const size_t take = *is_null ? 0 : len;
    if (take > bytes->len - 4) {
        return err_set(err, ERR_CORRUPT, "COPY: column '%s' has %zu bytes of %zu", c->name,
                       bytes->len - 4, take);
    }
    *cell = (struct str){bytes->ptr + 4, take};
    bytes->ptr += 4 + take;
    bytes->len -= 4 + take;
    return ERR_NONE;
}

enum err_code pg_copy_read_row(struct str *bytes, const struct schema *schema, uint8_t *scratch,
                               struct value *values, bool *end, struct err *err) {
    struct str rest = *bytes;
    if (rest.len < 2) {
        return err_set(err, ERR_CORRUPT, "COPY: %zu bytes are no row", rest.len);
    }
    const uint16_t fields = pg_get_u16(rest.ptr);
    rest = (struct str){rest.ptr + 2, rest.len - 2};
    *end = fields == UINT16_MAX;
    if (!*end && fields != schema->count) {
        return err_set(err, ERR_CORRUPT, "COPY: a row of %u columns, expected %zu",
                       (unsigned)fields, schema->count);
    }
    for (size_t i = 0; !*end && i < schema->count; i++) {
        const struct column *c = &schema->columns[i];
        struct str cell = {NULL, 0};
        bool is_null = false;
        enum err_code code = read_field(&rest, c, &cell, &is_null, err);
        values[i] = (struct value){.type = c->type, .is_null = is_null};
        if (code == ERR_NONE && !is_null) {
            code = read_cell(cell, c, scratch + i * INT256_ENCODED_MAX, &values[i], err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    *bytes = rest;
    return ERR_NONE;
}
