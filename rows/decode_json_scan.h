/* A strict RFC 8259 scanner over one record: strings, numbers, whole values. Private to decoders.
 *
 * All reads are checked against the record's end; only strings are loaded in steps past it, up to
 * JSON_LOAD_PAST bytes, which must be readable: the batch's padding or the next record; unless is_exact,
 * for text that may end where its memory does. A function that meets a
 * fault says what and where in the scan and returns NULL. No allocation, no recursion. */
#ifndef PLUMB_ROWS_DECODE_JSON_SCAN_H
#define PLUMB_ROWS_DECODE_JSON_SCAN_H

#include "base/str.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_LOAD_PAST        16
#define JSON_RECORD_DEPTH_MAX 64 /* nested objects and arrays of a record, itself included */

struct json_scan {
    const char *begin;
    const char *end;
    const char *fault; /* what is wrong, or NULL */
    const char *fault_at;
    bool has_space; /* white space was seen outside strings: reset by who wants to know */
    bool is_exact;  /* nothing behind end may be loaded */
};

struct json_number {
    bool has_fraction;
    bool has_exponent;
    bool fits; /* integer holds the exact value; only when neither of the two */
    int64_t integer;
};

/* Sets the fault; returns NULL. */
const char *json_scan_fault(struct json_scan *s, const char *at, const char *what);
/* p at a byte of a string that is not plain ASCII text and not the closing quote. */
const char *json_scan_special(struct json_scan *s, const char *p, bool *has_escape);
/* p at '-' or a digit; returns the first byte behind the number. */
const char *json_scan_number(struct json_scan *s, const char *p, struct json_number *out);
/* p at any byte: one of true, false, null. */
const char *json_scan_literal(struct json_scan *s, const char *p);
/* p at the first byte of a value inside `depth` open objects and arrays. */
const char *json_scan_value(struct json_scan *s, const char *p, unsigned depth);
/* Unescapes the inside of a string that was scanned before; out has room for raw.len bytes. */
size_t json_unescape(struct str raw, char *out);
/* Copies a value that was scanned before without the white space between tokens; out may be
 * raw.ptr. */
size_t json_minify(struct str raw, char *out);
/* Exact nearest double of a scanned number; false when it is beyond what a double can hold. */
MUST_CHECK bool json_number_to_double(struct str raw, double *out);

static inline char json_peek(const struct json_scan *s, const char *p) {
    return p < s->end ? *p : '\0'; /* NUL is legal nowhere outside strings */
}

static inline const char *json_skip_space(struct json_scan *s, const char *p) {
    /* Everything but white space is above 0x20 in well-formed text, so one compare is the rule. */
    if (LIKELY(p < s->end && (unsigned char)*p > ' ')) {
        return p;
    }
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        s->has_space = true;
        p++;
    }
    return p;
}

static inline uint64_t json_load(const char *p) {
    uint64_t word = 0;
    memcpy(&word, p, sizeof(word));
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) {
        word = __builtin_bswap64(word);
    }
    return word;
}

#define JSON_ONES (~UINT64_C(0) / 255)
#define JSON_HIGH (JSON_ONES * 0x80)

/* json_special(p): how many of the JSON_STEP bytes at p come before the first quote, backslash,
 * control character or byte that is not ASCII; JSON_STEP when there is none. */
#ifdef __SSE2__
#define JSON_STEP 16
static inline unsigned json_special(const char *p) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')); /* signed: above 0x7F is below 0 */
    int hits = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other));
    return (unsigned)__builtin_ctz((unsigned)hits | 1u << JSON_STEP);
}
#else
#define JSON_STEP 8
static inline unsigned json_special(const char *p) {
    uint64_t word = json_load(p);
    uint64_t quote = word ^ (JSON_ONES * '"');
    uint64_t backslash = word ^ (JSON_ONES * '\\');
    /* Bytes above the lowest hit may be marked wrongly (borrows run upwards); nobody looks there. */
    uint64_t hits = ((quote - JSON_ONES) & ~quote) | ((backslash - JSON_ONES) & ~backslash) |
                    ((word - JSON_ONES * 0x20) & ~word) | word;
    hits &= JSON_HIGH;
    return hits == 0 ? JSON_STEP : (unsigned)__builtin_ctzll(hits) / 8;
}
#endif

/* As json_special, without loading anything behind s->end: a quote is imagined there. */
unsigned json_special_before_end(const struct json_scan *s, const char *p);

/* p behind the opening quote; returns the first byte behind the closing quote. */
static inline const char *json_scan_string(struct json_scan *s, const char *p, bool *has_escape) {
    while (p < s->end) {
        bool is_near = s->is_exact && s->end - p < JSON_STEP;
        unsigned plain = UNLIKELY(is_near) ? json_special_before_end(s, p) : json_special(p);
        p += plain;
        if (plain == JSON_STEP) {
            continue;
        }
        if (UNLIKELY(p >= s->end)) {
            break;
        }
        if (LIKELY(*p == '"')) {
            return p + 1;
        }
        p = json_scan_special(s, p, has_escape);
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
    }
    return json_scan_fault(s, s->end, "a string is not closed");
}

#endif
