/* How 64 bytes are looked at: one bit a byte for quotes, backslashes and brackets. Escaped quotes are
 * taken out (outside strings too, where no JSON has a backslash), then the running parity of the quotes' bits says which bytes are inside strings (the idea
 * is of Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019), and only brackets outside
 * strings are looked at one by one: some four in a log of 700 bytes. Which kinds are open is one bit a
 * level, so depth is bounded and there is no recursion. The last, shorter block is copied and filled up
 * with spaces. */
#include "source/evm/rpc_scan.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64

struct masks {
    uint64_t quote;
    uint64_t backslash;
    uint64_t bracket; /* {, [, } and ] */
};

#ifdef __SSE2__
static inline uint64_t equal16(__m128i bytes, char c) {
    return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
}

static inline struct masks look(const char *p) {
    struct masks m = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        /* '[' and '{', ']' and '}' differ in one bit, which is set here. */
        __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        m.quote |= equal16(bytes, '"') << i;
        m.backslash |= equal16(bytes, '\\') << i;
        m.bracket |= (equal16(lower, '{') | equal16(lower, '}')) << i;
    }
    return m;
}
#else
static inline struct masks look(const char *p) {
    struct masks m = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i++) {
        m.quote |= (uint64_t)(p[i] == '"') << i;
        m.backslash |= (uint64_t)(p[i] == '\\') << i;
        m.bracket |= (uint64_t)((p[i] | 0x20) == '{' || (p[i] | 0x20) == '}') << i;
    }
    return m;
}
#endif

/* Bits of the bytes that an odd number of backslashes stands before; *carry is whether the next block's
 * first byte is one. */
static uint64_t escaped_bytes(uint64_t backslash, bool *carry) {
    uint64_t escaped = *carry ? 1 : 0;
    *carry = false;
    uint64_t left = backslash & ~escaped;
    while (left != 0) { /* rare: logs have none */
        unsigned at = (unsigned)__builtin_ctzll(left);
        if (at == BLOCK - 1) {
            *carry = true;
            break;
        }
        escaped |= UINT64_C(2) << at;
        left &= ~(UINT64_C(3) << at);
    }
    return escaped;
}

/* Each bit: the parity of the bits up to and with it. */
static inline uint64_t running_parity(uint64_t bits) {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    return bits;
}

struct levels {
    uint64_t objects; /* bit 0: the innermost is an object */
    unsigned open;
    unsigned room;
};

/* One bracket outside strings. NULL when it fits. */
static inline const char *step(struct levels *levels, char c) {
    bool is_object = (c & 0x20) != 0;
    if ((c | 0x20) == '{') {
        if (levels->open == levels->room) {
            return "nested deeper than 64 levels";
        }
        levels->objects = levels->objects << 1 | is_object;
        levels->open++;
        return NULL;
    }
    if ((levels->objects & 1) != is_object) {
        return "a bracket is closed by one of the other kind";
    }
    levels->objects >>= 1;
    levels->open--;
    return NULL;
}

const char *rpc_scan_container(const char *p, const char *end, unsigned depth, const char **fault) {
    struct levels levels = {.room = depth >= RPC_DEPTH_MAX ? 0 : RPC_DEPTH_MAX - depth};
    bool escape_carry = false;
    uint64_t string_carry = 0; /* all ones inside a string */
    char last[BLOCK];
    while (p < end) {
        size_t len = (size_t)(end - p) < BLOCK ? (size_t)(end - p) : BLOCK;
        const char *block = p;
        if (UNLIKELY(len < BLOCK)) {
            memset(last, ' ', sizeof last);
            memcpy(last, p, len);
            block = last;
        }
        struct masks m = look(block);
        if (UNLIKELY(m.backslash != 0 || escape_carry)) {
            m.quote &= ~escaped_bytes(m.backslash, &escape_carry);
        }
        uint64_t in_string = running_parity(m.quote) ^ string_carry;
        string_carry = 0 - (in_string >> 63);
        uint64_t brackets = m.bracket & ~in_string;
        while (brackets != 0) {
            unsigned at = (unsigned)__builtin_ctzll(brackets);
            brackets &= brackets - 1;
            *fault = step(&levels, block[at]);
            if (UNLIKELY(*fault != NULL)) {
                return NULL;
            }
            if (levels.open == 0) {
                return p + at + 1;
            }
        }
        p += len;
    }
    *fault = "it is cut off";
    return NULL;
}

const char *rpc_scan_string(const char *p, const char *end) {
    const char *start = p;
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL) {
            return NULL;
        }
        size_t backslashes = 0;
        while (quote - backslashes > start && quote[-1 - (ptrdiff_t)backslashes] == '\\') {
            backslashes++;
        }
        if (backslashes % 2 == 0) {
            return quote + 1;
        }
        p = quote + 1;
    }
    return NULL;
}

static bool is_scalar_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

const char *rpc_scan_value(const char *p, const char *end, unsigned depth, const char **fault) {
    if (p == end) {
        *fault = "it is cut off";
        return NULL;
    }
    if (*p == '{' || *p == '[') {
        return rpc_scan_container(p, end, depth, fault);
    }
    if (*p == '"') {
        p = rpc_scan_string(p + 1, end);
        *fault = p == NULL ? "it is cut off" : NULL;
        return p;
    }
    const char *start = p;
    while (p < end && is_scalar_byte(*p)) { /* true, null, a number: whoever reads it checks more */
        p++;
    }
    *fault = p == start ? "a value is missing" : NULL;
    return p == start ? NULL : p;
}

const char *rpc_scan_member(const char *p, const char *end, unsigned depth, struct str *key,
                            struct str *value, const char **fault) {
    p = rpc_skip_space(p, end);
    if (p == end || *p != '"') {
        *fault = p == end ? "it is cut off" : "a member's name is missing";
        return NULL;
    }
    const char *key_end = rpc_scan_string(p + 1, end);
    if (key_end == NULL) {
        *fault = "it is cut off";
        return NULL;
    }
    *key = (struct str){p + 1, (size_t)(key_end - 1 - (p + 1))};
    p = rpc_skip_space(key_end, end);
    if (p == end || *p != ':') {
        *fault = p == end ? "it is cut off" : "':' is missing";
        return NULL;
    }
    p = rpc_skip_space(p + 1, end);
    const char *value_end = rpc_scan_value(p, end, depth, fault);
    if (value_end != NULL) {
        *value = (struct str){p, (size_t)(value_end - p)};
    }
    return value_end;
}
