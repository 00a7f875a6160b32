/* How lines are decoded with a pattern: PCRE2, compiled with its JIT, matched once per line. Each
 * column has the number of the group its path names; a group that took no part in the match is
 * absent. The pattern is searched as written: anchor it with ^ and $ when the whole line is meant.
 * Groups that no column names are the author's own business and are not noted as drift. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "rows/decode_internal.h"

#include <pcre2.h>
#include <string.h>

#define REGEX_MATCH_LIMIT   1000000
#define REGEX_DEPTH_LIMIT   10000
#define REGEX_HEAP_KIB      8192
#define REGEX_MESSAGE_BYTES 160

struct regex_decoder {
    struct decoder base;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    uint32_t *groups; /* [columns] */
};

static enum err_code record_regex(struct decoder *d, struct str record, struct err *err) {
    struct regex_decoder *r = (struct regex_decoder *)d;
    if (!str_is_utf8(record)) {
        decode_malformed(d, (int64_t)text_utf8_prefix(record), "the line is not UTF-8");
        return ERR_NONE;
    }
    int count = pcre2_match(r->code, (PCRE2_SPTR)record.ptr, record.len, 0, PCRE2_NO_UTF_CHECK,
                            r->match, r->context);
    if (count < 0) {
        char shown[DECODE_SHOWN_BYTES];
        str_printable(record, shown, sizeof(shown));
        if (count == PCRE2_ERROR_NOMATCH) {
            decode_malformed(d, 0, "the line does not match the pattern: %s", shown);
        } else {
            decode_malformed(d, 0, "matching the line was given up at a limit (PCRE2 %d): %s",
                             count, shown);
        }
        return ERR_NONE;
    }
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(r->match);
    for (size_t i = 0; i < d->column_count; i++) {
        PCRE2_SIZE begin = offsets[2 * r->groups[i]];
        PCRE2_SIZE end = offsets[2 * r->groups[i] + 1];
        /* \K in a lookahead can put the end before the beginning: no text, then. */
        if (begin == PCRE2_UNSET || end < begin) {
            continue;
        }
        d->kinds[i] = FIELD_STRING;
        struct str text = {record.ptr + begin, end - begin};
        struct cell_origin o = {text, (int64_t)begin};
        enum err_code code = cell_set_from_text(d, i, text, &o, err);
        if (code != ERR_NONE || d->fault.is_set) {
            return code;
        }
    }
    return ERR_NONE;
}

static void release_regex(struct decoder *d) {
    struct regex_decoder *r = (struct regex_decoder *)d;
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->context);
    pcre2_code_free(r->code);
}

static const struct decoder_ops regex_ops = {.record = record_regex, .release = release_regex};

static enum err_code compile(struct regex_decoder *r, const char *pattern, struct err *err) {
    int number = 0;
    PCRE2_SIZE at = 0;
    r->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &number, &at, NULL);
    if (r->code == NULL) {
        PCRE2_UCHAR message[REGEX_MESSAGE_BYTES];
        (void)pcre2_get_error_message(number, message, sizeof(message)); /* cut is fine */
        return err_set(err, ERR_CONFIG, "the pattern does not compile: %s, at character %zu",
                       (const char *)message, (size_t)at + 1);
    }
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it matching is only slower */
    r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->context = pcre2_match_context_create(NULL);
    if (r->match == NULL || r->context == NULL) {
        return err_set(err, ERR_LIMIT, "no memory for matching the pattern");
    }
    (void)pcre2_set_match_limit(r->context, REGEX_MATCH_LIMIT);
    (void)pcre2_set_depth_limit(r->context, REGEX_DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(r->context, REGEX_HEAP_KIB);
    return ERR_NONE;
}

static enum err_code bind_groups(struct regex_decoder *r, struct err *err) {
    const struct contract *c = r->base.contract;
    r->groups = arena_new(&r->base.own, c->schema.count * sizeof(uint32_t));
    for (size_t i = 0; i < c->schema.count; i++) {
        const char *name = c->columns[i].path[0];
        int group = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)name);
        if (group <= 0) {
            return err_set(err, ERR_CONFIG, "column '%s': the pattern has no group (?<%s>...)%s",
                           c->columns[i].name, name,
                           group == PCRE2_ERROR_NOUNIQUESUBSTRING ? ", or several" : "");
        }
        r->groups[i] = (uint32_t)group;
    }
    return ERR_NONE;
}

enum err_code decoder_new_regex(const struct contract *c, const char *pattern, struct decoder **out,
                                struct err *err) {
    struct regex_decoder *r = mem_alloc(sizeof(*r));
    enum err_code code = decode_base_init(&r->base, &regex_ops, c, false, err);
    if (code == ERR_NONE) {
        code = compile(r, pattern, err);
    }
    if (code == ERR_NONE) {
        code = bind_groups(r, err);
    }
    if (code != ERR_NONE) {
        decoder_free(&r->base);
        return code;
    }
    *out = &r->base;
    return ERR_NONE;
}
