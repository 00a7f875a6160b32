/* Trees from YAML: what a scalar says and where it stands, variables, and what is refused. */
#include "flow/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/variables.h"
#include "flow/yaml.h"

struct tree {
    struct arena arena;
    const struct node *root;
    struct err err;
    enum err_code code;
};

static void parse_bytes(struct tree *t, struct str text) {
    *t = (struct tree){.err = ERR_INIT};
    arena_init(&t->arena, (size_t)64 << 20);
    t->code = yaml_parse(text, "f.yaml", &t->arena, test_lookup, NULL, &t->root, &t->err);
}

static void parse_good(struct tree *t, const char *text) {
    parse_bytes(t, str_of(text));
    if (t->code != ERR_NONE) {
        print_message("%s: %s\n", t->err.where, t->err.message);
    }
    assert_int_equal(t->code, ERR_NONE);
}

static void refuse(const char *text, const char *where, const char *message) {
    struct tree t;
    parse_bytes(&t, str_of(text));
    if (t.code != ERR_CONFIG || strcmp(t.err.where, where) != 0 ||
        strcmp(t.err.message, message) != 0) {
        print_message("%s\n got %s: %s\n", text, t.err.where, t.err.message);
    }
    assert_int_equal(t.code, ERR_CONFIG);
    assert_string_equal(t.err.where, where);
    assert_string_equal(t.err.message, message);
    assert_null(t.root);
    arena_release(&t.arena);
}

/* Value of key a in "a: ...". */
static void scalar_is(const char *yaml, const char *text) {
    struct tree t;
    parse_good(&t, yaml);
    const struct node *n = node_get(t.root, "a");
    assert_non_null(n);
    assert_int_equal(n->kind, NODE_SCALAR);
    assert_string_equal(n->text.ptr, text);
    assert_int_equal(n->text.len, strlen(text));
    arena_release(&t.arena);
}

static void scalars_stay_as_they_are_written(void **state) {
    (void)state;
    static const char *const texts[] = {"no", "1.0", "0x10", "007", "2026-01-31", "1e3", "TRUE"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        char yaml[64];
        (void)snprintf(yaml, sizeof yaml, "a: %s", texts[i]);
        scalar_is(yaml, texts[i]);
    }
}

static void all_styles_of_text_are_read(void **state) {
    (void)state;
    scalar_is("a: 'it''s'", "it's");
    scalar_is("a: \"x\\ty\\u00e9\"", "x\ty\xC3\xA9");
    scalar_is("a: |\n  one\n   two\n", "one\n two\n");
    scalar_is("a: |-\n  one\n  two\n", "one\ntwo");
    scalar_is("a: >\n  one\n  two\n", "one two\n");
    scalar_is("a: one\n  two\n", "one two");
}

static void only_plain_nothing_is_null(void **state) {
    (void)state;
    static const struct {
        const char *yaml;
        bool is_null;
    } cases[] = {{"a:", true},      {"a: ~", true},        {"a: null", true},
                 {"a: ''", false},  {"a: 'null'", false},  {"a: none", false},
                 {"a: |\n", false}, {"a: ${EMPTY}", false}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct tree t;
        parse_good(&t, cases[i].yaml);
        assert_int_equal(t.root->first->is_null, cases[i].is_null);
        arena_release(&t.arena);
    }
}

static void nodes_know_where_they_stand(void **state) {
    (void)state;
    struct tree t;
    parse_good(&t, "x: 1\nlist:\n  - a\n  - {k: 'v', l: [p, q]}\n");
    const struct node *list = node_get(t.root, "list");
    assert_int_equal(list->kind, NODE_LIST);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->key_line, 2);
    assert_int_equal(list->key_column, 1);
    assert_int_equal(list->line, 3);
    assert_int_equal(list->column, 3);
    const struct node *map = list->first->next;
    assert_null(map->key);
    assert_int_equal(map->key_line, 0);
    assert_int_equal(map->line, 4);
    assert_int_equal(map->column, 5);
    const struct node *v = node_get(map, "k");
    assert_int_equal(v->key_column, 6);
    assert_int_equal(v->column, 9);
    assert_int_equal(v->text_column, 10);
    assert_true(v->is_quoted);
    const struct node *q = node_get(map, "l")->first->next;
    assert_string_equal(q->text.ptr, "q");
    assert_int_equal(q->column, 21);
    arena_release(&t.arena);
}

