/* What the files of `plumb test` share. */
#ifndef PLUMB_CLI_TEST_H
#define PLUMB_CLI_TEST_H

#include "trial/cases.h"

struct test_session {
    struct flow *flow;
    struct case_list cases;
    struct case_run run;
    struct case_result *results; /* [count], of those that were chosen */
    size_t count;
};
size_t test_failed(const struct test_session *s);

/* The results as JUnit XML: a testsuite a file, a testcase a test. */
MUST_CHECK enum err_code test_write_junit(const struct test_session *s, const char *path,
                                          struct err *err);

#endif
