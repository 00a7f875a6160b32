/* How it works: an argument is decoded to struct int256, computed with, and encoded again; a value
 * is at most 33 bytes, so all of it lives on the stack. Sums keep their wide state in SQLite's
 * aggregate context, which SQLite hands out zeroed: `used` tells a fresh one. Every sum has an
 * inverse, so it also works as a window function with a moving frame. */
#include "store/sqlite/sql_functions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rows/int256.h"

enum operation { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_NEG, OP_ABS };

/* What a function knows about itself (sqlite3_user_data). */
struct function {
    const char *name;
    int arguments;
    enum operation operation; /* of binary_call and unary_call */
    void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
    /* set for aggregates, which have no call */
    void (*step)(sqlite3_context *context, int argc, sqlite3_value **argv);
    void (*inverse)(sqlite3_context *context, int argc, sqlite3_value **argv);
    void (*value)(sqlite3_context *context);
};

#define TYPE_NAMES 6
static const char *const type_texts[TYPE_NAMES] = {"?", "INTEGER", "REAL", "TEXT", "BLOB", "NULL"};

static const char *type_text(sqlite3_value *v) {
    int type = sqlite3_value_type(v);
    return type_texts[type > 0 && type < TYPE_NAMES ? type : 0];
}

static void fail(sqlite3_context *context, const char *problem) {
    const struct function *f = sqlite3_user_data(context);
    char *message = sqlite3_mprintf("%s(): %s", f->name, problem);
    if (message == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, message, -1);
    sqlite3_free(message);
}

#define PROBLEM_BYTES 200

static void fail_argument(sqlite3_context *context, int index, sqlite3_value *v,
                          const char *wanted) {
    char problem[PROBLEM_BYTES];
    (void)snprintf(problem, sizeof(problem), "argument %d is %s, wanted %s", index + 1,
                   type_text(v), wanted);
    fail(context, problem);
}

/* ---- int256 arguments and results ---- */

static struct str blob_of(sqlite3_value *v) {
    const void *bytes = sqlite3_value_blob(v); /* before _bytes, as SQLite asks for */
    return (struct str){bytes, (size_t)sqlite3_value_bytes(v)};
}

static struct str text_of(sqlite3_value *v) {
    const void *text = sqlite3_value_text(v);
    return (struct str){text, (size_t)sqlite3_value_bytes(v)};
}

/* False after an error was reported. Not for NULL. */
static bool int256_argument(sqlite3_context *context, int index, sqlite3_value *v,
                            struct int256 *out) {
    int type = sqlite3_value_type(v);
    if (type == SQLITE_INTEGER) {
        *out = int256_from_i64(sqlite3_value_int64(v));
        return true;
    }
    if (type != SQLITE_BLOB) {
        fail_argument(context, index, v, "an int256 (see i256()) or an INTEGER");
        return false;
    }
    if (!int256_decode(blob_of(v), out)) {
        fail_argument(context, index, v, "an int256: these bytes are none");
        return false;
    }
    return true;
}

static void int256_result(sqlite3_context *context, const struct int256 *v) {
    uint8_t encoded[INT256_ENCODED_MAX];
    size_t len = int256_encode(v, encoded);
    sqlite3_result_blob(context, encoded, (int)len, SQLITE_TRANSIENT);
}

static bool is_null(sqlite3_value *v) {
    return sqlite3_value_type(v) == SQLITE_NULL;
}

/* ---- conversions ---- */

#define QUOTED_BYTES 80

/* As int256_argument, of a text, too: the decimal or 0x number it says. */
static bool number_argument(sqlite3_context *context, sqlite3_value *v, struct int256 *out) {
    if (sqlite3_value_type(v) != SQLITE_TEXT) {
        return int256_argument(context, 0, v, out);
    }
    struct str text = text_of(v);
    if (int256_parse(text, out)) {
        return true;
    }
    char quoted[QUOTED_BYTES];
    str_printable(text, quoted, sizeof(quoted));
    char problem[PROBLEM_BYTES];
    (void)snprintf(problem, sizeof(problem), "'%s' is no decimal or 0x number of up to 256 bits",
                   quoted);
    fail(context, problem);
    return false;
}

