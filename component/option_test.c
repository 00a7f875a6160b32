/* Option tables: every type, its bounds, its messages; and the texts generated from a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "component/component.h"
#include "component/describe.h"

struct conf {
    const char *text;
    bool flag;
    int64_t number;
    int64_t at_least;
    double real;
    int64_t wait_us;
    int64_t size;
    int64_t mode;
    char letter;
    struct option_list names;
    struct option_list none;
    const char *password;
};

static const char *const modes[] = {"set", "append", "publish", NULL};

static const struct option options[] = {
    OPTION_STR(struct conf, text, .flags = OPTION_REQUIRED, .doc = "Some text.",
               .example = "hello"),
    OPTION_BOOL(struct conf, flag, .def = "true", .doc = "Yes or no."),
    OPTION_INT(struct conf, number, .def = "7", .min = -5, .max = 10, .doc = "A number."),
    OPTION_INT(struct conf, at_least, .def = "3", .min = 2, .doc = "Has no upper bound."),
    OPTION_FLOAT(struct conf, real, .def = "0.5", .doc = "A real number."),
    OPTION_DURATION(struct conf, wait_us, .name = "wait", .def = "5s", .min = 1000, .max = 60000000,
                    .doc = "How long."),
    OPTION_SIZE(struct conf, size, .def = "4KiB", .min = 1, .max = 1048576,
                .flags = OPTION_ADVANCED, .doc = "How much."),
    OPTION_ENUM(struct conf, mode, .def = "append", .choices = modes, .doc = "Which way."),
    OPTION_CHAR(struct conf, letter, .def = ",", .doc = "Between cells."),
    OPTION_LIST(struct conf, names, .def = "a, b", .doc = "Some names."),
    OPTION_LIST(struct conf, none, .doc = "Names, or none."),
    OPTION_STR(struct conf, password, .flags = OPTION_SECRET, .doc = "Never shown."),
};

static const struct component thing = {
    .kind = COMPONENT_SOURCE,
    .name = "thing",
    .since = "0.1",
    .summary = "Does things.",
    .doc = "First paragraph,\nin two lines.\n\nSecond paragraph.",
    .example = "x:\n  type: thing\n  text: hello\n  columns: {id: int64}\n",
    COMPONENT_OPTIONS(options),
    .conf_size = sizeof(struct conf),
};

/* A map with up to two members, by hand: flow/ is to the right of here. */
struct map {
    struct node root;
    struct node members[2];
};

static void map_add(struct map *m, const char *key, const char *text) {
    struct node *n = &m->members[m->root.count];
    *n = (struct node){.kind = text != NULL ? NODE_SCALAR : NODE_LIST,
                       .file = "f.yaml",
                       .line = (int)m->root.count + 1,
                       .column = 5,
                       .key_line = (int)m->root.count + 1,
                       .key_column = 3,
                       .key = key,
                       .text = str_of(text)};
    if (m->root.count == 0) {
        m->root.first = n;
    } else {
        m->members[0].next = n;
    }
    m->root.count++;
}

static void map_init(struct map *m, const char *key, const char *text) {
    *m = (struct map){.root = {.kind = NODE_MAP, .file = "f.yaml", .line = 9, .column = 1}};
    map_add(m, "text", "hello");
    if (key != NULL) {
        map_add(m, key, text);
    }
}

static enum err_code parse(const struct map *m, struct arena *arena, struct conf *conf,
                           struct err *err) {
    static const char *const handled[] = {"type", NULL};
    *conf = (struct conf){.number = 0};
    return options_parse(options, ARRAY_COUNT(options), &m->root, handled, arena, conf, err);
}

static void parse_good(const char *key, const char *text, struct arena *arena, struct conf *conf) {
    struct map m;
    struct err err = ERR_INIT;
    map_init(&m, key, text);
    arena_init(arena, 1 << 20);
    const enum err_code code = parse(&m, arena, conf, &err);
    if (code != ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
    }
    assert_int_equal(code, ERR_NONE);
}

