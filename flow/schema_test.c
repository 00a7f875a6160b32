/* The JSON Schema of flow files: that it is JSON, and that it knows what flow_load knows. */
#include "flow/test_support.h"

#include <string.h>

#include "base/json.h"

struct schema_text {
    struct arena arena;
    const struct json_value *root;
};

static void make(struct schema_text *s) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    struct str copy = {NULL, 0};
    flow_json_schema(&test_registry, &text);
    arena_init(&s->arena, (size_t)8 << 20);
    assert_int_equal(arena_copy(&s->arena, buf_str(&text), &copy, &err), ERR_NONE);
    if (json_parse(copy, &s->arena, &s->root, &err) != ERR_NONE) {
        print_message("%s\n%s\n", err.message, copy.ptr);
        fail();
    }
}

static const struct json_value *walk(const struct json_value *v, const char *const *path) {
    for (size_t i = 0; path[i] != NULL; i++) {
        v = json_get(v, path[i]);
        assert_non_null(v);
    }
    return v;
}

#define AT(root, ...) walk(root, (const char *const[]){__VA_ARGS__, NULL})

static void the_schema_knows_the_sections_of_a_flow(void **state) {
    (void)state;
    static const char *const keys[] = {"flow",    "store",  "staging",
                                       "sources", "tables", "transforms"};
    struct schema_text s;
    make(&s);
    const struct json_value *properties = json_get(s.root, "properties");
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_non_null(json_get(properties, keys[i]));
    }
    assert_false(json_get(s.root, "additionalProperties")->boolean);
    arena_release(&s.arena);
}

static void the_schema_has_each_component_once(void **state) {
    (void)state;
    struct schema_text s;
    make(&s);
    const struct json_value *source = AT(s.root, "properties", "sources", "additionalProperties");
    const struct json_value *item = json_get(source, "allOf")->first;
    for (size_t i = 0; i < test_registry.count; i++, item = item->next) {
        assert_non_null(item);
        struct str name;
        assert_true(json_get_str(AT(item, "if", "properties", "type"), "const", &name));
        assert_true(str_equal_c(name, test_registry.components[i]->name));
        assert_non_null(AT(item, "then", "properties", "columns"));
        assert_non_null(AT(item, "then", "properties", "batch_rows_max"));
        assert_false(AT(item, "then", "additionalProperties")->boolean);
    }
    assert_null(item);
    arena_release(&s.arena);
}

static void the_schema_knows_every_key_of_a_transform(void **state) {
    (void)state;
    static const char *const keys[] = {"from", "into",    "on",  "latest_by", "delete_when",
                                       "many", "rejects", "sql", "sum",       "derive"};
    struct schema_text s;
    make(&s);
    const struct json_value *properties =
        AT(s.root, "properties", "transforms", "additionalProperties", "properties");
    size_t count = 0;
    for (const struct json_value *v = properties->first; v != NULL; v = v->next) {
        count++;
    }
    assert_int_equal(count, ARRAY_COUNT(keys));
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_non_null(json_get(properties, keys[i]));
    }
    arena_release(&s.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_knows_the_sections_of_a_flow),
        cmocka_unit_test(the_schema_has_each_component_once),
        cmocka_unit_test(the_schema_knows_every_key_of_a_transform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