static void i256_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (!is_null(argv[0]) && number_argument(context, argv[0], &v)) {
        int256_result(context, &v);
    }
}

static void text_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    char text[INT256_TEXT_BYTES];
    size_t len = int256_format(&v, text);
    sqlite3_result_text(context, text, (int)len, SQLITE_TRANSIENT);
}

#define LIMBS       4
#define LIMB_DIGITS 16
#define HEX_BYTES   (sizeof("-0x") + LIMBS * LIMB_DIGITS)

static void hex_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    char digits[LIMBS * LIMB_DIGITS + 1];
    for (size_t i = 0; i < LIMBS; i++) {
        (void)snprintf(digits + i * LIMB_DIGITS, LIMB_DIGITS + 1, "%016" PRIx64,
                       v.limb[LIMBS - 1 - i]);
    }
    size_t zeros = strspn(digits, "0");
    const char *significant = digits + (zeros == LIMBS * LIMB_DIGITS ? zeros - 1 : zeros);
    char text[HEX_BYTES];
    (void)snprintf(text, sizeof(text), "%s0x%s", v.negative ? "-" : "", significant);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void real_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (!is_null(argv[0]) && int256_argument(context, 0, argv[0], &v)) {
        sqlite3_result_double(context, int256_to_double(&v));
    }
}

static void int_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    int64_t result = 0;
    if (!int256_to_i64(&v, &result)) {
        fail(context, "the number does not fit 64 bits");
        return;
    }
    sqlite3_result_int64(context, result);
}

/* ---- arithmetic ---- */

static void unary_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    const struct function *f = sqlite3_user_data(context);
    if (f->operation == OP_NEG || v.negative) { /* otherwise the absolute value is v itself */
        v = int256_negate(&v);
    }
    int256_result(context, &v);
}

static bool compute(enum operation operation, const struct int256 *a, const struct int256 *b,
                    struct int256 *out) {
    struct int256 unwanted;
    switch (operation) {
    case OP_ADD:
        return int256_add(a, b, out);
    case OP_SUB:
        return int256_sub(a, b, out);
    case OP_MUL:
        return int256_mul(a, b, out);
    case OP_DIV:
        return int256_div(a, b, out, &unwanted);
    case OP_MOD:
        return int256_div(a, b, &unwanted, out);
    case OP_NEG:
    case OP_ABS:
        break;
    }
    return false;
}

/* Both arguments, or false when one is NULL or an error was reported. */
static bool pair_arguments(sqlite3_context *context, sqlite3_value **argv, struct int256 *a,
                           struct int256 *b) {
    if (is_null(argv[0]) || is_null(argv[1])) {
        return false;
    }
    return int256_argument(context, 0, argv[0], a) && int256_argument(context, 1, argv[1], b);
}

static void binary_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 a;
    struct int256 b;
    if (!pair_arguments(context, argv, &a, &b)) {
        return;
    }
    const struct function *f = sqlite3_user_data(context);
    bool divides = f->operation == OP_DIV || f->operation == OP_MOD;
    if (divides && int256_is_zero(&b)) {
        fail(context, "division by zero");
        return;
    }
    struct int256 result;
    if (!compute(f->operation, &a, &b, &result)) {
        fail(context, "the result does not fit 256 bits");
        return;
    }
    int256_result(context, &result);
}

static void cmp_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 a;
    struct int256 b;
    if (pair_arguments(context, argv, &a, &b)) {
        int order = int256_compare(&a, &b);
        sqlite3_result_int(context, (order > 0) - (order < 0));
    }
}

/* ---- i256_sum ---- */

/* With a second argument, its sign says whether the first is added or taken away. */
static bool is_taken_away(int argc, sqlite3_value **argv) {
    return argc == 2 && sqlite3_value_int64(argv[1]) < 0;
}

struct wide_sum {
    struct int256_sum sum;
    bool used;
};

/* The aggregate's state, or NULL after an error was reported. */
static struct int256_sum *wide_state(sqlite3_context *context) {
    struct wide_sum *state = sqlite3_aggregate_context(context, sizeof(*state));
    if (state == NULL) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    if (!state->used) {
        int256_sum_init(&state->sum);
        state->used = true;
    }
    return &state->sum;
}

static void sum_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    struct int256_sum *sum = wide_state(context);
    if (sum != NULL) {
        int256_sum_add(sum, &v);
    }
}

static void sum_inverse(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (is_null(argv[0]) || !int256_argument(context, 0, argv[0], &v)) {
        return;
    }
    struct int256_sum *sum = wide_state(context);
    if (sum != NULL) {
        int256_sum_sub(sum, &v);
    }
}

/* Amounts are what i256() takes. */
static void amount_add(sqlite3_context *context, sqlite3_value *amount, bool negate) {
    struct int256 v;
    if (is_null(amount) || !number_argument(context, amount, &v)) {
        return;
    }
    struct int256_sum *sum = wide_state(context);
    if (sum != NULL && negate) {
        int256_sum_sub(sum, &v);
    } else if (sum != NULL) {
        int256_sum_add(sum, &v);
    }
}

static void amount_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
    amount_add(context, argv[0], is_taken_away(argc, argv));
}

static void amount_inverse(sqlite3_context *context, int argc, sqlite3_value **argv) {
    amount_add(context, argv[0], !is_taken_away(argc, argv));
}

static void sum_value(sqlite3_context *context) {
    struct int256 result = int256_from_i64(0);
    const struct wide_sum *state = sqlite3_aggregate_context(context, 0);
    if (state != NULL && state->used && !int256_sum_get(&state->sum, &result)) {
        fail(context, "the sum does not fit 256 bits");
        return;
    }
    int256_result(context, &result);
}

/* ---- sums of INTEGERs ---- */

/* 128 bits, two's complement: 2^63 addends fit. Two halves because C17 has no wider integer. */
struct long_sum {
    uint64_t low;
    int64_t high;
};

static void long_sum_add(sqlite3_context *context, sqlite3_value *v, bool negate) {
    if (is_null(v)) {
        return;
    }
    if (sqlite3_value_type(v) != SQLITE_INTEGER) {
        fail_argument(context, 0, v, "an INTEGER");
        return;
    }
    struct long_sum *sum = sqlite3_aggregate_context(context, sizeof(*sum));
    if (sum == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    int64_t x = sqlite3_value_int64(v);
    uint64_t low = (uint64_t)x;
    uint64_t before = sum->low;
    if (negate) {
        sum->low -= low;
        sum->high -= (x < 0 ? -1 : 0) + (sum->low > before ? 1 : 0);
    } else {
        sum->low += low;
        sum->high += (x < 0 ? -1 : 0) + (sum->low < before ? 1 : 0);
    }
}

static void isum_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
    long_sum_add(context, argv[0], is_taken_away(argc, argv));
}

static void isum_inverse(sqlite3_context *context, int argc, sqlite3_value **argv) {
    long_sum_add(context, argv[0], !is_taken_away(argc, argv));
}

static void isum_value(sqlite3_context *context) {
    const struct long_sum *sum = sqlite3_aggregate_context(context, 0);
    int64_t result = sum == NULL ? 0 : (int64_t)sum->low;
    int64_t high = sum == NULL ? 0 : sum->high;
    if (high != (result < 0 ? -1 : 0)) {
        fail(context, "the sum does not fit 64 bits");
        return;
    }
    sqlite3_result_int64(context, result);
}

static void iadd_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    int64_t sum = 0;
    for (int i = 0; i < argc; i++) {
        if (is_null(argv[i])) {
            continue;
        }
        if (sqlite3_value_type(argv[i]) != SQLITE_INTEGER) {
            fail_argument(context, i, argv[i], "an INTEGER");
            return;
        }
        if (__builtin_add_overflow(sum, (int64_t)sqlite3_value_int64(argv[i]), &sum)) {
            fail(context, "the result does not fit 64 bits");
            return;
        }
    }
    sqlite3_result_int64(context, sum);
}

/* ---- cells whose type SQLite does not know: _plumb_bool(value, 'column') ... ---- */

static void cell_wrong(sqlite3_context *context, sqlite3_value **argv, const char *problem) {
    char *message = sqlite3_mprintf("column '%s' %s", sqlite3_value_text(argv[1]), problem);
    if (message == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, message, -1);
    sqlite3_free(message);
}

