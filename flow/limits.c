/* How it works: a share is made a count when the flow is read, of as many records as it is a share
 * of, so that nothing is judged by the first three records that come. */
#include "flow/read.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define PERCENT_PARTS INT64_C(1000000) /* of a percent, so that 0.01% is exact */

/* "1%", "0.5%" in millionths of a percent. */
static bool parse_percent(struct str text, int64_t *out) {
    double percent = 0;
    if (text.len < 2 || text.ptr[text.len - 1] != '%' ||
        !parse_f64((struct str){text.ptr, text.len - 1}, &percent) || !(percent > 0) ||
        percent > 100) {
        return false;
    }
    *out = (int64_t)(percent * (double)PERCENT_PARTS + 0.5);
    return *out > 0;
}

static enum err_code read_of(const struct node *n, int64_t *out, struct err *err) {
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (!parse_i64(n->text, out) || *out < 1 || *out > FLOW_LIMIT_OF_MAX) {
        char shown[NODE_SHOW_BYTES];
        node_show(n, false, shown, sizeof shown);
        return node_error(n, err, "'of' is a number of records from 1 to %lld, not '%s'",
                          (long long)FLOW_LIMIT_OF_MAX, shown);
    }
    return ERR_NONE;
}

static enum err_code read_max(const struct node *n, struct flow_limit *out, struct err *err) {
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    int64_t parts = 0;
    if (parse_i64(n->text, &out->max) && out->max >= 1 && out->max <= FLOW_LIMIT_MAX) {
        return ERR_NONE;
    }
    if (parse_percent(n->text, &parts)) {
        out->percent = text;
        out->of = out->of > 0 ? out->of : FLOW_LIMIT_OF;
        /* Rounded up: a share of less than one row is reached by the first. */
        const int64_t whole = 100 * PERCENT_PARTS;
        out->max = (parts * out->of + whole - 1) / whole;
        return ERR_NONE;
    }
    char shown[NODE_SHOW_BYTES];
    node_show(n, false, shown, sizeof shown);
    return node_error(n, err,
                      "'max' is a number of rejects from 1 to %lld, or a share such as 1%%, not "
                      "'%s'",
                      (long long)FLOW_LIMIT_MAX, shown);
}

enum err_code limit_load(const struct node *n, struct flow_limit *out, struct err *err) {
    static const char *const known[] = {"max", "of"};
    *out = (struct flow_limit){.node = n};
    enum err_code code = read_map(n, "'rejects'", known, ARRAY_COUNT(known), err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct node *max = node_get(n, "max");
    const struct node *of = node_get(n, "of");
    if (max == NULL) {
        return node_key_error(n, err,
                              "'rejects' needs 'max': as many as may be open before it stops, such "
                              "as 100 or 1%%");
    }
    if (of != NULL) {
        code = read_of(of, &out->of, err);
    }
    if (code == ERR_NONE) {
        code = read_max(max, out, err);
    }
    if (code == ERR_NONE && out->of > 0 && out->max > out->of) {
        return node_error(max, err,
                          "'max' can never be reached: %lld rejects of the last %lld records",
                          (long long)out->max, (long long)out->of);
    }
    return code;
}
