/* Prometheus text: escapes, cut labels, seconds from microseconds. */
#include "server/exposition.h"

#include <string.h>

#include "base/mem.h"
#include "base/test_support.h"

static void test_hostile_labels_stay_inside_their_quotes(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    const struct label labels[] = {{"a", STR("x\"} 1\ny\\")}, {"b", {"\xff\0z", 3}}};
    metric_i64(&out, "m", labels, 2, -5);
    assert_string_equal(buf_c(&out), "m{a=\"x\\\"} 1\\ny\\\\\",b=\"??z\"} -5\n");
}

static void test_long_labels_are_cut_between_characters(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addc(&text, 'x');
    for (int i = 0; i < LABEL_BYTES_MAX; i++) {
        buf_adds(&text, "\xc3\xa4");
    }
    const struct label label = {"a", buf_str(&text)};
    metric_i64(&out, "m", &label, 1, 0);
    assert_true(str_is_utf8(buf_str(&out)));
    assert_true(out.len < LABEL_BYTES_MAX + 20);
    assert_true(str_ends_with(buf_str(&out), STR("...\"} 0\n")));
}

static void test_seconds_are_exact(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    metric_seconds(&out, "m", NULL, 0, 1);
    metric_seconds(&out, "m", NULL, 0, 1234567890123456);
    metric_seconds(&out, "m", NULL, 0, -1500000);
    metric_seconds(&out, "m", NULL, 0, INT64_MIN);
    assert_string_equal(buf_c(&out), "m 0.000001\nm 1234567890.123456\nm -1.500000\n"
                                     "m -9223372036854.775808\n");
}

static void test_a_family_is_told_before_its_samples(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    metric_single(&out, "plumb_x_total", METRIC_COUNTER, "Things.", 3);
    assert_string_equal(buf_c(&out), "# HELP plumb_x_total Things.\n# TYPE plumb_x_total "
                                     "counter\nplumb_x_total 3\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_labels_stay_inside_their_quotes),
        cmocka_unit_test(test_long_labels_are_cut_between_characters),
        cmocka_unit_test(test_seconds_are_exact),
        cmocka_unit_test(test_a_family_is_told_before_its_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
