/* For the tests of this folder: cmocka with what it needs before it, temporary directories, and
 * what a piece of code writes to stderr when it runs in a process of its own. */
#ifndef PLUMB_BASE_TEST_SUPPORT_H
#define PLUMB_BASE_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_OUTPUT_BYTES 65536

/* Runs body in a child with stderr caught. Returns the wait status. */
static inline int run_child(void (*body)(void), char output[CHILD_OUTPUT_BYTES]) {
    int ends[2] = {-1, -1};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        body();
        exit(0);
    }
    (void)close(ends[1]);
    size_t used = 0;
    for (;;) {
        ssize_t got = read(ends[0], output + used, CHILD_OUTPUT_BYTES - 1 - used);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    output[used] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    return status;
}

/* A small generator with a fixed start (splitmix64): the same numbers in each run. */
static inline uint64_t next_random(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif
