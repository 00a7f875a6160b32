/* The options of the file source, through the option table and the check across them. */
#include "source/file.c"

#include "base/test_support.h"

/* A map of at most four scalars: key, value, key, value, NULL. */
static enum err_code parse_and_check(const char *const *texts, struct file_conf *conf,
                                     struct err *err) {
    static struct node items[4];
    static struct node map;
    static struct arena arena; /* conf's texts; released by the next call */
    arena_release(&arena);
    memset(items, 0, sizeof(items));
    map = (struct node){.kind = NODE_MAP, .file = "flow.yaml", .line = 1, .column = 1};
    arena_init(&arena, (size_t)1 << 20);
    const struct node **link = &map.first;
    for (size_t i = 0; texts[2 * i] != NULL; i++) {
        items[i] = (struct node){.kind = NODE_SCALAR,
                                 .file = "flow.yaml",
                                 .line = (int)i + 2,
                                 .column = 5,
                                 .key_line = (int)i + 2,
                                 .key_column = 3,
                                 .key = texts[2 * i],
                                 .text = str_of(texts[2 * i + 1])};
        *link = &items[i];
        link = &items[i].next;
        map.count++;
    }
    memset(conf, 0, sizeof(*conf));
    enum err_code code =
        options_parse(source_file.options, source_file.option_count, &map, NULL, &arena, conf, err);
    if (code == ERR_NONE) {
        code = source_file.check(conf, NULL, &map, err);
    }
    return code;
}

static void the_format_follows_from_the_name(void **state) {
    (void)state;
    static const struct {
        const char *path;
        enum file_format format;
        char delimiter;
    } cases[] = {{"a.jsonl", FORMAT_JSONL, ','},    {"x/*.ndjson.gz", FORMAT_JSONL, ','},
                 {"*.json.zst", FORMAT_JSONL, ','}, {"a.csv", FORMAT_CSV, ','},
                 {"a.tsv.gzip", FORMAT_CSV, '\t'},  {"a.log", FORMAT_AUTO, ','},
                 {"a.csv.bak", FORMAT_AUTO, ','}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct file_conf conf = {.path = cases[i].path};
        assert_int_equal(conf_format(&conf), cases[i].format);
        assert_int_equal(conf_delimiter(&conf), cases[i].delimiter);
    }
}

static void defaults_are_those_of_the_table(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct file_conf conf;
    static const char *const texts[] = {"path", "a.csv", NULL};
    assert_int_equal(parse_and_check(texts, &conf, &err), ERR_NONE);
    assert_int_equal(conf.quote, '"');
    assert_string_equal(conf.null, "");
    assert_int_equal(conf.poll, 250000);
    assert_int_equal(conf.compression, COMPRESSION_AUTO);
    assert_false(conf.follow);
}

static void options_that_do_not_fit_together_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *texts[7];
        const char *message;
    } cases[] = {
        {{"path", "", NULL}, "path is empty"},
        {{"path", "a.log", NULL}, "does not tell the format"},
        {{"path", "a.log", "format", "lines", NULL}, "needs a pattern"},
        {{"path", "a.jsonl", "pattern", "(?<a>.)", NULL}, "'pattern' is only for format: lines"},
        {{"path", "a.csv", "pattern", "(?<a>.)", NULL}, "'pattern' is only for format: lines"},
        {{"path", "a.jsonl", "delimiter", ";", NULL}, "'delimiter' is only for format: csv"},
        {{"path", "a.jsonl", "null", "-", NULL}, "'null' is only for format: csv"},
        {{"path", "a.csv", "quote", ",", NULL}, "two different characters"},
        {{"path", "a.csv", "format", "xml", NULL}, "xml"},
        {{"path", "a.csv", "compress", "gzip", NULL}, "compress"},
        {{"format", "csv", NULL}, "path"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err err = ERR_INIT;
        struct file_conf conf;
        assert_int_equal(parse_and_check(cases[i].texts, &conf, &err), ERR_CONFIG);
        if (strstr(err.message, cases[i].message) == NULL) {
            print_error("case %zu: %s\n", i, err.message);
            fail();
        }
        assert_non_null(strstr(err.where, "flow.yaml:"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format_follows_from_the_name),
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(options_that_do_not_fit_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
