/* How it works: styles are the eight basic colours of every terminal, written around the text. */
#include "cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUTPUT_COLUMNS_MIN 40

static int terminal_columns(void) {
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < OUTPUT_COLUMNS_MIN) {
        return 80;
    }
    return size.ws_col;
}

void output_init(struct output *o) {
    *o = (struct output){.columns = 0};
    buf_init(&o->text, BUF_TEXT_MAX);
    if (isatty(STDOUT_FILENO) == 1) {
        const char *no_color = getenv("NO_COLOR");
        const char *term = getenv("TERM");
        o->colour = (no_color == NULL || no_color[0] == '\0') &&
                    (term == NULL || strcmp(term, "dumb") != 0);
        o->columns = terminal_columns();
    }
}

void output_release(struct output *o) {
    buf_release(&o->text);
}

int output_flush(struct output *o, int code) {
    const size_t written = fwrite(buf_c(&o->text), 1, o->text.len, stdout);
    const bool failed = written != o->text.len || fflush(stdout) != 0;
    buf_clear(&o->text);
    return failed ? EXIT_FAILURE : code;
}

static void add_formatted(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void add_formatted(struct buf *b, const char *fmt, va_list args) {
    char *text = NULL;
    const int len = vasprintf(&text, fmt, args);
    ASSERT(len >= 0);
    buf_addstr(b, (struct str){text, (size_t)len});
    free(text);
}

void output_add(struct output *o, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    add_formatted(&o->text, fmt, args);
    va_end(args);
}

void output_style(struct output *o, enum style style) {
    static const char *const codes[] = {
        [STYLE_PLAIN] = "\x1b[0m", [STYLE_STRONG] = "\x1b[1m", [STYLE_DIM] = "\x1b[2m",
        [STYLE_GOOD] = "\x1b[32m", [STYLE_WARN] = "\x1b[33m",  [STYLE_BAD] = "\x1b[31m"};
    if (o->colour) {
        buf_adds(&o->text, codes[style]);
    }
}

void output_styled(struct output *o, enum style style, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    if (style != STYLE_PLAIN) {
        output_style(o, style);
    }
    add_formatted(&o->text, fmt, args);
    if (style != STYLE_PLAIN) {
        output_style(o, STYLE_PLAIN);
    }
    va_end(args);
}

char *output_printable(struct str data) {
    const size_t bytes = data.len + 1; /* what is not shown becomes one byte, so it fits */
    char *text = mem_alloc(bytes);
    str_printable(data, text, bytes);
    return text;
}

void output_data(struct output *o, struct str data) {
    char *text = output_printable(data);
    buf_adds(&o->text, text);
    mem_free(text);
}

size_t output_width(const char *text) {
    size_t width = 0;
    for (const char *at = text; *at != '\0'; at++) {
        width += ((unsigned char)*at & 0xC0U) != 0x80U;
    }
    return width;
}

void output_number(int64_t n, char out[OUTPUT_NUMBER_BYTES]) {
    char digits[OUTPUT_NUMBER_BYTES];
    const int len = snprintf(digits, sizeof digits, "%" PRIu64,
                             n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n);
    size_t used = 0;
    if (n < 0) {
        out[used++] = '-';
    }
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

/* n / unit with one digit after the point, rounded half up; whole numbers, so that no locale and no
 * rounding mode matters. */
static void tenths(int64_t n, int64_t unit, const char *name, char out[OUTPUT_NUMBER_BYTES]) {
    int64_t whole = n / unit;
    int64_t tenth = (n % unit * 10 + unit / 2) / unit; /* unit is at most a TiB: it fits */
    if (tenth >= 10) {
        whole++;
        tenth = 0;
    }
    (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%" PRId64 ".%" PRId64 " %s", whole, tenth, name);
}

void output_bytes(int64_t n, char out[OUTPUT_NUMBER_BYTES]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (n < 1024) {
        (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%" PRId64 " B", n);
        return;
    }
    int64_t unit_bytes = 1024;
    size_t unit = 0;
    while (n / unit_bytes >= 1000 && unit + 1 < ARRAY_COUNT(units)) {
        unit_bytes *= 1024;
        unit++;
    }
    tenths(n, unit_bytes, units[unit], out);
}

void output_duration(int64_t us, char out[OUTPUT_NUMBER_BYTES]) {
    if (us < 1000) {
        (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%" PRId64 " us", us);
    } else if (us < 1000000) {
        tenths(us, 1000, "ms", out);
    } else if (us < 60000000) {
        tenths(us, 1000000, "s", out);
    } else if (us < INT64_C(3600000000)) {
        (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%" PRId64 " m %" PRId64 " s", us / 60000000,
                       us / 1000000 % 60);
    } else {
        (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%" PRId64 " h %" PRId64 " m", us / 3600000000,
                       us / 60000000 % 60);
    }
}

void output_ago(int64_t then_us, int64_t now_us, char out[OUTPUT_NUMBER_BYTES]) {
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    int64_t seconds = 0;
    const bool overflow = __builtin_sub_overflow(now_us, then_us, &seconds);
    seconds /= 1000000;
    if (overflow) {
        (void)snprintf(out, OUTPUT_NUMBER_BYTES, "long ago or to come");
        return;
    }
    const bool is_ahead = seconds < -1;
    seconds = is_ahead ? -seconds : seconds;
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        /* Two units of a kind before it is used: 90 s say more than 1 m. */
        if (seconds >= units[i].seconds * 2 || (i + 1 == ARRAY_COUNT(units) && seconds >= 1)) {
            (void)snprintf(out, OUTPUT_NUMBER_BYTES, "%s%" PRId64 " %s%s", is_ahead ? "in " : "",
                           seconds / units[i].seconds, units[i].name, is_ahead ? "" : " ago");
            return;
        }
    }
    (void)snprintf(out, OUTPUT_NUMBER_BYTES, "just now");
}

void output_count(struct buf *out, size_t n, const char *one) {
    char number[OUTPUT_NUMBER_BYTES];
    output_number((int64_t)n, number);
    const bool es = n != 1 && str_ends_with(str_of(one), STR("ch"));
    buf_addf(out, "%s %s%s", number, one, n == 1 ? "" : es ? "es" : "s");
}

void json_output_begin(struct json_output *o) {
    output_init(&o->out);
    json_writer_init(&o->json, &o->out.text);
    o->json.pretty = true;
}

void json_output_error(struct json_output *o, const struct err *err) {
    json_key(&o->json, "error");
    json_begin_object(&o->json);
    json_kv_c(&o->json, "class", err_class(err->code));
    json_kv_c(&o->json, "where", err->where);
    json_kv_c(&o->json, "message", err->message);
    json_end_object(&o->json);
}

int json_output_end(struct json_output *o, int code) {
    output_add(&o->out, "\n");
    const int exit_code = output_flush(&o->out, code);
    output_release(&o->out);
    return exit_code;
}
