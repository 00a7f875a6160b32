/* Whole flows: what a good one becomes, and where things lie that are read from a directory. */
#include "flow/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const char shop[] =
    "flow: shop\n"
    "store: ${PLUMB_STORE:-sqlite:shop.db}        # or postgres://...\n"
    "\n"
    "sources:\n"
    "  orders:\n"
    "    type: http                               # plumb help http\n"
    "    url: https://api.example.com/orders\n"
    "    every: 5m\n"
    "    records: /data                           # JSON pointer to the array\n"
    "    columns:\n"
    "      id:       {type: int64, required: true}\n"
    "      customer: {type: text, path: /customer/id, required: true}\n"
    "      total:    {type: int64, path: /total_cents, min: 0}\n"
    "      status:   {type: text, one_of: [open, paid, void]}\n"
    "      updated:  {type: timestamp}\n"
    "\n"
    "tables:\n"
    "  orders:\n"
    "    key: [id]\n"
    "    columns: {id: int64, customer: text, total: int64, status: text, updated: timestamp}\n"
    "    indexes: [[customer]]\n"
    "  customers:\n"
    "    key: [customer]\n"
    "    columns: {customer: text, orders: int64, spent: int64}\n"
    "  vips:\n"
    "    key: [customer]\n"
    "    columns: {customer: text, tier: text}\n"
    "\n"
    "transforms:\n"
    "  orders:\n"
    "    from: orders                             # a source (or source.stream): a map\n"
    "    into: orders\n"
    "    latest_by: updated\n"
    "    sql: SELECT id, customer, total, status, updated FROM batch WHERE status <> 'void'\n"
    "  customers:\n"
    "    from: orders                             # a table: changes\n"
    "    into: customers\n"
    "    sum: SELECT customer, 1 AS orders, total AS spent FROM change WHERE status = 'paid'\n"
    "  vips:\n"
    "    on: [customers]\n"
    "    into: vips\n"
    "    derive: |\n"
    "      SELECT c.customer, CASE WHEN c.spent > 1000000 THEN 'gold' ELSE 'silver' END AS tier\n"
    "      FROM changed k JOIN customers c ON c.customer = k.customer WHERE c.orders >= 10\n";

static struct flow *load(const char *text) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    if (flow_load_text(str_of(text), "shop/flow.yaml", &test_registry, test_lookup, &f, &err) !=
        ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
        fail();
    }
    return f;
}

static void the_example_of_the_design_loads(void **state) {
    (void)state;
    struct flow *f = load(shop);
    assert_string_equal(f->name, "shop");
    assert_string_equal(f->store, "sqlite:shop.db");
    assert_string_equal(f->directory, "shop");
    assert_int_equal(f->keep, KEEP_FOREVER);
    assert_int_equal(f->source_count, 1);
    assert_int_equal(f->table_count, 3);
    assert_int_equal(f->transform_count, 3);
    flow_free(f);
}

static void a_source_has_its_options_and_its_contract(void **state) {
    (void)state;
    struct flow *f = load(shop);
    const struct flow_source *s = flow_find_source(f, "orders");
    assert_ptr_equal(s->component, &test_http);
    const struct test_http_conf *conf = s->conf;
    assert_string_equal(conf->url, "https://api.example.com/orders");
    assert_int_equal(conf->every_us, 300000000);
    assert_int_equal(s->common.batch_rows_max, 20000);
    assert_int_equal(s->common.batch_bytes_max, 4 << 20);
    assert_int_equal(s->contract.unknown, UNKNOWN_NOTE);
    assert_int_equal(s->contract.schema.count, 5);
    const struct contract_column *c = s->contract.columns;
    assert_true(c[0].required);
    assert_int_equal(c[0].path_depth, 1);
    assert_string_equal(c[0].path[0], "id");
    assert_int_equal(c[1].path_depth, 2);
    assert_string_equal(c[1].path[0], "customer");
    assert_string_equal(c[1].path[1], "id");
    assert_false(c[2].min.is_null);
    assert_int_equal(c[2].min.integer, 0);
    assert_true(c[2].max.is_null);
    assert_int_equal(c[3].one_of_count, 3);
    assert_string_equal(c[3].one_of[2], "void");
    flow_free(f);
}

