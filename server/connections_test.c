/* Each connection is one end of a pair of sockets; whether it was shut is seen at the other. */
#include "server/connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/test_support.h"

#define ROOM 3

struct end {
    int ours, theirs;
    struct connection *item;
};

static struct end come(struct connections *c, int64_t now_us) {
    int fds[2] = {-1, -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct end){fds[0], fds[1], connections_add(c, fds[0], now_us)};
}

static bool is_shut(const struct end *e) {
    char byte = 0;
    return recv(e->theirs, &byte, 1, MSG_DONTWAIT) == 0;
}

static void go(struct connections *c, struct end *e) {
    connections_remove(c, e->item);
    (void)close(e->ours);
    (void)close(e->theirs);
}

static void test_who_has_waited_longest_goes(void **state) {
    (void)state;
    struct connections c;
    connections_init(&c, ROOM);
    struct end ends[ROOM + 2];
    for (size_t i = 0; i < ROOM; i++) {
        ends[i] = come(&c, 100 + (int64_t)i);
    }
    connections_set(&c, ends[0].item, CONNECTION_ANSWERS, 110);
    connections_set(&c, ends[0].item, CONNECTION_WAITS, 120); /* it waits again, since later */
    for (size_t i = 0; i < ROOM; i++) {
        assert_false(is_shut(&ends[i]));
    }
    ends[3] = come(&c, 130);
    assert_true(is_shut(&ends[1]));
    assert_false(is_shut(&ends[0]) || is_shut(&ends[2]) || is_shut(&ends[3]));
    ends[4] = come(&c, 131); /* who was told to go counts no more, though it is still there */
    assert_true(is_shut(&ends[2]));
    assert_false(is_shut(&ends[0]) || is_shut(&ends[3]) || is_shut(&ends[4]));
    for (size_t i = 0; i < ROOM + 2; i++) {
        go(&c, &ends[i]);
    }
    connections_release(&c);
}

static void test_who_is_answered_stays_but_not_for_ever(void **state) {
    (void)state;
    struct connections c;
    connections_init(&c, ROOM);
    struct end ends[ROOM + 2];
    for (size_t i = 0; i < ROOM; i++) {
        ends[i] = come(&c, 100);
        connections_set(&c, ends[i].item, i == 0 ? CONNECTION_STREAMS : CONNECTION_ANSWERS,
                        100 + (int64_t)i);
    }
    ends[3] = come(&c, 200);
    assert_true(is_shut(&ends[3])); /* nobody has waited, none is late: the newcomer goes */
    ends[4] = come(&c, 102 + CONNECTIONS_SEND_US);
    assert_true(is_shut(&ends[1])); /* late by one; the stream, which is older, stays */
    assert_false(is_shut(&ends[0]) || is_shut(&ends[2]) || is_shut(&ends[4]));
    for (size_t i = 0; i < ROOM + 2; i++) {
        go(&c, &ends[i]);
    }
    connections_release(&c);
}

static void test_while_there_is_room_nobody_goes(void **state) {
    (void)state;
    struct connections c;
    connections_init(&c, 1000);
    struct end ends[200];
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) { /* more than there was memory for at first */
        ends[i] = come(&c, (int64_t)i);
    }
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        assert_false(is_shut(&ends[i]));
        go(&c, &ends[i]);
    }
    connections_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_has_waited_longest_goes),
        cmocka_unit_test(test_who_is_answered_stays_but_not_for_ever),
        cmocka_unit_test(test_while_there_is_room_nobody_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
