/* Log lines: built in a buffer of fixed size and written by one write(2), so lines of threads do
 * not mix. Control characters of the formatted text are escaped: one call makes one line, whatever
 * the values hold. A JSON line is made from the same text (log_json.c), so that no caller knows of
 * formats. */
#include "base/log.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JSON_LINE_BYTES_MAX ((size_t)6 * LOG_LINE_BYTES + 1024) /* every byte as \u00xx */

enum log_level log_level_min = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
static pthread_mutex_t flow_lock = PTHREAD_MUTEX_INITIALIZER; /* guards flow_name */
static char flow_name[LOG_FLOW_BYTES];

struct line {
    char *text;
    size_t used;
    size_t room; /* without the end: "..." and newline */
    bool full;
};

void log_set_level(enum log_level level) {
    log_level_min = level;
}

void log_set_format(enum log_format format) {
    log_format = format;
}

void log_set_flow(const char *name) {
    (void)pthread_mutex_lock(&flow_lock);
    (void)snprintf(flow_name, sizeof flow_name, "%s", name);
    (void)pthread_mutex_unlock(&flow_lock);
}

static void get_flow(char out[LOG_FLOW_BYTES]) {
    (void)pthread_mutex_lock(&flow_lock);
    memcpy(out, flow_name, LOG_FLOW_BYTES);
    (void)pthread_mutex_unlock(&flow_lock);
}

static void put(struct line *line, const char *text, size_t len) {
    if (line->full || len > line->room - line->used) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->used, text, len);
    line->used += len;
}

static void put_c(struct line *line, const char *text) {
    put(line, text, strlen(text));
}

/* Text with controls and broken UTF-8 escaped; quotes and backslashes too when inside quotes. */
static void put_escaped(struct line *line, struct str s, bool quoted) {
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    while (at < s.len && !line->full) {
        uint32_t code = 0;
        size_t size = str_utf8_size((struct str){s.ptr + at, s.len - at}, &code);
        unsigned char byte = (unsigned char)s.ptr[at];
        if (size == 0 || code < 0x20U || code == 0x7FU) {
            const char escape[] = {'\\', 'x', hex[byte >> 4], hex[byte & 15U]};
            const char *brief = byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
            bool is_brief = byte == '\n' || byte == '\r' || byte == '\t';
            put(line, is_brief ? brief : escape, is_brief ? 2 : sizeof escape);
            at++;
            continue;
        }
        if (quoted && (byte == '"' || byte == '\\')) {
            const char escape[] = {'\\', (char)byte};
            put(line, escape, sizeof escape);
        } else {
            put(line, s.ptr + at, size);
        }
        at += size;
    }
}

static bool needs_quotes(struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7FU) {
            return true;
        }
    }
    return s.len == 0;
}

const char *log_value(struct str text, char out[LOG_VALUE_BYTES]) {
    struct line line = {.text = out, .room = LOG_VALUE_BYTES - 5};
    bool quoted = needs_quotes(text);
    put(&line, "\"", quoted ? 1 : 0);
    put_escaped(&line, text, quoted);
    if (line.full) {
        memcpy(out + line.used, "...", 3);
        line.used += 3;
    }
    if (quoted) {
        out[line.used] = '"';
        line.used++;
    }
    out[line.used] = '\0';
    return out;
}

static const char *level_name(enum log_level level) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    ASSERT((size_t)level < ARRAY_COUNT(names));
    return names[level];
}

static void write_all(const char *text, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t written = write(STDERR_FILENO, text + done, len - done);
        if (written < 0 && errno != EINTR) {
            return; /* nobody is left to tell */
        }
        done += written > 0 ? (size_t)written : 0;
    }
}

static void finish(struct line *line) {
    if (line->full) {
        memcpy(line->text + line->used, "...", 3);
        line->used += 3;
    }
}

static void write_json(enum log_level level, const char *at, const char *time, struct str values) {
    AUTO_BUF out = BUF_INIT(JSON_LINE_BYTES_MAX);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_kv_c(&w, "ts", time);
    json_kv_c(&w, "level", level_name(level));
    json_kv_c(&w, "at", at);
    log_json_fields(values, &w);
    json_end_object(&w);
    if (buf_add(&out, "\n", 1, &(struct err)ERR_INIT) == ERR_NONE) {
        write_all(buf_c(&out), out.len);
    }
}

/* values: as they were formatted, whatever they hold. */
static void emit(enum log_level level, const char *at, struct str values) {
    char flow[LOG_FLOW_BYTES];
    char quoted[LOG_VALUE_BYTES];
    char time[CLOCK_TEXT_BYTES];
    char text[LOG_LINE_BYTES];
    struct line line = {.text = text, .room = sizeof text - 4};
    const bool is_json = log_format == LOG_JSON;
    get_flow(flow);
    clock_format_us(clock_now_us(), time);
    if (!is_json) {
        put_c(&line, "ts=");
        put_c(&line, time);
        put_c(&line, " level=");
        put_c(&line, level_name(level));
        put_c(&line, " at=");
        put_escaped(&line, str_of(at), false);
        put_c(&line, " ");
    }
    if (flow[0] != '\0' && !str_starts_with(values, STR("flow="))) {
        put_c(&line, "flow=");
        put_c(&line, log_value(str_of(flow), quoted));
        put_c(&line, " ");
    }
    put_escaped(&line, values, false);
    finish(&line);
    if (is_json) {
        write_json(level, at, time, (struct str){line.text, line.used});
        return;
    }
    line.text[line.used] = '\n';
    write_all(line.text, line.used + 1);
}

PRINTF_LIKE(2, 0)
static struct str format(char out[LOG_LINE_BYTES], const char *fmt, va_list args) {
    const int wanted = vsnprintf(out, LOG_LINE_BYTES, fmt, args);
    const size_t len = wanted < 0 ? 0 : (size_t)wanted;
    return (struct str){out, len < LOG_LINE_BYTES ? len : LOG_LINE_BYTES - 1};
}

void log_line(enum log_level level, const char *at, const char *fmt, ...) {
    if (level < log_level_min || level >= LOG_OFF) {
        return;
    }
    char values[LOG_LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    const struct str text = format(values, fmt, args);
    va_end(args);
    emit(level, at, text);
}

static void emit_error(const char *at, const struct err *err, struct str first) {
    char value[LOG_VALUE_BYTES];
    char text[LOG_LINE_BYTES];
    struct line line = {.text = text, .room = sizeof text - 4};
    put_escaped(&line, first, false);
    put_c(&line, first.len > 0 ? " class=" : "class=");
    put_c(&line, err_class(err->code));
    if (err->where[0] != '\0') {
        put_c(&line, " where=");
        put_c(&line, log_value(str_of(err->where), value));
    }
    put_c(&line, " error=\"");
    put_escaped(&line, str_of(err->message), true);
    put_c(&line, "\"");
    finish(&line);
    emit(LOG_ERROR, at, (struct str){line.text, line.used});
}

void log_error(const char *at, const struct err *err) {
    if (log_level_min <= LOG_ERROR) {
        emit_error(at, err, STR(""));
    }
}

void log_error_with(const char *at, const struct err *err, const char *fmt, ...) {
    if (log_level_min > LOG_ERROR) {
        return;
    }
    char values[LOG_LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    const struct str text = format(values, fmt, args);
    va_end(args);
    emit_error(at, err, text);
}
