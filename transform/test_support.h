/* For the tests of this folder: cmocka with what it needs before it, flows made from YAML text, and
 * a source that exists in an option table only. */
#ifndef PLUMB_TRANSFORM_TEST_SUPPORT_H
#define PLUMB_TRANSFORM_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "transform/transform.h"

struct test_conf {
    const char *path;
};

static const struct option test_options[] = {
    OPTION_STR(struct test_conf, path, .def = "nowhere", .doc = "Not looked at.", .example = "a")};

static const struct component test_source = {
    .kind = COMPONENT_SOURCE,
    .name = "test",
    .since = "0.1",
    .summary = "Gives what a test puts in.",
    .doc = "Nothing.",
    .example = "s:\n  type: test\n  columns: {id: int64}\n",
    COMPONENT_OPTIONS(test_options),
    .conf_size = sizeof(struct test_conf),
    .caps = CAP_RESUMABLE,
};
static const struct component *const test_components[] = {&test_source};
static const struct registry test_registry = {test_components, 1};

/* A flow from text: written to a file that is gone again. The caller frees the flow. */
static inline struct flow *test_flow(const char *yaml) {
    char directory[] = "/tmp/plumb-transform-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    char *path = mem_printf("%s/flow.yaml", directory);
    assert_int_equal(file_write_atomic(path, str_of(yaml), &err), ERR_NONE);
    if (flow_load(path, &test_registry, &flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    (void)unlink(path);
    (void)rmdir(directory);
    mem_free(path);
    return flow;
}

#endif
