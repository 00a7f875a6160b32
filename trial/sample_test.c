/* Staging a part of a sample: records get the numbers they have in what is staged, also when some
 * are taken back. Texts become records as a file's would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/read.h"
#include "trial/scratch.h"

struct no_conf {
    const char *path;
};
static enum err_code no_decoder(const void *conf, const struct contract *contract,
                                const struct stream *streams, size_t stream_count,
                                struct decoder **out, struct err *err) {
    (void)conf;
    (void)streams;
    (void)stream_count;
    return decoder_new_json(contract, out, err);
}
static const struct source_ops no_ops = {.decoder = no_decoder};
static const struct option some_options[] = {
    OPTION_STR(struct no_conf, path, .doc = "Not looked at.", .example = "a")};
static const struct component none_source = {.kind = COMPONENT_SOURCE,
                                             .name = "none",
                                             .since = "0.1",
                                             .summary = "Gives nothing.",
                                             .doc = "Nothing.",
                                             .example =
                                                 "s:\n  type: none\n  columns: {id: int64}\n",
                                             COMPONENT_OPTIONS(some_options),
                                             .conf_size = sizeof(struct no_conf),
                                             .caps = CAP_TAKES_BACK,
                                             .source = &no_ops};
static const struct component *const components[] = {&none_source};
static const struct registry registry = {components, 1};

static struct flow *flow_of(const char *yaml) {
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    if (flow_load_text(str_of(yaml), "flow.yaml", &registry, NULL, &flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    return flow;
}

static const char yaml[] =
    "flow: t\nsources:\n  s: {type: none, path: a.csv, columns: {id: int64}}\n"
    "  j: {type: none, path: a.jsonl, columns: {id: int64}}\n";

struct place {
    struct flow *flow;
    struct scratch scratch;
    struct sample sample;
    struct err err;
};

static void open_place(struct place *p) {
    *p = (struct place){.flow = flow_of(yaml)};
    sample_init(&p->sample);
    assert_int_equal(scratch_open(&p->scratch, p->flow, &p->err), ERR_NONE);
}

static void close_place(struct place *p) {
    char *directory = mem_strdup(p->scratch.directory);
    scratch_close(&p->scratch);
    assert_int_not_equal(access(directory, F_OK), 0); /* nothing is left behind */
    mem_free(directory);
    sample_release(&p->sample);
    flow_free(p->flow);
}

static struct sample_batch batch_of(const struct flow_source *source, int64_t first, size_t count,
                                    int64_t taken_back, struct sample_record *records) {
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct sample_record){STR("{}"), RECORD_WHOLE, first + (int64_t)i, false};
    }
    return (struct sample_batch){.source = source,
                                 .partition = "p",
                                 .meta = STR(""),
                                 .first_record = first,
                                 .taken_back = taken_back,
                                 .records = records,
                                 .count = count};
}

/* "seq:first+records-taken_back" of each batch in the store. */
static void assert_staged(struct place *p, const struct deliveries *d, const char *expected) {
    struct store *store = NULL;
    struct store_statement *st = NULL;
    scratch_clear(&p->scratch);
    assert_int_equal(scratch_stage(&p->scratch, &p->sample, d, &p->err), ERR_NONE);
    assert_int_equal(store_open(&p->scratch.flow, STORE_READ, &store, &p->err), ERR_NONE);
    assert_int_equal(
        store_prepare(store,
                      "SELECT group_concat(seq || ':' || first_record || '+' || records || '-' || "
                      "taken_back, ' ') FROM (SELECT * FROM _plumb_batches ORDER BY id)",
                      &st, &p->err),
        ERR_NONE);
    bool has_row = false;
    assert_int_equal(store_step(st, &has_row, &p->err), ERR_NONE);
    struct str got = store_column_str(st, 0);
    char *text = mem_strndup(got.ptr, got.len);
    store_statement_free(st);
    store_close(store);
    assert_string_equal(text, expected);
    mem_free(text);
}

