/* How values become cells: the column's type says which kind of JSON value it takes and how that is
 * read, exactly; everything else is a fault that says what is wrong with the value. */
#include "rows/decode_json.h"

#include "base/clock.h"

static enum err_code plain_text(struct decoder *d, const struct json_item *item, struct str *out,
                                struct err *err) {
    struct str inside = {item->raw.ptr + 1, item->raw.len - 2};
    if (!item->has_escape) {
        *out = inside;
        return ERR_NONE;
    }
    void *plain = NULL;
    enum err_code code = arena_alloc(d->arena, inside.len, &plain, err);
    if (code == ERR_NONE) {
        *out = (struct str){plain, json_unescape(inside, plain)};
    }
    return code;
}

static void set_integer(struct decoder *d, size_t column, const struct json_item *item,
                        const struct cell_origin *o) {
    if (LIKELY(item->kind == FIELD_INTEGER && item->number.fits)) {
        cell_set_integer(d, column, item->number.integer, o);
    } else if (item->kind == FIELD_INTEGER) {
        decode_cell_fault(d, REJECT_RANGE, column, o, "is beyond what an int64 holds");
    } else if (item->kind == FIELD_NUMBER) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not an int64: it %s",
                          item->number.has_exponent ? "is written with an exponent"
                                                    : "has a fraction");
    } else {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not an int64");
    }
}

static void set_real(struct decoder *d, size_t column, const struct json_item *item,
                     const struct cell_origin *o) {
    double v = 0;
    if ((item->kind & (FIELD_INTEGER | FIELD_NUMBER)) == 0) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not a float64");
    } else if (!json_number_to_double(item->raw, &v)) {
        decode_cell_fault(d, REJECT_RANGE, column, o, "is beyond what a float64 holds");
    } else {
        cell_set_real(d, column, v, o);
    }
}

static enum err_code set_timestamp(struct decoder *d, size_t column, const struct json_item *item,
                                   const struct cell_origin *o, struct err *err) {
    int64_t unit = d->rules[column].column->timestamp_unit_us;
    if (item->kind == FIELD_STRING) {
        struct str text = {0};
        int64_t us = 0;
        enum err_code code = plain_text(d, item, &text, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (clock_parse(text, &us)) {
            cell_set_integer(d, column, us, o);
            return ERR_NONE;
        }
    } else if (unit != 0 && item->kind == FIELD_INTEGER) {
        if (item->number.fits) {
            cell_set_instant(d, column, item->number.integer, o);
        } else {
            decode_cell_fault(d, REJECT_RANGE, column, o, "is outside the years 0001 to 9999");
        }
        return ERR_NONE;
    } else if (unit != 0 && item->kind == FIELD_NUMBER) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not a whole number of the declared unit");
        return ERR_NONE;
    }
    decode_cell_fault(d, REJECT_TYPE, column, o, "is not a timestamp (\"2026-01-31T12:00:00Z\"%s)",
                      unit == 0 ? "" : " or a whole number");
    return ERR_NONE;
}

/* The value's exact text, without white space between its tokens. */
static enum err_code set_json(struct decoder *d, size_t column, const struct json_item *item,
                              const struct cell_origin *o, struct err *err) {
    struct str text = item->raw;
    if (item->has_space) {
        void *copy = NULL;
        enum err_code code = arena_alloc(d->arena, text.len, &copy, err);
        if (code != ERR_NONE) {
            return code;
        }
        text = (struct str){copy, json_minify(text, copy)};
    }
    cell_set_bytes(d, column, text, o);
    return ERR_NONE;
}

/* Columns whose value is a string with a form of its own, and int256, which may be a number. */
static enum err_code set_string(struct decoder *d, size_t column, const struct json_item *item,
                                const struct cell_origin *o, struct err *err) {
    enum column_type type = d->rules[column].type;
    if (type == TYPE_INT256 && item->kind == FIELD_INTEGER) {
        return cell_set_int256(d, column, item->raw, o, err);
    }
    if (item->kind != FIELD_STRING) {
        bool is_fraction = type == TYPE_INT256 && item->kind == FIELD_NUMBER;
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not %s%s",
                          type == TYPE_TEXT    ? "text (a string)"
                          : type == TYPE_BYTES ? "bytes: \"0x\" and hex digits"
                                               : "an int256",
                          !is_fraction                ? ""
                          : item->number.has_exponent ? ": it is written with an exponent"
                                                      : ": it has a fraction");
        return ERR_NONE;
    }
    struct str text = {0};
    enum err_code code = plain_text(d, item, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (type == TYPE_INT256) {
        return cell_set_int256(d, column, text, o, err);
    }
    if (type == TYPE_BYTES) {
        return cell_set_hex(d, column, text, o, err);
    }
    if (item->has_escape) {
        cell_set_text(d, column, text, o);
    } else {
        cell_set_bytes(d, column, text, o); /* a NUL can only come from an escape */
    }
    return ERR_NONE;
}

enum err_code json_cell_set(struct decoder *d, size_t column, const struct json_item *item,
                            const struct cell_origin *o, struct err *err) {
    switch (d->rules[column].type) {
    case TYPE_INT64:
        set_integer(d, column, item, o);
        return ERR_NONE;
    case TYPE_FLOAT64:
        set_real(d, column, item, o);
        return ERR_NONE;
    case TYPE_BOOL:
        if (item->kind == FIELD_BOOL) {
            cell_set_integer(d, column, item->is_true, o);
        } else {
            decode_cell_fault(d, REJECT_TYPE, column, o, "is not a bool (true or false)");
        }
        return ERR_NONE;
    case TYPE_TIMESTAMP:
        return set_timestamp(d, column, item, o, err);
    case TYPE_JSON:
        return set_json(d, column, item, o, err);
    case TYPE_TEXT:
    case TYPE_BYTES:
    case TYPE_INT256:
        return set_string(d, column, item, o, err);
    }
    ASSERT(false);
}