static void refuse(const char *key, const char *text, const char *message) {
    struct map m;
    struct arena arena;
    struct conf conf;
    struct err err = ERR_INIT;
    map_init(&m, key, text);
    arena_init(&arena, 1 << 20);
    assert_int_equal(parse(&m, &arena, &conf, &err), ERR_CONFIG);
    assert_string_equal(err.message, message);
    assert_string_equal(err.where, "f.yaml:2:5");
    arena_release(&arena);
}

static void defaults_are_parsed_like_text(void **state) {
    (void)state;
    struct arena arena;
    struct conf conf;
    parse_good(NULL, NULL, &arena, &conf);
    assert_string_equal(conf.text, "hello");
    assert_true(conf.flag);
    assert_int_equal(conf.number, 7);
    assert_int_equal(conf.at_least, 3);
    assert_true(conf.real > 0.49 && conf.real < 0.51);
    assert_int_equal(conf.wait_us, 5000000);
    assert_int_equal(conf.size, 4096);
    assert_int_equal(conf.mode, 1);
    assert_int_equal(conf.letter, ',');
    assert_int_equal(conf.names.count, 2);
    assert_string_equal(conf.names.items[1], "b");
    assert_int_equal(conf.none.count, 0);
    assert_null(conf.password);
    arena_release(&arena);
}

static void given_values_replace_defaults(void **state) {
    (void)state;
    struct arena arena;
    struct conf conf;
    parse_good("number", "-5", &arena, &conf);
    assert_int_equal(conf.number, -5);
    arena_release(&arena);
    parse_good("wait", "250ms", &arena, &conf);
    assert_int_equal(conf.wait_us, 250000);
    arena_release(&arena);
    parse_good("mode", "publish", &arena, &conf);
    assert_int_equal(conf.mode, 2);
    arena_release(&arena);
    parse_good("letter", "\\t", &arena, &conf);
    assert_int_equal(conf.letter, '\t');
    arena_release(&arena);
    parse_good("flag", "false", &arena, &conf);
    assert_false(conf.flag);
    arena_release(&arena);
    parse_good("size", "1MiB", &arena, &conf);
    assert_int_equal(conf.size, 1048576);
    arena_release(&arena);
}

static void handled_keys_are_skipped(void **state) {
    (void)state;
    struct arena arena;
    struct conf conf;
    parse_good("type", "whatever", &arena, &conf);
    arena_release(&arena);
}

static void wrong_values_say_what_is_right(void **state) {
    (void)state;
    refuse("flag", "yes", "'flag' must be true or false, not 'yes'");
    refuse("number", "x", "'number' must be an integer, not 'x'");
    refuse("number", "1.0", "'number' must be an integer, not '1.0'");
    refuse("number", "11", "'number' must be from -5 to 10, not '11'");
    refuse("number", "-6", "'number' must be from -5 to 10, not '-6'");
    refuse("number", "99999999999999999999",
           "'number' must be an integer, not "
           "'99999999999999999999'");
    refuse("at_least", "1", "'at_least' must be at least 2, not '1'");
    refuse("real", "1,5", "'real' must be a number, not '1,5'");
    refuse("wait", "5", "'wait' must be a duration such as 250ms, 5s, 10m, 1h or 7d, not '5'");
    refuse("wait", "2m", "'wait' must be from 1ms to 1m, not '2m'");
    refuse("size", "0", "'size' must be from 1 to 1MiB, not '0'");
    refuse("size", "many", "'size' must be a size such as 512, 64KiB, 10MB or 2GiB, not 'many'");
    refuse("mode", "apend",
           "'mode' must be one of set, append, publish, not 'apend'; did you mean 'append'?");
    refuse("mode", "zzzzzzzz", "'mode' must be one of set, append, publish, not 'zzzzzzzz'");
    refuse("letter", ";;", "'letter' must be one ASCII character (a tab is written \\t), not ';;'");
    refuse("letter", "", "'letter' must be one ASCII character (a tab is written \\t), not ''");
    refuse("names", "a", "'names' must be a list of strings, not a single value");
    refuse("number", NULL, "'number' must be an integer, not a list");
    refuse("flag", NULL, "'flag' must be true or false, not a list");
    refuse("mode", NULL, "'mode' must be one of set, append, publish, not a list");
    refuse("password", NULL, "'password' must be a string, not a list");
}

