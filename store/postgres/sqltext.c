/* How it works: one pass over the text. At each place the longest thing that must not be touched is
 * taken whole and copied; a parameter or a byte literal is rewritten; anything else is one byte.
 * pg_sql_place makes the same pass and counts characters of the output until it has enough. */
#include "store/postgres/sqltext.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define SHORT_HASH_BYTES 17 /* ~ and 16 digits */

void pg_short_name(struct str name, char out[PG_IDENTIFIER_BYTES]) {
    size_t kept = name.len;
    if (name.len >= PG_IDENTIFIER_BYTES) {
        kept = PG_IDENTIFIER_BYTES - 1 - SHORT_HASH_BYTES;
        while (kept > 0 && ((unsigned char)name.ptr[kept] & 0xc0) == 0x80) {
            kept--; /* no half of a character */
        }
        (void)snprintf(out + kept, PG_IDENTIFIER_BYTES - kept, "~%016" PRIx64,
                       hash64_of(name.ptr, name.len));
    } else {
        out[kept] = '\0';
    }
    memcpy(out, name.ptr, kept);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static char at(struct str s, size_t i) {
    return i < s.len ? s.ptr[i] : '\0';
}

/* The end of a text in quotes that opens at i; a doubled quote goes on. */
static size_t quoted_end(struct str s, size_t i, bool backslash) {
    const char quote = s.ptr[i];
    for (i++; i < s.len; i++) {
        if (backslash && s.ptr[i] == '\\') {
            i++;
        } else if (s.ptr[i] == quote) {
            if (at(s, i + 1) != quote) {
                return i + 1;
            }
            i++;
        }
    }
    return s.len;
}

/* Comments of this kind nest. */
static size_t comment_end(struct str s, size_t i) {
    size_t depth = 0;
    while (i < s.len) {
        if (s.ptr[i] == '/' && at(s, i + 1) == '*') {
            depth++;
            i += 2;
        } else if (s.ptr[i] == '*' && at(s, i + 1) == '/') {
            depth--;
            i += 2;
            if (depth == 0) {
                return i;
            }
        } else {
            i++;
        }
    }
    return s.len;
}

/* $tag$..$tag$ at i; i itself when it is none. */
static size_t dollar_end(struct str s, size_t i) {
    size_t tag_end = i + 1;
    while (tag_end < s.len && is_word(s.ptr[tag_end])) {
        tag_end++;
    }
    if (at(s, tag_end) != '$' || is_digit(at(s, i + 1))) {
        return i;
    }
    const size_t tag_len = tag_end + 1 - i;
    for (size_t k = tag_end + 1; k + tag_len <= s.len; k++) {
        if (memcmp(s.ptr + k, s.ptr + i, tag_len) == 0) {
            return k + tag_len;
        }
    }
    return s.len;
}

/* The end of what must stay as it is at i; i when nothing begins there. */
static size_t whole_end(struct str s, size_t i) {
    switch (s.ptr[i]) {
    case '\'':
    case '"':
        return quoted_end(s, i, false);
    case '-':
        if (at(s, i + 1) == '-') {
            const void *newline = memchr(s.ptr + i, '\n', s.len - i);
            return newline != NULL ? (size_t)((const char *)newline - s.ptr) : s.len;
        }
        return i;
    case '/':
        return at(s, i + 1) == '*' ? comment_end(s, i) : i;
    case '$':
        return dollar_end(s, i);
    default:
        break;
    }
    if (!is_word(s.ptr[i])) {
        return i;
    }
    if ((s.ptr[i] == 'E' || s.ptr[i] == 'e') && at(s, i + 1) == '\'') {
        return quoted_end(s, i + 1, true);
    }
    size_t end =
        i; /* a whole word, so that the last letter of one is not taken for a prefix; a $ goes on */
    while (end < s.len && (is_word(s.ptr[end]) || s.ptr[end] == '$')) {
        end++;
    }
    return end;
}

static bool is_byte_literal(struct str s, size_t i) {
    return (s.ptr[i] == 'x' || s.ptr[i] == 'X') && at(s, i + 1) == '\'';
}

/* One piece of the text: input [i, end), and what it becomes. */
struct piece {
    size_t end;
    struct str before, copied, after; /* copied is a part of the input */
    size_t parameter;                 /* 0: none */
    char name[PG_IDENTIFIER_BYTES + 1];
};

static enum err_code bytes_piece(struct str s, size_t i, struct piece *p, struct err *err) {
    const struct str rest = {s.ptr + i + 2, s.len - i - 2};
    const size_t len = str_find(rest, '\'');
    for (size_t k = 0; k < len; k++) {
        const char c = rest.ptr[k];
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F')) {
            return err_set(err, ERR_INPUT, "SQL: X'..' takes hex digits");
        }
    }
    if (len == rest.len || len % 2 != 0) {
        return err_set(err, ERR_INPUT, "SQL: X'..' takes pairs of hex digits and a closing quote");
    }
    p->before = STR("'\\x");
    p->copied = (struct str){rest.ptr, len};
    p->after = STR("'::bytea");
    p->end = i + 2 + len + 1;
    return ERR_NONE;
}