static void records_are_numbered_by_what_is_live(void **state) {
    (void)state;
    struct place p;
    open_place(&p);
    struct sample_record records[3][8];
    const struct flow_source *s = &p.flow->sources[0];
    /* Records 10..15, then 13.. are taken back and 13..14 come otherwise, then 15. */
    const struct sample_batch a = batch_of(s, 10, 6, 0, records[0]);
    const struct sample_batch b = batch_of(s, 13, 2, 3, records[1]);
    const struct sample_batch c = batch_of(s, 15, 1, 0, records[2]);
    AUTO_DELIVERIES whole = {.count = 0};
    deliveries_add(&whole, &a, 0, 6);
    deliveries_add(&whole, &b, 0, 2);
    deliveries_add(&whole, &c, 0, 1);
    assert_staged(&p, &whole, "1:0+6-0 2:3+2-3 3:5+1-0");
    AUTO_DELIVERIES split = {.count = 0};
    deliveries_add(&split, &a, 0, 4);
    deliveries_add(&split, &a, 4, 6);
    deliveries_add(&split, &b, 0, 1);
    deliveries_add(&split, &b, 1, 2);
    deliveries_add(&split, &c, 0, 1);
    assert_staged(&p, &split, "1:0+4-0 2:4+2-0 3:3+1-3 4:4+1-0 5:5+1-0");
    /* Without what it takes back there is nothing to take back. */
    AUTO_DELIVERIES part = {.count = 0};
    deliveries_add(&part, &a, 0, 2);
    deliveries_add(&part, &b, 0, 2);
    assert_staged(&p, &part, "1:0+2-0 2:2+2-0");
    AUTO_DELIVERIES all_gone = {.count = 0};
    deliveries_add(&all_gone, &a, 5, 6);
    deliveries_add(&all_gone, &b, 0, 0);
    assert_staged(&p, &all_gone, "1:0+1-0 2:0+0-1");
    close_place(&p);
}

static void texts_become_records(void **state) {
    (void)state;
    struct place p;
    open_place(&p);
    static const char csv[] = "id,t\r\n\n1,\"a\nb\"\n2,c\"\"\r\n3,";
    static const char lines[] = "{\"a\": \"\n{\"b\"}\r\n\n";
    const struct flow_source *s = p.flow->sources;
    const struct str none = {.len = 0};
    assert_true(frame_is_csv(&s[0]));
    assert_false(frame_is_csv(&s[1]));
    assert_int_equal(sample_add_text(&p.sample, &s[0], "x", none, STR(csv), &p.err), ERR_NONE);
    assert_int_equal(sample_add_text(&p.sample, &s[1], "x", none, STR(lines), &p.err), ERR_NONE);
    assert_int_equal(sample_add_text(&p.sample, &s[0], "x", none, STR(csv), &p.err), ERR_NONE);
    const struct sample_batch *b = p.sample.batches;
    assert_int_equal(b[0].count, 3);
    assert_true(str_equal_c(b[0].meta, "id,t"));
    assert_true(str_equal_c(b[0].records[0].bytes, "1,\"a\nb\""));
    assert_true(str_equal_c(b[0].records[1].bytes, "2,c\"\""));
    assert_true(str_equal_c(b[0].records[2].bytes, "3,"));
    assert_int_equal(b[1].count, 2);
    assert_true(str_equal_c(b[1].records[0].bytes, "{\"a\": \""));
    assert_int_equal(b[2].seq, 2);
    assert_int_equal(b[2].first_record, 3);
    assert_int_equal(sample_group(&p.sample), 2);
    assert_int_equal(b[2].group, b[0].group);
    sample_cut(&p.sample, 2);
    assert_int_equal(p.sample.count, 5);
    assert_int_equal(p.sample.batches[1].count, 1);
    assert_int_equal(p.sample.batches[1].first_record, 2);
    assert_int_equal(sample_add_text(&p.sample, &s[0], "y", none, STR("\n\n"), &p.err), ERR_CONFIG);
    assert_int_equal(sample_add_text(&p.sample, &s[0], "y", STR("a,b"), STR("1,2\n"), &p.err),
                     ERR_NONE);
    assert_true(str_equal_c(p.sample.batches[5].meta, "a,b"));
    assert_int_equal(p.sample.batches[5].count, 1);
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_numbered_by_what_is_live),
        cmocka_unit_test(texts_become_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