/* Position that the byte `word` begins at in the value of the last key of the text. */
static void word_is_at(const char *yaml, const char *word, int line, int column) {
    struct tree t;
    parse_good(&t, yaml);
    const struct node *n = t.root->first;
    while (n->next != NULL) {
        n = n->next;
    }
    const char *at = strstr(n->text.ptr, word);
    assert_non_null(at);
    int got_line = 0;
    int got_column = 0;
    node_text_position(n, (size_t)(at - n->text.ptr), &got_line, &got_column);
    if (got_line != line || got_column != column) {
        print_message("%s: '%s' at %d:%d\n", yaml, word, got_line, got_column);
    }
    assert_int_equal(got_line, line);
    assert_int_equal(got_column, column);
    arena_release(&t.arena);
}

static void places_in_texts_are_found(void **state) {
    (void)state;
    word_is_at("a: SELECT x FROM y", "FROM", 1, 13);
    word_is_at("a: 'SELECT x FROM y'", "FROM", 1, 14);
    word_is_at("a: \"SELECT x FROM y\"", "FROM", 1, 14);
    word_is_at("a: |\n  SELECT x\n  FROM y\n", "FROM", 3, 3);
    word_is_at("a: |\n  SELECT x\n    FROM y\n", "FROM", 3, 5);
    word_is_at("a: |-   # text\n\n\n      SELECT x\n      FROM y\n", "SELECT", 4, 7);
    word_is_at("a: |2\n      SELECT x\n  FROM y\n", "SELECT", 2, 7);
    word_is_at("a: |2\n      SELECT x\n  FROM y\n", "FROM", 3, 3);
    word_is_at("a: '\xC3\xA9\xC3\xA9 x'", "x", 1, 8);
    word_is_at(
        "# \xE2\x82\xAC\xE2\x82\xAC\r\nb: |\r\n  one\r\n  two\r\na: |\r\n  SELECT\r\n  x\r\n", "x",
        7, 3);
}

static void places_in_folded_or_replaced_texts_are_their_start(void **state) {
    (void)state;
    word_is_at("a: SELECT x\n  FROM y", "FROM", 1, 4);
    word_is_at("a: >\n  SELECT x\n  FROM y\n", "FROM", 2, 3);
    word_is_at("a: \"x\\ty z\"", "z", 1, 5);
    word_is_at("a: 'x ''y'' z'", "z", 1, 5);
    word_is_at("a: SELECT ${SET} FROM y", "FROM", 1, 4);
}

static void a_byte_order_mark_is_no_column(void **state) {
    (void)state;
    word_is_at("\xEF\xBB\xBF"
               "a: x",
               "x", 1, 4);
}

/* ---- variables ---- */

static void variables_are_replaced(void **state) {
    (void)state;
    scalar_is("a: ${SET}", "value");
    scalar_is("a: x${SET}y${SET}z", "xvalueyvaluez");
    scalar_is("a: ${SET:-other}", "value");
    scalar_is("a: \"${NOT_SET:-other: 'one'}\"", "other: 'one'");
    scalar_is("a: ${NOT_SET:-}", "");
    scalar_is("a: ${EMPTY:-other}", "other");
    scalar_is("a: ${EMPTY}", "");
    scalar_is("a: ${SET:?must be set}", "value");
    scalar_is("a: |\n  x ${SET}\n", "x value\n");
}

static void a_dollar_is_a_dollar_elsewhere(void **state) {
    (void)state;
    scalar_is("a: $$", "$");
    scalar_is("a: $${SET}", "${SET}");
    scalar_is("a: $1 $x ^a$", "$1 $x ^a$");
    scalar_is("a: $", "$");
    scalar_is("a: $$$$x", "$$x");
}

static void keys_are_not_replaced(void **state) {
    (void)state;
    struct tree t;
    parse_good(&t, "${SET}: x\n");
    assert_string_equal(t.root->first->key, "${SET}");
    arena_release(&t.arena);
}

