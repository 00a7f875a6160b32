/* For the tests of this folder: cmocka with what it needs before it, and a registry of sources that
 * exist in option tables only. */
#ifndef PLUMB_FLOW_TEST_SUPPORT_H
#define PLUMB_FLOW_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/read.h"

struct test_http_conf {
    const char *url;
    const char *records;
    int64_t every_us;
    const char *token;
};

static const struct option test_http_options[] = {
    OPTION_STR(struct test_http_conf, url, .flags = OPTION_REQUIRED,
               .doc = "Address that gives the records.", .example = "https://api.example.com/x"),
    OPTION_STR(struct test_http_conf, records, .doc = "JSON pointer to the array of records."),
    OPTION_DURATION(struct test_http_conf, every_us, .name = "every", .def = "1m", .min = 1000000,
                    .max = 86400000000, .doc = "Time between two requests."),
    OPTION_STR(struct test_http_conf, token, .flags = OPTION_SECRET, .doc = "Bearer token."),
};

struct test_file_conf {
    const char *path;
    int64_t format;
    char delimiter;
    const char *null;
};

static const char *const test_formats[] = {"jsonl", "csv", NULL};

static const struct option test_file_options[] = {
    OPTION_STR(struct test_file_conf, path, .flags = OPTION_REQUIRED,
               .doc = "Glob of files to read.", .example = "data/*.jsonl"),
    OPTION_ENUM(struct test_file_conf, format, .def = "jsonl", .choices = test_formats,
                .flags = OPTION_SHAPES, .doc = "What a record is."),
    OPTION_CHAR(struct test_file_conf, delimiter, .flags = OPTION_SHAPES, .doc = "Between cells."),
    OPTION_STR(struct test_file_conf, null, .flags = OPTION_SHAPES, .doc = "Text of no value."),
};

/* A check that has an opinion, to see that it is asked: no file may be called "forbidden". */
static inline enum err_code test_file_check(const void *conf, const struct contract *contract,
                                            const struct node *n, struct err *err) {
    const struct test_file_conf *c = conf;
    (void)n;
    if (str_equal_c(str_of(c->path), "forbidden")) {
        return err_set(err, ERR_CONFIG, "this file with %zu columns is forbidden",
                       contract->schema.count);
    }
    return ERR_NONE;
}

static const struct component test_http = {
    .kind = COMPONENT_SOURCE,
    .name = "http",
    .since = "0.1",
    .summary = "Reads records from an HTTP API.",
    .doc = "Asks again every now and then.",
    .example = "orders:\n  type: http\n  url: https://api.example.com/orders\n"
               "  columns: {id: int64}\n",
    COMPONENT_OPTIONS(test_http_options),
    .conf_size = sizeof(struct test_http_conf),
    .caps = CAP_RESUMABLE,
};

static const struct component test_file = {
    .kind = COMPONENT_SOURCE,
    .name = "file",
    .since = "0.1",
    .summary = "Reads lines of files.",
    .doc = "Follows files that grow.",
    .example = "orders:\n  type: file\n  path: data/*.jsonl\n  columns: {id: int64}\n",
    COMPONENT_OPTIONS(test_file_options),
    .conf_size = sizeof(struct test_file_conf),
    .caps = CAP_RESUMABLE | CAP_ORDERED,
    .check = test_file_check,
};

static const struct component *const test_components[] = {&test_file, &test_http};
static const struct registry test_registry = {test_components, ARRAY_COUNT(test_components)};

/* Variables of the tests: SET is "value", EMPTY is "", TOKEN is "s3cret", BAD is not UTF-8. */
static inline const char *test_lookup(void *context, const char *name) {
    (void)context;
    const struct str n = str_of(name);
    if (str_equal_c(n, "SET")) {
        return "value";
    }
    if (str_equal_c(n, "TOKEN")) {
        return "s3cret";
    }
    if (str_equal_c(n, "BAD")) {
        return "\xff";
    }
    return str_equal_c(n, "EMPTY") ? "" : NULL;
}

#endif