static void a_missing_option_is_named_with_its_meaning(void **state) {
    (void)state;
    struct map m;
    struct arena arena;
    struct conf conf;
    struct err err = ERR_INIT;
    map_init(&m, NULL, NULL);
    m.root.first = NULL;
    arena_init(&arena, 1 << 20);
    assert_int_equal(parse(&m, &arena, &conf, &err), ERR_CONFIG);
    assert_string_equal(err.message, "'text' is missing: Some text. For example, text: hello");
    assert_string_equal(err.where, "f.yaml:9:1");
    arena_release(&arena);
}

static void an_unknown_key_is_refused_with_the_nearest(void **state) {
    (void)state;
    struct map m;
    struct arena arena;
    struct conf conf;
    struct err err = ERR_INIT;
    map_init(&m, "numer", "1");
    arena_init(&arena, 1 << 20);
    assert_int_equal(parse(&m, &arena, &conf, &err), ERR_CONFIG);
    assert_string_equal(err.message, "unknown key 'numer'; did you mean 'number'?");
    assert_string_equal(err.where, "f.yaml:2:3");
    arena_release(&arena);
}

static void a_wrong_default_is_our_mistake(void **state) {
    (void)state;
    static const struct option wrong[] = {
        OPTION_INT(struct conf, number, .def = "11", .min = 1, .max = 10, .doc = "A number."),
    };
    struct node map = {.kind = NODE_MAP, .file = "f.yaml"};
    struct arena arena;
    struct conf conf = {.number = 0};
    struct err err = ERR_INIT;
    arena_init(&arena, 1 << 20);
    assert_int_equal(options_parse(wrong, 1, &map, NULL, &arena, &conf, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "'number' must be from 1 to 10, not '11'"));
    arena_release(&arena);
}

static void a_full_arena_is_an_error(void **state) {
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct map m;
    struct arena arena;
    struct conf conf;
    struct err err = ERR_INIT;
    map_init(&m, "password", text);
    arena_init(&arena, 2048);
    assert_int_equal(parse(&m, &arena, &conf, &err), ERR_LIMIT);
    arena_release(&arena);
}

/* ---- what shapes records ---- */

static void what_shapes_records_is_told_by_value(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b"};
    struct conf conf = {.text = "x\ny",
                        .flag = true,
                        .number = -3,
                        .real = 0.5,
                        .wait_us = 7,
                        .size = 4096,
                        .mode = 1,
                        .letter = ';',
                        .names = {names, 2}};
    struct option shaping[ARRAY_COUNT(options)];
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        shaping[i] = options[i];
        shaping[i].flags |= OPTION_SHAPES;
    }
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    options_shape(shaping, ARRAY_COUNT(shaping), &conf, &b);
    AUTO_BUF want = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&want,
             "option text 3:x\ny\noption flag 1\noption number -3\noption at_least 0\n"
             "option real 0.5\noption wait 7\noption size 4096\noption mode %zu:%s\n"
             "option letter 59\noption names 2 items\noption names 1:a\noption names 1:b\n"
             "option none 0 items\n",
             strlen(modes[1]), modes[1]);
    assert_string_equal(buf_c(&b), buf_c(&want));
    buf_clear(&b);
    buf_adds(&b, "-");
    options_shape(options, ARRAY_COUNT(options), &conf, &b);
    assert_string_equal(buf_c(&b), "-"); /* none of them says so */
}

/* ---- words and generated texts ---- */

static void bounds_are_described_in_their_unit(void **state) {
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "0us"},       {1, "1us"},        {1500, "1500us"},   {20000, "20ms"},
                 {60000000, "1m"}, {90000000, "90s"}, {86400000000, "1d"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
        describe_duration(cases[i].us, &b);
        assert_string_equal(buf_c(&b), cases[i].text);
    }
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    describe_size(1536, &b);
    buf_adds(&b, " ");
    describe_size(3 << 20, &b);
    assert_string_equal(buf_c(&b), "1536 3MiB");
}