static void a_name_shared_by_source_and_table_means_what_the_kind_needs(void **state) {
    (void)state;
    struct flow *f = load(shop);
    const struct flow_transform *map = flow_find_transform(f, "orders");
    const struct flow_transform *sum = flow_find_transform(f, "customers");
    assert_int_equal(map->kind, TRANSFORM_MAP);
    assert_ptr_equal(map->source, flow_find_source(f, "orders"));
    assert_null(map->from);
    assert_int_equal(sum->kind, TRANSFORM_SUM);
    assert_ptr_equal(sum->from, flow_find_table(f, "orders"));
    assert_null(sum->source);
    flow_free(f);
}

static void a_map_knows_its_latest_by_columns(void **state) {
    (void)state;
    struct flow *f = load(shop);
    const struct flow_transform *map = flow_find_transform(f, "orders");
    assert_int_equal(map->latest_by_count, 1);
    assert_int_equal(map->latest_by[0], 4);
    assert_false(map->many);
    assert_null(map->delete_when);
    flow_free(f);
}

static void a_derive_knows_its_changed_columns(void **state) {
    (void)state;
    struct flow *f = load(shop);
    const struct flow_transform *t = flow_find_transform(f, "vips");
    assert_int_equal(t->kind, TRANSFORM_DERIVE);
    assert_int_equal(t->on_count, 1);
    assert_ptr_equal(t->on[0].table, flow_find_table(f, "customers"));
    assert_int_equal(t->on[0].column_count, 1);
    assert_string_equal(t->on[0].columns[0], "customer");
    assert_null(t->on[0].sql);
    assert_int_equal(t->changed_count, 1);
    assert_int_equal(t->changed[0], 0);
    flow_free(f);
}

static void a_place_in_block_sql_is_found_in_the_file(void **state) {
    (void)state;
    struct flow *f = load(shop);
    const struct flow_transform *t = flow_find_transform(f, "vips");
    const size_t offset = (size_t)(strstr(t->sql, "JOIN") - t->sql);
    int line = 0;
    int column = 0;
    node_text_position(t->sql_node, offset, &line, &column);
    assert_int_equal(line, 44);
    assert_int_equal(column, 22);
    flow_free(f);
}

static void transforms_stand_in_an_order_that_works(void **state) {
    (void)state;
    struct flow *f = load("flow: f\n"
                          "sources: {s: {type: file, path: x, columns: {k: int64}}}\n"
                          "tables:\n"
                          "  a: {key: [k], columns: {k: int64}}\n"
                          "  b: {key: [k], columns: {k: int64, n: int64}}\n"
                          "  c: {key: [k], columns: {k: int64, n: int64}}\n"
                          "  d: {key: [k], columns: {k: int64}}\n"
                          "transforms:\n"
                          "  last: {on: [b, c], into: d, derive: SELECT k FROM changed}\n"
                          "  third: {from: b, into: c, sum: 'SELECT k, n FROM change'}\n"
                          "  second: {from: a, into: b, sum: 'SELECT k, 1 AS n FROM change'}\n"
                          "  first: {from: s, into: a, sql: SELECT k FROM batch}\n"
                          "  also: {from: s, into: a, sql: SELECT k FROM batch}\n");
    static const char *const order[] = {"first", "also", "second", "third", "last"};
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        assert_string_equal(f->transforms[i].name, order[i]);
    }
    flow_free(f);
}

