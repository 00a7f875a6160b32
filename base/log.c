/* Log lines: built in a buffer of fixed size and written by one write(2), so lines of threads do
 * not mix. Control characters of the formatted text are escaped: one call makes one line, whatever
 * the values hold. */
#include "base/log.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum log_level log_level_min = LOG_INFO;

struct line {
    char *text;
    size_t used;
    size_t room; /* without the end: "..." and newline */
    bool full;
};

void log_set_level(enum log_level level) {
    log_level_min = level;
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

static void begin(struct line *line, enum log_level level, const char *at) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    ASSERT((size_t)level < ARRAY_COUNT(names));
    char time[CLOCK_TEXT_BYTES];
    clock_format_us(clock_now_us(), time);
    put_c(line, "ts=");
    put_c(line, time);
    put_c(line, " level=");
    put_c(line, names[level]);
    put_c(line, " at=");
    put_escaped(line, str_of(at), false);
}

static void end(struct line *line) {
    if (line->full) {
        memcpy(line->text + line->used, "...", 3);
        line->used += 3;
    }
    line->text[line->used] = '\n';
    line->used++;
    size_t done = 0;
    while (done < line->used) {
        ssize_t written = write(STDERR_FILENO, line->text + done, line->used - done);
        if (written < 0 && errno != EINTR) {
            return; /* nobody is left to tell */
        }
        done += written > 0 ? (size_t)written : 0;
    }
}

void log_line(enum log_level level, const char *at, const char *fmt, ...) {
    if (level < log_level_min || level >= LOG_OFF) {
        return;
    }
    char values[LOG_LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(values, sizeof values, fmt, args);
    va_end(args);
    size_t len = wanted < 0                       ? 0
                 : (size_t)wanted < sizeof values ? (size_t)wanted
                                                  : sizeof values - 1;
    char text[LOG_LINE_BYTES];
    struct line line = {.text = text, .room = sizeof text - 4};
    begin(&line, level, at);
    put_c(&line, " ");
    put_escaped(&line, (struct str){values, len}, false);
    end(&line);
}

void log_error(const char *at, const struct err *err) {
    if (log_level_min > LOG_ERROR) {
        return;
    }
    char value[LOG_VALUE_BYTES];
    char text[LOG_LINE_BYTES];
    struct line line = {.text = text, .room = sizeof text - 4};
    begin(&line, LOG_ERROR, at);
    put_c(&line, " class=");
    put_c(&line, err_class(err->code));
    if (err->where[0] != '\0') {
        put_c(&line, " where=");
        put_c(&line, log_value(str_of(err->where), value));
    }
    put_c(&line, " error=\"");
    put_escaped(&line, str_of(err->message), true);
    put_c(&line, "\"");
    end(&line);
}