static enum err_code parameter_piece(struct str s, size_t i, struct piece *p, struct err *err) {
    size_t end = i + 1;
    size_t number = 0;
    while (end < s.len && is_digit(s.ptr[end]) && number <= PG_PARAMETERS_MAX) {
        number = number * 10 + (size_t)(s.ptr[end] - '0');
        end++;
    }
    if (number == 0 || number > PG_PARAMETERS_MAX) {
        return err_set(err, ERR_INPUT, "SQL: parameters are ?1 to ?%d", PG_PARAMETERS_MAX);
    }
    p->before = STR("$");
    p->copied = (struct str){s.ptr + i + 1, end - i - 1};
    p->parameter = number;
    p->end = end;
    return ERR_NONE;
}

/* A name in quotes that is too long. One with quotes in it is nobody's of ours. */
static bool is_long_name(struct str s, size_t i, size_t end) {
    return s.ptr[i] == '"' && end - i > PG_IDENTIFIER_BYTES + 1 && s.ptr[end - 1] == '"' &&
           memchr(s.ptr + i + 1, '"', end - i - 2) == NULL;
}

static void name_piece(struct str s, size_t i, size_t end, struct piece *p) {
    p->name[0] = '"';
    pg_short_name((struct str){s.ptr + i + 1, end - i - 2}, p->name + 1);
    p->before = str_of(p->name);
    p->copied = (struct str){s.ptr + end - 1, 1};
    p->end = end;
}

static enum err_code next_piece(struct str s, size_t i, struct piece *p, struct err *err) {
    p->before = STR("");
    p->after = STR("");
    p->parameter = 0;
    if (is_byte_literal(s, i)) {
        return bytes_piece(s, i, p, err);
    }
    /* ?| and ?& are operators of jsonb, and so is a ? before anything but a number. */
    if (s.ptr[i] == '?' && is_digit(at(s, i + 1))) {
        return parameter_piece(s, i, p, err);
    }
    const size_t end = whole_end(s, i);
    if (is_long_name(s, i, end)) {
        name_piece(s, i, end, p);
        return ERR_NONE;
    }
    p->end = end > i ? end : i + 1;
    p->copied = (struct str){s.ptr + i, p->end - i};
    return ERR_NONE;
}

enum err_code pg_sql_translate(struct str sql, struct buf *out, size_t *parameters,
                               struct err *err) {
    size_t highest = 0;
    struct piece p = {.end = 0};
    for (size_t i = 0; i < sql.len; i = p.end) {
        enum err_code code = next_piece(sql, i, &p, err);
        if (code == ERR_NONE) {
            code = buf_add(out, p.before.ptr, p.before.len, err);
        }
        if (code == ERR_NONE) {
            code = buf_add(out, p.copied.ptr, p.copied.len, err);
        }
        if (code == ERR_NONE) {
            code = buf_add(out, p.after.ptr, p.after.len, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        highest = p.parameter > highest ? p.parameter : highest;
    }
    *parameters = highest;
    return ERR_NONE;
}

static size_t characters(struct str s) {
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

/* Line and column of the byte at offset. */
static void place_of(struct str sql, size_t offset, size_t *line, size_t *column) {
    size_t start = 0;
    *line = 1;
    for (size_t i = 0; i < offset; i++) {
        if (sql.ptr[i] == '\n') {
            (*line)++;
            start = i + 1;
        }
    }
    *column = characters((struct str){sql.ptr + start, offset - start}) + 1;
}

void pg_sql_place(struct str sql, size_t character, size_t *line, size_t *column) {
    *line = 0;
    *column = 0;
    struct err unused = ERR_INIT;
    struct piece p = {.end = 0};
    size_t passed = 0; /* characters of the translation before the piece */
    for (size_t i = 0; character > 0 && i < sql.len; i = p.end) {
        if (next_piece(sql, i, &p, &unused) != ERR_NONE) {
            return;
        }
        const size_t size = characters(p.before) + characters(p.copied) + characters(p.after);
        if (passed + size >= character) {
            size_t offset = i;
            for (size_t k = passed + 1; p.before.len == 0 && k < character; k++) {
                do { /* the next character of the copied text */
                    offset++;
                } while (((unsigned char)at(sql, offset) & 0xc0) == 0x80);
            }
            place_of(sql, offset, line, column);
            return;
        }
        passed += size;
    }
}