static void a_table_that_nobody_writes_is_a_reference(void **state) {
    (void)state;
    struct flow *f = load("flow: f\n"
                          "tables: {r: {key: [k], columns: {k: text, v: json}}}\n");
    assert_true(f->tables[0].is_reference);
    assert_string_equal(f->store, "sqlite:f.db");
    flow_free(f);
    f = load(shop);
    assert_false(f->tables[0].is_reference);
    flow_free(f);
}

/* ---- on: ---- */

static struct flow *load_on(const char *on) {
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "flow: f\n"
                   "tables:\n"
                   "  pools: {key: [id], columns: {id: text, creator: text, chain: int64}}\n"
                   "  pairs: {key: [token, chain], columns: {token: text, chain: int64}}\n"
                   "  tokens: {key: [token, chain], columns: {token: text, chain: int64}}\n"
                   "transforms:\n"
                   "  t: {into: tokens, derive: SELECT token FROM changed, on: %s}\n",
                   on);
    return load(text);
}

static void on_as_a_list_takes_the_key_columns_by_name(void **state) {
    (void)state;
    struct flow *f = load_on("[pairs]");
    const struct flow_transform *t = &f->transforms[0];
    assert_int_equal(t->changed_count, 2);
    assert_string_equal(t->on[0].columns[0], "token");
    assert_string_equal(t->on[0].columns[1], "chain");
    flow_free(f);
}

static void on_as_a_map_gives_the_first_key_columns(void **state) {
    (void)state;
    struct flow *f = load_on("{pools: [creator], pairs: [token]}");
    const struct flow_transform *t = &f->transforms[0];
    assert_int_equal(t->changed_count, 1);
    assert_int_equal(t->changed[0], 0);
    assert_int_equal(t->on_count, 2);
    assert_string_equal(t->on[0].columns[0], "creator");
    flow_free(f);
}

static void on_with_sql_counts_as_many_columns_as_the_lists(void **state) {
    (void)state;
    struct flow *f =
        load_on("{pools: 'select p.token FROM change c JOIN pairs p', tables.pairs: [token]}");
    const struct flow_transform *t = &f->transforms[0];
    assert_int_equal(t->changed_count, 1);
    assert_string_equal(t->on[0].sql, "select p.token FROM change c JOIN pairs p");
    assert_null(t->on[0].columns);
    flow_free(f);
    f = load_on("{pools: 'WITH x AS (SELECT 1) SELECT token, chain FROM change'}");
    assert_int_equal(f->transforms[0].changed_count, 2);
    flow_free(f);
}

/* ---- keep ---- */

static void staging_is_kept_for_a_time_or_up_to_a_size(void **state) {
    (void)state;
    struct flow *f = load("flow: f\nstaging: {keep: 30d}\n");
    assert_int_equal(f->keep, KEEP_AGE);
    assert_int_equal(f->keep_amount, INT64_C(30) * 86400 * 1000000);
    flow_free(f);
    f = load("flow: f\nstaging: {keep: 20GB}\n");
    assert_int_equal(f->keep, KEEP_BYTES);
    assert_int_equal(f->keep_amount, INT64_C(20000000000));
    flow_free(f);
    f = load("flow: f\nstaging: {keep: forever}\n");
    assert_int_equal(f->keep, KEEP_FOREVER);
    flow_free(f);
}

/* ---- directories and SQL files ---- */

struct directory {
    char path[64];
};

static struct directory make_directory(void) {
    struct directory d = {"/tmp/plumb-flow-XXXXXX"};
    assert_non_null(mkdtemp(d.path));
    return d;
}

static void write_file(const struct directory *d, const char *name, const char *text) {
    struct err err = ERR_INIT;
    char *path = file_join(d->path, name);
    assert_int_equal(file_write_atomic(path, str_of(text), &err), ERR_NONE);
    mem_free(path);
}

static void remove_directory(const struct directory *d) {
    static const char *const names[] = {"flow.yaml", "a.sql"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = file_join(d->path, names[i]);
        (void)unlink(path); /* may not be there */
        mem_free(path);
    }
    assert_int_equal(rmdir(d->path), 0);
}