static void a_replaced_text_may_be_secret_and_a_default_is_not(void **state) {
    (void)state;
    struct tree t;
    parse_good(&t, "a: ${SET}\nb: ${NOT_SET:-x}\nc: $$\n");
    assert_true(node_get(t.root, "a")->has_secret);
    assert_false(node_get(t.root, "b")->has_secret);
    assert_false(node_get(t.root, "c")->has_secret);
    arena_release(&t.arena);
}

static void a_value_of_a_variable_is_not_yaml(void **state) {
    (void)state;
    struct tree t;
    parse_good(&t, "a: ${NOT_SET:-[1, 2]}\n");
    assert_int_equal(node_get(t.root, "a")->kind, NODE_SCALAR);
    arena_release(&t.arena);
}

static void wrong_variables_are_refused_in_their_place(void **state) {
    (void)state;
    refuse("a: x ${NOT_SET}", "f.yaml:1:6",
           "the variable NOT_SET is not set; set it, or write ${NOT_SET:-default}");
    refuse("a: ${NOT_SET:?give the key}", "f.yaml:1:4", "NOT_SET: give the key");
    refuse("a: ${EMPTY:?give the key}", "f.yaml:1:4", "EMPTY: give the key");
    refuse("a: ${NOT_SET:?}", "f.yaml:1:4",
           "the variable NOT_SET is not set; set it, or write ${NOT_SET:-default}");
    refuse("a: ${SET", "f.yaml:1:4", "'${' without '}'; a dollar sign is written $$");
    refuse("a: ${}", "f.yaml:1:4",
           "'${' needs the name of a variable and '}'; a dollar sign is written $$");
    refuse("a: ${1A}", "f.yaml:1:4",
           "'${' needs the name of a variable and '}'; a dollar sign is written $$");
    refuse("a: ${SET-x}", "f.yaml:1:4",
           "after ${SET only '}', ':-default}' or ':?message}' can follow");
    refuse("a: ${A:-${B}}", "f.yaml:1:4", "variables do not nest: the default of ${A} has a '${'");
    refuse("a: ${BAD}", "f.yaml:1:4", "the value of ${BAD} is not UTF-8");
    refuse("a: |\n  one\n  two ${NOT_SET}\n", "f.yaml:3:7",
           "the variable NOT_SET is not set; set it, or write ${NOT_SET:-default}");
}

/* ---- refusals ---- */

static void what_a_flow_does_not_need_is_refused(void **state) {
    (void)state;
    refuse("a: &x 1\n", "f.yaml:1:4",
           "anchors (&name) are not supported: write the value where it is needed");
    refuse("a: *x\n", "f.yaml:1:4",
           "aliases (*name) are not supported: write the value where it is needed");
    refuse("a: !!str 1\n", "f.yaml:1:4",
           "tags (!name) are not supported: what a value means is decided by its key");
    refuse("a: !x {}\n", "f.yaml:1:4",
           "tags (!name) are not supported: what a value means is decided by its key");
    refuse("a: 1\n---\nb: 1\n", "f.yaml:2:1", "a second document starts: one file is one flow");
    refuse("", "f.yaml:1:1", "the file is empty");
    refuse("# only a comment\n", "f.yaml:1:1", "the file is empty");
    refuse("? [a]\n: b\n", "f.yaml:1:3", "a key must be a text, not a list or a map");
    refuse("'': b\n", "f.yaml:1:1", "a key is empty");
    refuse("a: \"x\\0y\"\n", "f.yaml:1:4", "a text holds a NUL character");
}