static size_t occurrences(const char *text, const char *word) {
    size_t count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void help_names_every_option_once(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    component_help(&thing, &b);
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\n  %s ", option_name(&options[i]));
        assert_int_equal(occurrences(buf_c(&b), line), 1);
    }
    assert_non_null(strstr(buf_c(&b), "  wait              duration, default 5s, from 1ms to 1m\n"
                                      "                    How long.\n"));
    assert_non_null(strstr(buf_c(&b), "First paragraph, in two lines.\n\nSecond paragraph.\n"));
    assert_non_null(strstr(buf_c(&b), "Example\n  sources:\n    x:\n      type: thing\n"));
    assert_non_null(strstr(buf_c(&b), "\n  batch_rows_max    integer, default 20000, from 1 to "
                                      "1000000\n"));
}

static void help_lists_advanced_options_last(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    component_help(&thing, &b);
    assert_true(strstr(buf_c(&b), "\n  size ") > strstr(buf_c(&b), "\n  password "));
    assert_true(strstr(buf_c(&b), "\n  text ") < strstr(buf_c(&b), "\n  flag "));
}

static void help_lines_fit_a_terminal(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    component_help(&thing, &b);
    for (const char *at = buf_c(&b); *at != '\0';) {
        const size_t len = strcspn(at, "\n");
        assert_true(len <= 100);
        assert_true(len == 0 || at[len - 1] != ' ');
        at += len + (at[len] == '\n');
    }
}

static void the_reference_has_a_section_for_every_option(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    component_reference(&thing, &b);
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\n### %s\n", option_name(&options[i]));
        assert_int_equal(occurrences(buf_c(&b), line), 1);
    }
    assert_non_null(strstr(buf_c(&b), "| [`number`](#number) | integer | `7` | from -5 to 10 |\n"));
    assert_non_null(strstr(buf_c(&b), "| [`text`](#text) | string | required |  |\n"));
}

static void the_json_schema_is_json_and_knows_every_option(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &b);
    component_json_schema(&thing, &w);
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct err err = ERR_INIT;
    const struct json_value *schema = NULL;
    assert_int_equal(json_parse(buf_str(&b), &arena, &schema, &err), ERR_NONE);
    const struct json_value *properties = json_get(schema, "properties");
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        assert_non_null(json_get(properties, option_name(&options[i])));
    }
    for (size_t i = 0; i < source_common_option_count; i++) {
        assert_non_null(json_get(properties, option_name(&source_common_options[i])));
    }
    const struct json_value *number = json_get(properties, "number");
    const struct json_value *own = json_get(number, "anyOf")->first;
    int64_t maximum = 0;
    assert_true(json_get_i64(own, "maximum", &maximum));
    assert_int_equal(maximum, 10);
    int64_t def = 0;
    assert_true(json_get_i64(number, "default", &def));
    assert_int_equal(def, 7);
    arena_release(&arena);
}

static void options_common_to_sources_have_good_defaults(void **state) {
    (void)state;
    struct node map = {.kind = NODE_MAP, .file = "f.yaml"};
    struct arena arena;
    struct source_common common;
    struct err err = ERR_INIT;
    memset(&common, 0, sizeof common);
    arena_init(&arena, 1 << 20);
    assert_int_equal(options_parse(source_common_options, source_common_option_count, &map, NULL,
                                   &arena, &common, &err),
                     ERR_NONE);
    assert_int_equal(common.unknown, UNKNOWN_NOTE);
    assert_int_equal(common.batch_rows_max, 20000);
    assert_int_equal(common.batch_bytes_max, 4194304);
    assert_int_equal(common.record_bytes_max, 4194304);
    arena_release(&arena);
}