static const char with_file[] = "flow: f\n"
                                "sources: {s: {type: file, path: x, columns: {k: int64}}}\n"
                                "tables: {t: {key: [k], columns: {k: int64}}}\n"
                                "transforms: {m: {from: s, into: t, sql: a.sql}}\n";

static void sql_comes_from_a_file_beside_the_flow(void **state) {
    (void)state;
    const struct directory d = make_directory();
    write_file(&d, "flow.yaml", with_file);
    write_file(&d, "a.sql", "SELECT k\nFROM batch\n");
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(flow_load(d.path, &test_registry, &f, &err), ERR_NONE);
    const struct flow_transform *t = &f->transforms[0];
    assert_string_equal(t->sql, "SELECT k\nFROM batch\n");
    int line = 0;
    int column = 0;
    node_text_position(t->sql_node, 14, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 6);
    assert_non_null(strstr(t->sql_node->file, "/a.sql"));
    flow_free(f);
    remove_directory(&d);
}

static void the_version_changes_with_a_sql_file(void **state) {
    (void)state;
    const struct directory d = make_directory();
    struct err err = ERR_INIT;
    struct flow *f[3] = {NULL, NULL, NULL};
    static const char *const sql[] = {"SELECT k FROM batch", "SELECT k FROM batch",
                                      "SELECT  k  FROM  batch"};
    write_file(&d, "flow.yaml", with_file);
    for (size_t i = 0; i < 3; i++) {
        write_file(&d, "a.sql", sql[i]);
        assert_int_equal(flow_load(d.path, &test_registry, &f[i], &err), ERR_NONE);
    }
    assert_true(hash128_equal(f[0]->version, f[1]->version));
    assert_false(hash128_equal(f[0]->version, f[2]->version));
    assert_true(hash128_equal(f[0]->transforms[0].definition, f[2]->transforms[0].definition));
    for (size_t i = 0; i < 3; i++) {
        flow_free(f[i]);
    }
    remove_directory(&d);
}

static void a_missing_sql_file_is_an_error_at_its_name(void **state) {
    (void)state;
    const struct directory d = make_directory();
    write_file(&d, "flow.yaml", with_file);
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(flow_load(d.path, &test_registry, &f, &err), ERR_CONFIG);
    assert_non_null(strstr(err.where, "/flow.yaml:4:"));
    assert_non_null(strstr(err.message, "a.sql"));
    assert_null(f);
    remove_directory(&d);
}

static void a_flow_that_does_not_exist_is_an_error(void **state) {
    (void)state;
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(flow_load("/nonexistent/flow", &test_registry, &f, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "/nonexistent/flow"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_design_loads),
        cmocka_unit_test(a_source_has_its_options_and_its_contract),
        cmocka_unit_test(a_name_shared_by_source_and_table_means_what_the_kind_needs),
        cmocka_unit_test(a_map_knows_its_latest_by_columns),
        cmocka_unit_test(a_derive_knows_its_changed_columns),
        cmocka_unit_test(a_place_in_block_sql_is_found_in_the_file),
        cmocka_unit_test(transforms_stand_in_an_order_that_works),
        cmocka_unit_test(a_table_that_nobody_writes_is_a_reference),
        cmocka_unit_test(on_as_a_list_takes_the_key_columns_by_name),
        cmocka_unit_test(on_as_a_map_gives_the_first_key_columns),
        cmocka_unit_test(on_with_sql_counts_as_many_columns_as_the_lists),
        cmocka_unit_test(staging_is_kept_for_a_time_or_up_to_a_size),
        cmocka_unit_test(sql_comes_from_a_file_beside_the_flow),
        cmocka_unit_test(the_version_changes_with_a_sql_file),
        cmocka_unit_test(a_missing_sql_file_is_an_error_at_its_name),
        cmocka_unit_test(a_flow_that_does_not_exist_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
