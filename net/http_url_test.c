#include "base/test_support.h"

#include "net/http.h"
#include "net/http_internal.h"

static void assert_shown(const char *url, const char *expected) {
    char shown[HTTP_URL_SHOW_BYTES];
    assert_string_equal(http_url_show(url, shown), expected);
}

static void a_shown_url_has_no_keys(void **state) {
    (void)state;
    assert_shown("https://mainnet.infura.io/v3/0123456789abcdef0123456789abcdef",
                 "https://mainnet.infura.io/v3/***");
    assert_shown("https://name:secret@node.example:8545/", "https://node.example:8545");
    assert_shown("https://node.example/rpc?apikey=secret#secret", "https://node.example/rpc");
    assert_shown("wss://a.example/secret/", "wss://a.example/***/");
    assert_shown("https://api.avax.example/ext/bc/C/rpc", "https://api.avax.example/ext/bc/C/rpc");
    assert_shown("https://a.example/V3/v/v1234/v12a/rpcs", "https://a.example/***/***/***/***/***");
    assert_shown("http://127.0.0.1:8545", "http://127.0.0.1:8545");
    assert_shown("http://[::1]:8545/x", "http://[::1]:8545/***");
    assert_shown("https://a.example//secret", "https://a.example//***");
}

static void what_is_no_url_is_not_shown_at_all(void **state) {
    (void)state;
    assert_shown("secret", "(not a URL)");
    assert_shown("", "(not a URL)");
    assert_shown(NULL, "(not a URL)");
    assert_shown("http://", "(not a URL)");
}

static void a_long_path_is_cut_within_its_room(void **state) {
    (void)state;
    char url[4000] = "https://a.example";
    for (size_t i = strlen(url); i + 2 < sizeof url; i += 2) {
        url[i] = '/';
        url[i + 1] = 'k';
    }
    char shown[HTTP_URL_SHOW_BYTES];
    assert_true(strlen(http_url_show(url, shown)) < HTTP_URL_SHOW_BYTES);
    assert_null(strchr(shown + strlen("https://a.example"), 'k'));
}

static void the_host_is_shown_with_its_port(void **state) {
    (void)state;
    char shown[HTTP_URL_SHOW_BYTES];
    assert_string_equal(http_url_host("https://u:p@a.example:99/secret?x=y", shown),
                        "a.example:99");
    assert_string_equal(http_url_host("https://a.example", shown), "a.example");
}

static void only_http_and_https_are_taken(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        NULL,
        "ftp://a.example/x",
        "file:///etc/passwd",
        "a.example",
        "http://",
        "https://a.example:99999/",
        "http://a b/",
        "http://a.example/x y",
        "http://a.example/\r\nHost: b",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(http_url_check(wrong[i], &err), ERR_CONFIG);
        assert_true(err.message[0] != '\0');
    }
    struct err err = ERR_INIT;
    assert_int_equal(http_url_check("http://127.0.0.1:8545", &err), ERR_NONE);
    assert_int_equal(http_url_check("HTTPS://u:p@a.example/v3/k?x=%20#f", &err), ERR_NONE);
}

static void a_complaint_about_a_url_does_not_tell_its_key(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(http_url_check("https://a.example/secret key", &err), ERR_CONFIG);
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(http_url_check("secret key", &err), ERR_CONFIG);
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(http_url_check("secret://a.example/", &err), ERR_CONFIG);
}

static void this_machine_is_known_by_its_names(void **state) {
    (void)state;
    assert_true(http_url_is_local("http://127.0.0.1:8545/x"));
    assert_true(http_url_is_local("http://LOCALHOST/"));
    assert_true(http_url_is_local("http://[::1]:1/"));
    assert_false(http_url_is_local("http://localhost.example/"));
    assert_false(http_url_is_local("http://a.example/127.0.0.1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shown_url_has_no_keys),
        cmocka_unit_test(what_is_no_url_is_not_shown_at_all),
        cmocka_unit_test(a_long_path_is_cut_within_its_room),
        cmocka_unit_test(the_host_is_shown_with_its_port),
        cmocka_unit_test(only_http_and_https_are_taken),
        cmocka_unit_test(a_complaint_about_a_url_does_not_tell_its_key),
        cmocka_unit_test(this_machine_is_known_by_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
