/* SQLSTATEs and URLs: what they mean, and what is never shown. */
#include "store/postgres/test_support.h"

static void codes_have_classes(void **state) {
    (void)state;
    static const struct {
        const char *sqlstate;
        enum err_code code;
    } cases[] = {
        {"40001", ERR_CONFLICT},    {"40P01", ERR_CONFLICT},    {"55P03", ERR_CONFLICT},
        {"08006", ERR_UNAVAILABLE}, {"08P01", ERR_UNAVAILABLE}, {"57P01", ERR_UNAVAILABLE},
        {"57P03", ERR_UNAVAILABLE}, {"57014", ERR_CANCELLED},   {"53100", ERR_LIMIT},
        {"54000", ERR_INPUT},       {"54001", ERR_LIMIT},       {"53300", ERR_UNAVAILABLE},
        {"22003", ERR_INPUT},       {"23505", ERR_INPUT},       {"P0001", ERR_INPUT},
        {"42P01", ERR_CONFIG},      {"28P01", ERR_CONFIG},      {"3D000", ERR_CONFIG},
        {"25P02", ERR_INTERNAL},    {"25P03", ERR_UNAVAILABLE}, {"25006", ERR_UNAVAILABLE},
        {"XX001", ERR_CORRUPT},     {"58030", ERR_UNAVAILABLE}, {"99999", ERR_INTERNAL},
        {"", ERR_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        if (pg_class_of(cases[i].sqlstate) != cases[i].code) {
            fail_msg("%s is %s", cases[i].sqlstate, err_class(pg_class_of(cases[i].sqlstate)));
        }
    }
    assert_int_equal(pg_class_of(NULL), ERR_INTERNAL);
}

static void a_code_is_a_number_and_back(void **state) {
    (void)state;
    static const char *const codes[] = {"00000", "40P01", "ZZZZZ", "57014"};
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        char text[6];
        pg_sqlstate(pg_sqlstate_number(codes[i]), text);
        assert_string_equal(text, codes[i]);
    }
    static const char *const none[] = {"", "4000", "400011", "40p01", "4 001"};
    for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
        assert_int_equal(pg_sqlstate_number(none[i]), 0);
    }
    assert_int_equal(pg_sqlstate_number(NULL), 0);
    char text[6] = "x";
    pg_sqlstate(0, text);
    assert_string_equal(text, "");
}

static void a_url_gives_schema_and_what_may_be_shown(void **state) {
    (void)state;
    static const struct {
        const char *url, *conninfo, *schema, *shown;
    } cases[] = {
        {"postgres://u:secret@h:5/d", "postgres://u:secret@h:5/d", NULL, "postgres://u@h:5/d"},
        {"postgresql://u@h/d?schema=shop", "postgresql://u@h/d", "shop", "postgres://u@h/d"},
        {"postgres://h/d?schema=a_1&sslmode=disable", "postgres://h/d?sslmode=disable", "a_1",
         "postgres://h/d"},
        {"postgres:///d?host=/tmp&schema=b&port=7", "postgres:///d?host=/tmp&port=7", "b",
         "postgres:///tmp:7/d"},
        {"postgres://h/d?password=secret", "postgres://h/d?password=secret", NULL,
         "postgres://h/d"},
        {"postgres://h/d?", "postgres://h/d", NULL, "postgres://h/d"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct pg_address a = {0};
        struct err err = ERR_INIT;
        assert_ok(pg_address_parse(cases[i].url, &a, &err), err);
        assert_string_equal(a.conninfo, cases[i].conninfo);
        assert_string_equal(a.schema == NULL ? "-" : a.schema,
                            cases[i].schema == NULL ? "-" : cases[i].schema);
        assert_string_equal(a.shown, cases[i].shown);
        pg_address_release(&a);
        assert_null(a.conninfo);
    }
}

static void a_wrong_url_tells_no_secret(void **state) {
    (void)state;
    static const char *const bad[] = {
        "sqlite:x.db",
        "postgres://u:sec%zzret@h/d",
        "postgres://u:secret@h/d?colour=red",
        "postgres://u:secret@[::1/d",
        "postgres://h/d?schema=",
        "postgres://h/d?schema=1a",
        "postgres://h/d?schema=a-b",
        "postgres://h/d?schema=public",
        "postgres://h/d?schema=pg_toast",
        "postgres://h/d?schema=plumb",
        "postgres://h/d?schema=a&schema=b",
        "postgres://h/d?colour=red",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct pg_address a = {0};
        struct err err = ERR_INIT;
        assert_int_equal(pg_address_parse(bad[i], &a, &err), ERR_CONFIG);
        assert_null(strstr(err.message, "sec"));
        assert_null(a.conninfo);
    }
    struct pg_address a = {0};
    struct err err = ERR_INIT;
    assert_int_equal(pg_address_parse("postgres://h/d?colour=red", &a, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "colour")); /* nothing in it was secret */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_classes),
        cmocka_unit_test(a_code_is_a_number_and_back),
        cmocka_unit_test(a_url_gives_schema_and_what_may_be_shown),
        cmocka_unit_test(a_wrong_url_tells_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