static void bool_cell_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    int64_t v = is_null(argv[0]) ? 0 : sqlite3_value_int64(argv[0]);
    if (v != 0 && v != 1) {
        cell_wrong(context, argv, "is a bool: 0, 1 or NULL");
        return;
    }
    sqlite3_result_value(context, argv[0]);
}

static void int256_cell_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct int256 v;
    if (!is_null(argv[0]) &&
        (sqlite3_value_type(argv[0]) != SQLITE_BLOB || !int256_decode(blob_of(argv[0]), &v))) {
        cell_wrong(context, argv, "is an int256: make one with i256(...)");
        return;
    }
    sqlite3_result_value(context, argv[0]);
}

static void text_cell_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_TEXT && !str_is_utf8(text_of(argv[0]))) {
        cell_wrong(context, argv, "is no text: its bytes are not UTF-8");
        return;
    }
    sqlite3_result_value(context, argv[0]);
}

/* ---- the table ---- */

static const struct function functions[] = {
    {.name = "i256", .arguments = 1, .call = i256_call},
    {.name = "i256_text", .arguments = 1, .call = text_call},
    {.name = "i256_hex", .arguments = 1, .call = hex_call},
    {.name = "i256_to_real", .arguments = 1, .call = real_call},
    {.name = "i256_to_int", .arguments = 1, .call = int_call},
    {.name = "i256_add", .arguments = 2, .operation = OP_ADD, .call = binary_call},
    {.name = "i256_sub", .arguments = 2, .operation = OP_SUB, .call = binary_call},
    {.name = "i256_mul", .arguments = 2, .operation = OP_MUL, .call = binary_call},
    {.name = "i256_div", .arguments = 2, .operation = OP_DIV, .call = binary_call},
    {.name = "i256_mod", .arguments = 2, .operation = OP_MOD, .call = binary_call},
    {.name = "i256_neg", .arguments = 1, .operation = OP_NEG, .call = unary_call},
    {.name = "i256_abs", .arguments = 1, .operation = OP_ABS, .call = unary_call},
    {.name = "i256_cmp", .arguments = 2, .call = cmp_call},
    {.name = "i256_sum",
     .arguments = 1,
     .step = sum_step,
     .inverse = sum_inverse,
     .value = sum_value},
    {.name = "_plumb_i256_sum",
     .arguments = 2,
     .step = amount_step,
     .inverse = amount_inverse,
     .value = sum_value},
    {.name = "_plumb_isum",
     .arguments = 1,
     .step = isum_step,
     .inverse = isum_inverse,
     .value = isum_value},
    {.name = "_plumb_isum",
     .arguments = 2,
     .step = isum_step,
     .inverse = isum_inverse,
     .value = isum_value},
    {.name = "_plumb_iadd", .arguments = 2, .call = iadd_call},
    {.name = "_plumb_bool", .arguments = 2, .call = bool_cell_call},
    {.name = "_plumb_int256", .arguments = 2, .call = int256_cell_call},
    {.name = "_plumb_text", .arguments = 2, .call = text_cell_call},
};

static int function_register(sqlite3 *db, const struct function *f) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    /* SQLite hands the pointer back and never writes through it. */
    void *self = (void *)(uintptr_t)f;
    if (f->call != NULL) {
        return sqlite3_create_function_v2(db, f->name, f->arguments, flags, self, f->call, NULL,
                                          NULL, NULL);
    }
    return sqlite3_create_window_function(db, f->name, f->arguments, flags, self, f->step, f->value,
                                          f->value, f->inverse, NULL);
}

enum err_code sql_functions_register(sqlite3 *db, struct err *err) {
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        int rc = function_register(db, &functions[i]);
        if (rc != SQLITE_OK) {
            enum err_code code = rc == SQLITE_NOMEM ? ERR_LIMIT : ERR_INTERNAL;
            err_set(err, code, "SQLite: cannot register the function %s: %s", functions[i].name,
                    sqlite3_errmsg(db));
            err->origin = rc;
            return code;
        }
    }
    return ERR_NONE;
}
