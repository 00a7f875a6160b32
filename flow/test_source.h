/* For tests of any folder that need a flow: a source that exists in an option table only, and flows
 * made from YAML text. What it can beyond resuming, TEST_SOURCE_CAPS says, defined before. */
#ifndef PLUMB_FLOW_TEST_SOURCE_H
#define PLUMB_FLOW_TEST_SOURCE_H

#include "base/file.h"
#include "base/test_support.h"
#include "flow/flow.h"

#ifndef TEST_SOURCE_CAPS
#define TEST_SOURCE_CAPS CAP_RESUMABLE
#endif

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
    .caps = TEST_SOURCE_CAPS,
};
static const struct component *const test_components[] = {&test_source};
static const struct registry test_registry = {test_components, 1};

/* A flow from text, as flow.yaml of the directory, which stays. The caller frees the flow. */
static inline struct flow *test_flow_in(const char *directory, const char *yaml) {
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    char *path = mem_printf("%s/flow.yaml", directory);
    assert_int_equal(file_write_atomic(path, str_of(yaml), &err), ERR_NONE);
    if (flow_load(path, &test_registry, &flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(path);
    return flow;
}

/* The same in a directory that is gone again. */
static inline struct flow *test_flow(const char *yaml) {
    char directory[] = "/tmp/plumb-flow-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct flow *flow = test_flow_in(directory, yaml);
    char *path = mem_printf("%s/flow.yaml", directory);
    (void)unlink(path);
    (void)rmdir(directory);
    mem_free(path);
    return flow;
}

#endif
