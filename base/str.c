/* Views: comparisons by bytes, UTF-8 by the table of well-formed sequences (Unicode 3.9, D92). */
#include "base/str.h"

#include <string.h>

struct str str_of(const char *c_string) {
    if (c_string == NULL) {
        return (struct str){"", 0};
    }
    return (struct str){c_string, strlen(c_string)};
}

bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_equal_c(struct str a, const char *b) {
    return str_equal(a, str_of(b));
}

int str_compare(struct str a, struct str b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix) {
    return s.len >= prefix.len && str_equal((struct str){s.ptr, prefix.len}, prefix);
}

bool str_ends_with(struct str s, struct str suffix) {
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + (s.len - suffix.len), suffix.ptr, suffix.len) == 0);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

struct str str_trim(struct str s) {
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

size_t str_find(struct str s, char c) {
    const char *found = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return found == NULL ? s.len : (size_t)(found - s.ptr);
}

size_t str_utf8_size(struct str s, uint32_t *out_code) {
    if (s.len == 0) {
        return 0;
    }
    unsigned char first = (unsigned char)s.ptr[0];
    if (first < 0x80U) {
        *out_code = first;
        return 1;
    }
    size_t size = first >= 0xF0U ? 4 : first >= 0xE0U ? 3 : 2;
    if (first < 0xC2U || first > 0xF4U || s.len < size) {
        return 0;
    }
    uint32_t code = first & (0xFFU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c & 0xC0U) != 0x80U) {
            return 0;
        }
        code = (code << 6) | (c & 0x3FU);
    }
    bool overlong = (size == 3 && code < 0x800U) || (size == 4 && code < 0x10000U);
    bool surrogate = code >= 0xD800U && code <= 0xDFFFU;
    if (overlong || surrogate || code > 0x10FFFFU) {
        return 0;
    }
    *out_code = code;
    return size;
}

bool str_is_utf8(struct str s) {
    size_t at = 0;
    while (at < s.len) {
        uint64_t eight = 0;
        if (s.len - at >= sizeof eight) { /* most text is ASCII: eight bytes at once */
            memcpy(&eight, s.ptr + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        uint32_t code = 0;
        size_t size = str_utf8_size((struct str){s.ptr + at, s.len - at}, &code);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* Controls, and the marks that turn the direction of a line around (they hide what is there). */
static bool is_hidden(uint32_t code) {
    return code < 0x20U || (code >= 0x7FU && code <= 0x9FU) ||
           (code >= 0x200EU && code <= 0x200FU) || (code >= 0x2028U && code <= 0x202EU) ||
           (code >= 0x2066U && code <= 0x2069U) || code == 0xFEFFU;
}

void str_printable(struct str s, char *out, size_t out_bytes) {
    static const char dots[] = "...";
    if (out_bytes == 0) {
        return;
    }
    size_t room = out_bytes - 1;
    size_t used = 0;
    size_t cut = 0; /* the longest whole text that leaves room for the dots */
    size_t at = 0;
    while (at < s.len) {
        uint32_t code = 0;
        size_t size = str_utf8_size((struct str){s.ptr + at, s.len - at}, &code);
        bool shown = size > 0 && !is_hidden(code);
        size_t need = shown ? size : 1;
        if (used + need > room) {
            size_t dot_count = room - cut < 3 ? room - cut : 3;
            memcpy(out + cut, dots, dot_count);
            used = cut + dot_count;
            break;
        }
        if (shown) {
            memcpy(out + used, s.ptr + at, size);
        } else {
            out[used] = '?';
        }
        used += need;
        at += size > 0 ? size : 1;
        if (used + 3 <= room) {
            cut = used;
        }
    }
    out[used] = '\0';
}