static void components_are_found_by_kind_and_name(void **state) {
    (void)state;
    static const struct component *const list[] = {&thing};
    static const struct registry registry = {list, 1};
    assert_ptr_equal(registry_find(&registry, COMPONENT_SOURCE, STR("thing")), &thing);
    assert_null(registry_find(&registry, COMPONENT_SINK, STR("thing")));
    assert_null(registry_find(&registry, COMPONENT_SOURCE, STR("thin")));
}

static void an_output_can_be_used_and_released(void **state) {
    (void)state;
    struct source_output o;
    struct err err = ERR_INIT;
    source_output_init(&o);
    assert_int_equal(o.lag_bytes, -1);
    assert_int_equal(batch_begin(&o.batch, STR(""), &err), ERR_NONE);
    assert_int_equal(batch_add(&o.batch, STR("x"), RECORD_WHOLE, &err), ERR_NONE);
    assert_int_equal(buf_add(&o.cursor, "1", 1, &err), ERR_NONE);
    source_output_release(&o);
    source_output_release(NULL);
}

/* A node as it is, whatever is in it; and a shape that tells nests apart. */
static void a_node_is_given_as_it_stands(void **state) {
    (void)state;
    struct tree {
        const struct node *events;
    };
    static const struct option tree_options[] = {
        OPTION_NODE(struct tree, events, .flags = OPTION_SHAPES, .doc = "A tree."),
    };
    struct node leaves[2] = {{.kind = NODE_SCALAR, .key = "a", .text = {"1", 1}},
                             {.kind = NODE_SCALAR, .key = "b", .text = {"2", 1}}};
    struct node inner = {.kind = NODE_MAP, .key = "x", .first = &leaves[0], .count = 1};
    struct node events = {
        .kind = NODE_MAP, .key = "events", .file = "f", .first = &inner, .count = 1};
    struct node root = {.kind = NODE_MAP, .file = "f", .first = &events, .count = 1};
    struct arena arena;
    struct tree conf = {NULL};
    struct err err = ERR_INIT;
    arena_init(&arena, 1 << 20);
    assert_int_equal(options_parse(tree_options, 1, &root, NULL, &arena, &conf, &err), ERR_NONE);
    assert_ptr_equal(conf.events, &events);
    AUTO_BUF side_by_side = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF nested = BUF_INIT(BUF_TEXT_MAX);
    inner.next = &leaves[1]; /* x: {a: 1}, b: 2 */
    options_shape(tree_options, 1, &conf, &side_by_side);
    inner.next = NULL;
    leaves[0].next = &leaves[1]; /* x: {a: 1, b: 2} */
    options_shape(tree_options, 1, &conf, &nested);
    assert_false(str_equal(buf_str(&side_by_side), buf_str(&nested)));
    events.kind = NODE_SCALAR;
    assert_int_equal(options_parse(tree_options, 1, &root, NULL, &arena, &conf, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "map or list"));
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_given_as_it_stands),
        cmocka_unit_test(defaults_are_parsed_like_text),
        cmocka_unit_test(given_values_replace_defaults),
        cmocka_unit_test(handled_keys_are_skipped),
        cmocka_unit_test(wrong_values_say_what_is_right),
        cmocka_unit_test(a_missing_option_is_named_with_its_meaning),
        cmocka_unit_test(an_unknown_key_is_refused_with_the_nearest),
        cmocka_unit_test(a_wrong_default_is_our_mistake),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(what_shapes_records_is_told_by_value),
        cmocka_unit_test(bounds_are_described_in_their_unit),
        cmocka_unit_test(help_names_every_option_once),
        cmocka_unit_test(help_lists_advanced_options_last),
        cmocka_unit_test(help_lines_fit_a_terminal),
        cmocka_unit_test(the_reference_has_a_section_for_every_option),
        cmocka_unit_test(the_json_schema_is_json_and_knows_every_option),
        cmocka_unit_test(options_common_to_sources_have_good_defaults),
        cmocka_unit_test(components_are_found_by_kind_and_name),
        cmocka_unit_test(an_output_can_be_used_and_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