static void duplicate_keys_are_refused(void **state) {
    (void)state;
    refuse("a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "the key 'a' was already given in line 1");
    refuse("x: {a: 1, b: 2, 'a': 3}\n", "f.yaml:1:17", "the key 'a' was already given in line 1");
}

static void bad_yaml_is_explained(void **state) {
    (void)state;
    refuse("a:\n\tb: 1\n", "f.yaml:2:1",
           "not valid YAML: found character that cannot start any token (while scanning for the "
           "next token at line 2); indent with spaces, not with tabs");
    refuse("a: {b: ${SET}}\n", "f.yaml:1:9",
           "not valid YAML: did not find expected ',' or '}' (while parsing a flow mapping at line "
           "1); inside { } and [ ] a value with ${...} needs quotes");
    refuse("a: [1, 2\n", "f.yaml:2:1",
           "not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence at "
           "line 1)");
    refuse("a: b: c\n", "f.yaml:1:5",
           "not valid YAML: mapping values are not allowed in this context; a text with ': ' or a "
           "tab needs quotes, and keys of a map one indent");
    refuse("a: 'x\n", "f.yaml:2:1",
           "not valid YAML: found unexpected end of stream (while scanning a quoted scalar at line "
           "1)");
}

static void bytes_that_are_not_utf8_are_refused_in_their_place(void **state) {
    (void)state;
    refuse("a: 1\nb: \xC3\xA9\xff\n", "f.yaml:2:5", "not UTF-8 text: invalid leading UTF-8 octet");
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    char text[2 * YAML_DEPTH_MAX + 3];
    memset(text, '[', YAML_DEPTH_MAX);
    memset(text + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    text[2 * YAML_DEPTH_MAX] = '\0';
    struct tree t;
    parse_good(&t, text);
    arena_release(&t.arena);
    memset(text, '[', YAML_DEPTH_MAX + 1);
    memset(text + YAML_DEPTH_MAX + 1, ']', YAML_DEPTH_MAX + 1);
    text[2 * YAML_DEPTH_MAX + 2] = '\0';
    refuse(text, "f.yaml:1:33", "lists and maps are nested more than 32 deep");
}

static void the_number_of_values_has_a_limit(void **state) {
    (void)state;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < YAML_NODES_MAX - 1; i++) {
        buf_adds(&text, "- x\n");
    }
    struct tree t;
    parse_good(&t, buf_c(&text));
    assert_int_equal(t.root->count, YAML_NODES_MAX - 1);
    arena_release(&t.arena);
    buf_adds(&text, "- x\n");
    refuse(buf_c(&text), "f.yaml:100000:3", "the file has more than 100000 values");
}

static void a_full_arena_is_an_error(void **state) {
    (void)state;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&text, "a: ");
    for (size_t i = 0; i < 100000; i++) {
        buf_adds(&text, "xxxxxxxxxx");
    }
    struct arena arena;
    arena_init(&arena, 100000);
    struct err err = ERR_INIT;
    const struct node *root = NULL;
    assert_int_equal(yaml_parse(buf_str(&text), "f.yaml", &arena, test_lookup, NULL, &root, &err),
                     ERR_LIMIT);
    arena_release(&arena);
}

static void a_text_grows_by_variables_up_to_a_limit(void **state) {
    (void)state;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&text, "a: ");
    for (size_t i = 0; i < VARIABLES_TEXT_BYTES_MAX / 5 + 1; i++) {
        buf_adds(&text, "${SET}");
    }
    struct tree t;
    parse_bytes(&t, buf_str(&text));
    assert_int_equal(t.code, ERR_CONFIG);
    assert_string_equal(t.err.message, "the text is longer than 4194304 bytes with its variables");
    arena_release(&t.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_stay_as_they_are_written),
        cmocka_unit_test(all_styles_of_text_are_read),
        cmocka_unit_test(only_plain_nothing_is_null),
        cmocka_unit_test(nodes_know_where_they_stand),
        cmocka_unit_test(places_in_texts_are_found),
        cmocka_unit_test(places_in_folded_or_replaced_texts_are_their_start),
        cmocka_unit_test(a_byte_order_mark_is_no_column),
        cmocka_unit_test(variables_are_replaced),
        cmocka_unit_test(a_dollar_is_a_dollar_elsewhere),
        cmocka_unit_test(keys_are_not_replaced),
        cmocka_unit_test(a_replaced_text_may_be_secret_and_a_default_is_not),
        cmocka_unit_test(a_value_of_a_variable_is_not_yaml),
        cmocka_unit_test(wrong_variables_are_refused_in_their_place),
        cmocka_unit_test(what_a_flow_does_not_need_is_refused),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(bad_yaml_is_explained),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused_in_their_place),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(the_number_of_values_has_a_limit),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(a_text_grows_by_variables_up_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
