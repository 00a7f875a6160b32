/* Addresses, hosts and tokens: what is let in, and twins of each that are not. */
#include "server/access.h"

#include "base/test_support.h"

static bool parses(const char *text, struct address *out) {
    struct err err = ERR_INIT;
    return address_parse(text, out, &err) == ERR_NONE;
}

static void test_addresses_are_read(void **state) {
    (void)state;
    struct address a;
    char url[ADDRESS_URL_BYTES];
    assert_true(parses("127.0.0.1:8080", &a));
    assert_true(a.is_loopback);
    assert_int_equal(a.port, 8080);
    address_url(&a, 8080, url);
    assert_string_equal(url, "http://127.0.0.1:8080");
    assert_true(parses("[::1]:0", &a));
    assert_true(a.is_loopback && a.is_v6);
    address_url(&a, 9, url);
    assert_string_equal(url, "http://[::1]:9");
    assert_true(parses("LocalHost:65535", &a));
    assert_true(a.is_loopback);
    assert_true(parses("127.9.9.9:1", &a));
    assert_true(a.is_loopback);
}

static void test_other_machines_addresses_are_no_loopback(void **state) {
    (void)state;
    struct address a;
    static const char *const texts[] = {"0.0.0.0:80",   "192.168.1.1:80", "[::]:80",
                                        "[fe80::1]:80", "128.0.0.1:80",   "[::ffff:127.0.0.1]:80"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        assert_true(parses(texts[i], &a));
        assert_false(a.is_loopback);
    }
}

static void test_what_is_no_address_is_refused(void **state) {
    (void)state;
    struct address a;
    static const char *const texts[] = {"",
                                        ":8080",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        "127.0.0.1:-1",
                                        "127.0.0.1:80x",
                                        "::1:80",
                                        "[::1]",
                                        "[::1]80",
                                        "[::1:80",
                                        "example.org:80",
                                        "127.0.0.1.evil.example:80",
                                        "[127.0.0.1]:80",
                                        "0x7f.1:80",
                                        "127.1:80"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (parses(texts[i], &a)) {
            fail_msg("'%s' was taken for an address", texts[i]);
        }
    }
}

static void test_hosts_that_name_this_machine(void **state) {
    (void)state;
    static const char *const local[] = {"localhost",   "LOCALHOST:8080", "127.0.0.1",
                                        "127.0.0.1:1", "[::1]",          "[::1]:8080"};
    static const char *const others[] = {"",
                                         "evil.example",
                                         "evil.example:8080",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "localhost:",
                                         "localhost:x",
                                         "10.0.0.1",
                                         "[::2]",
                                         "[::1",
                                         "::1",
                                         "localhost ",
                                         "0.0.0.0"};
    for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
        if (!host_is_local(str_of(local[i]))) {
            fail_msg("'%s' is local", local[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (host_is_local(str_of(others[i]))) {
            fail_msg("'%s' is not local", others[i]);
        }
    }
}

static void test_only_the_whole_token_is_right(void **state) {
    (void)state;
    static const char token[] = "0123456789abcdef";
    assert_true(token_is_right(STR("Bearer 0123456789abcdef"), token));
    assert_true(token_is_right(STR("bearer 0123456789abcdef"), token));
    static const char *const wrong[] = {"",
                                        "Bearer",
                                        "Bearer ",
                                        "0123456789abcdef",
                                        "Basic 0123456789abcdef",
                                        "Bearer 0123456789abcde",
                                        "Bearer 0123456789abcdef0",
                                        "Bearer 0123456789abcdef0123456789abcdef",
                                        "Bearer  0123456789abcdef",
                                        "Bearer 1123456789abcdef",
                                        "Bearer 0123456789abcdeg"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        if (token_is_right(str_of(wrong[i]), token)) {
            fail_msg("'%s' was let in", wrong[i]);
        }
    }
}

static void test_only_an_own_page_is_no_stranger(void **state) {
    (void)state;
    static const char *const own[][2] = {{"http://localhost:8080", "localhost:8080"},
                                         {"https://plumb.example", "plumb.example"},
                                         {"http://LOCALHOST", "localhost"},
                                         {"http://[::1]:80", "[::1]:80"}};
    static const char *const others[][2] = {{"null", "null"},
                                            {"", ""},
                                            {"http://", ""},
                                            {"http://localhost", "localhost:8080"},
                                            {"http://localhost:8080", "localhost"},
                                            {"http://evil.example", "localhost"},
                                            {"http://localhost.evil.example", "localhost"},
                                            {"ftp://localhost", "localhost"},
                                            {"localhost", "localhost"},
                                            {"http://localhost/", "localhost"}};
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        if (!origin_is_own(str_of(own[i][0]), str_of(own[i][1]))) {
            fail_msg("'%s' is the page of '%s'", own[i][0], own[i][1]);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (origin_is_own(str_of(others[i][0]), str_of(others[i][1]))) {
            fail_msg("'%s' is no page of '%s'", others[i][0], others[i][1]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read),
        cmocka_unit_test(test_other_machines_addresses_are_no_loopback),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_hosts_that_name_this_machine),
        cmocka_unit_test(test_only_the_whole_token_is_right),
        cmocka_unit_test(test_only_an_own_page_is_no_stranger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
