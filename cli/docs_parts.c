/* How it works: a section for each thing of the flow. The sentences are ours, chosen by what the
 * flow says; names and SQL are the flow's, always as code. */
#include "cli/docs_flow.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/graph.h"
#include "cli/opened.h"
#include "cli/output.h"
#include "component/describe.h"

static void code_c(struct page *p, const char *text) {
    page_code(p, str_of(text));
}

static void cell_code(struct page *p, const char *text) {
    page_cell(p);
    code_c(p, text);
    page_cell_end(p);
}

static void heading(struct docs *d, const char *kind, const char *name) {
    char *anchor = mem_printf("%s-%s", kind, name);
    page_heading(&d->page, 3, anchor, name);
    mem_free(anchor);
}

/* "`a`, `b` and `c`" of columns. */
static void column_names(struct page *p, const struct schema *s, const size_t *indexes,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        page_text(p, i == 0 ? "" : i + 1 == count ? " and " : ", ");
        code_c(p, s->columns[indexes[i]].name);
    }
}

static void comment(struct docs *d, const struct node *n) {
    page_begin(&d->page);
    (void)docs_comment(d, n);
    page_end(&d->page);
}

static bool has_comment(struct docs *d, const struct node *n) {
    struct docs look = {.flow = d->flow, .text = d->text};
    page_init(&look.page);
    const bool found = docs_comment(&look, n);
    page_release(&look.page);
    return found;
}

/* ---- sources ---- */

static void add_value(struct page *p, const struct value *v) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    value_write_json(&w, v);
    page_code(p, buf_str(&text));
}

/* Bounds of texts and bytes are lengths, kept as numbers. */
static void bound(struct page *p, const char *words, const struct value *v) {
    if (!v->is_null) {
        page_text(p, words);
        add_value(p, v);
        page_text(p, ". ");
    }
}

static void column_rules(struct page *p, const struct contract_column *c) {
    const bool by_length = c->type == TYPE_TEXT || c->type == TYPE_BYTES || c->type == TYPE_JSON;
    page_text(p, c->required ? "Required. " : "");
    bound(p, by_length ? "At least this long: " : "At least ", &c->min);
    bound(p, by_length ? "At most this long: " : "At most ", &c->max);
    for (size_t i = 0; i < c->one_of_count; i++) {
        page_text(p, i == 0 ? "One of " : ", ");
        code_c(p, c->one_of[i]);
        page_text(p, i + 1 == c->one_of_count ? ". " : "");
    }
    if (c->timestamp_unit_us > 0) {
        page_text(p, c->timestamp_unit_us == 1      ? "Numbers are microseconds. "
                     : c->timestamp_unit_us == 1000 ? "Numbers are milliseconds. "
                                                    : "Numbers are seconds. ");
    }
}

static const struct node *column_node(const struct flow_source *s, const char *name) {
    const struct node *columns = node_get(s->node, "columns");
    return columns != NULL && columns->kind == NODE_MAP ? node_get(columns, name) : NULL;
}

static void contract_table(struct docs *d, const struct flow_source *s) {
    static const char *const titles[] = {"column", "type", "field", "rules"};
    struct page *p = &d->page;
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < s->contract.schema.count; i++) {
        const struct contract_column *c = &s->contract.columns[i];
        const struct node *n = column_node(s, c->name);
        page_row(p);
        cell_code(p, c->name);
        page_cell(p);
        page_text(p, type_name(c->type));
        page_cell_end(p);
        page_cell(p);
        AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
        for (size_t k = 0; k < c->path_depth; k++) {
            buf_addf(&path, "%s%s", c->path_depth > 1 ? "/" : "", c->path[k]);
        }
        page_code(p, buf_str(&path));
        page_cell_end(p);
        page_cell(p);
        if (n != NULL && docs_is_private(n)) {
            page_text(p, "(from the environment)");
        } else {
            column_rules(p, c);
        }
        page_cell_end(p);
        page_row_end(p);
    }
    page_table_end(p);
}

static void stream_table(struct docs *d, const struct flow_stream *s) {
    static const char *const titles[] = {"column", "type", ""};
    struct page *p = &d->page;
    page_heading(p, 4, NULL, s->full_name);
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < s->spec->schema.count; i++) {
        bool names = false;
        for (size_t k = 0; k < s->spec->identity_count; k++) {
            names = names || s->spec->identity[k] == i;
        }
        page_row(p);
        cell_code(p, s->spec->schema.columns[i].name);
        page_cell(p);
        page_text(p, type_name(s->spec->schema.columns[i].type));
        page_cell_end(p);
        page_cell(p);
        page_text(p, names ? "names the record" : "");
        page_cell_end(p);
        page_row_end(p);
    }
    page_table_end(p);
}

static bool is_secret(const struct component *c, const char *name) {
    for (size_t i = 0; i < c->option_count; i++) {
        if (strcmp(option_name(&c->options[i]), name) == 0) {
            return (c->options[i].flags & OPTION_SECRET) != 0;
        }
    }
    return false;
}

static void given_options(struct docs *d, const struct flow_source *s) {
    struct page *p = &d->page;
    for (const struct node *n = s->node->first; n != NULL; n = n->next) {
        if (n->kind != NODE_SCALAR || strcmp(n->key, "type") == 0) {
            continue;
        }
        page_item(p);
        code_c(p, n->key);
        page_text(p, ": ");
        if (docs_is_private(n) || is_secret(s->component, n->key)) {
            page_text(p, "(from the environment)");
        } else {
            page_code(p, n->text);
        }
        page_item_end(p);
    }
    page_list_end(p);
}

/* " It stops when 100 such are open among the last 10,000 records." */
static void limit_text(struct page *p, const struct flow_limit *limit) {
    if (limit->max == 0) {
        return;
    }
    const struct node *of = node_get(limit->node, "of");
    if (docs_is_private(node_get(limit->node, "max")) || (of != NULL && docs_is_private(of))) {
        page_text(p, " It stops when too many of them are open, by a number from the environment.");
        return;
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    char number[OUTPUT_NUMBER_BYTES];
    output_number(limit->max, number);
    buf_addf(&text, " It stops when %s of them are open", number);
    if (limit->of > 0) {
        output_number(limit->of, number);
        buf_addf(&text, " among the last %s records", number);
    }
    buf_adds(&text, ", and goes on when there are fewer.");
    page_text(p, buf_c(&text));
}

void docs_source(struct docs *d, const struct flow_source *s) {
    static const char *const unknown[] = {
        [UNKNOWN_NOTE] = "A field that is not declared is noted, and goes on in the raw record.",
        [UNKNOWN_REJECT] = "A record with a field that is not declared is rejected.",
        [UNKNOWN_IGNORE] = "Fields that are not declared are not looked at."};
    struct page *p = &d->page;
    heading(d, "source", s->name);
    if (has_comment(d, s->node)) {
        comment(d, s->node);
    }
    page_begin(p);
    code_c(p, s->component->name);
    page_text(p, ": ");
    page_text(p, s->component->summary);
    page_text(p, " Guarantee: ");
    page_text(p, source_guarantee(s));
    page_text(p, ".");
    page_end(p);
    given_options(d, s);
    if (s->contract.schema.count > 0) {
        contract_table(d, s);
        page_begin(p);
        page_text(p, "What breaks these rules is rejected: kept, with the reason, out of every "
                     "table. ");
        page_text(p, unknown[s->contract.unknown]);
        limit_text(p, &s->rejects);
        page_end(p);
    }
    for (size_t i = 0; s->contract.schema.count == 0 && i < s->stream_count; i++) {
        stream_table(d, &s->streams[i]);
    }
    if ((s->component->caps & CAP_TAKES_BACK) != 0) {
        page_begin(p);
        page_text(p, "It may take records back; then the rows made of them leave the tables, and "
                     "everything below follows, in one transaction.");
        page_end(p);
    }
}

/* ---- tables ---- */

static bool reads(const struct flow_transform *t, const struct flow_table *table) {
    bool found = t->from == table || graph_reads(t, table);
    for (size_t i = 0; i < t->on_count; i++) {
        found = found || t->on[i].table == table;
    }
    return found;
}

/* "Written by a, b." or the like; nothing when nobody does. Returns how many. */
static size_t name_users(struct docs *d, const struct flow_table *t, bool writers,
                         const char *words) {
    size_t count = 0;
    for (size_t i = 0; i < d->flow->transform_count; i++) {
        const struct flow_transform *f = &d->flow->transforms[i];
        if (writers ? f->into == t : reads(f, t)) {
            page_text(&d->page, count++ == 0 ? words : ", ");
            page_link(&d->page, "transform", f->name);
        }
    }
    page_text(&d->page, count > 0 ? ". " : "");
    return count;
}

static void what_a_row_is(struct docs *d, const struct flow_table *t) {
    struct page *p = &d->page;
    page_begin(p);
    if (t->key_auto) {
        page_text(p, "One row for each record: a record that comes twice is there twice, and none "
                     "is ever overwritten. ");
    } else {
        page_text(p, "One row for each ");
        column_names(p, &t->schema, t->key, t->key_count);
        page_text(p, ". ");
    }
    if (t->is_reference) {
        page_text(p, "A reference table: no transform writes it, so filling it is up to you; rows "
                     "made before a change of it stay as they are until `plumb replay`. ");
    }
    (void)name_users(d, t, true, "Written by ");
    if (name_users(d, t, false, "Read by ") == 0) {
        page_text(p, "No transform reads it: it is an end of the flow. ");
    }
    page_text(p, t->lineage ? "Each row knows its batch and record (`plumb trace`). " : "");
    page_end(p);
}

void docs_table(struct docs *d, const struct flow_table *t) {
    static const char *const titles[] = {"column", "type", ""};
    struct page *p = &d->page;
    heading(d, "table", t->name);
    if (has_comment(d, t->node)) {
        comment(d, t->node);
    }
    what_a_row_is(d, t);
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < t->schema.count; i++) {
        bool in_key = false;
        for (size_t k = 0; k < t->key_count; k++) {
            in_key = in_key || t->key[k] == i;
        }
        page_row(p);
        cell_code(p, t->schema.columns[i].name);
        page_cell(p);
        page_text(p, type_name(t->schema.columns[i].type));
        page_cell_end(p);
        page_cell(p);
        page_text(p, in_key ? "key" : "");
        page_cell_end(p);
        page_row_end(p);
    }
    page_table_end(p);
    for (size_t i = 0; i < t->index_count; i++) {
        page_item(p);
        page_text(p, "Found fast by ");
        column_names(p, &t->schema, t->indexes[i].columns, t->indexes[i].count);
        page_text(p, ".");
        page_item_end(p);
    }
    page_list_end(p);
}

/* ---- transforms ---- */

static void item(struct page *p, const char *text) {
    page_item(p);
    page_text(p, text);
    page_item_end(p);
}

static void map_rules(struct docs *d, const struct flow_transform *t) {
    struct page *p = &d->page;
    if (t->into->key_auto) {
        item(p, "Every record has its own row, however often and in whatever batches it came.");
    } else if (t->latest_by_count > 0) {
        page_item(p);
        page_text(p, "Of one key the record with the highest ");
        column_names(p, &t->into->schema, t->latest_by, t->latest_by_count);
        page_text(p, " wins, also when an older one comes later; of equal ones, the last.");
        page_item_end(p);
    } else {
        item(p, "Of one key the last record wins, in the order of the source.");
    }
    if (t->delete_when != NULL) {
        page_item(p);
        page_text(p, "A record deletes its row when ");
        if (docs_is_private(t->delete_when_node)) {
            page_text(p, "a condition with a value from the environment holds");
        } else {
            code_c(p, t->delete_when);
        }
        page_text(p, t->latest_by_count > 0 ? "; an older record does not bring it back." : ".");
        page_item_end(p);
    }
    if (t->many) {
        item(p, "One record may give several rows.");
    }
    page_item(p);
    page_text(p, "A record on which the SQL or a rule of the table fails is rejected by itself: "
                 "kept, with the reason, and the rest of its batch goes on.");
    limit_text(p, &t->rejects);
    page_item_end(p);
    page_list_end(p);
}

static void derive_rules(struct docs *d, const struct flow_transform *t) {
    struct page *p = &d->page;
    page_begin(p);
    page_text(p, "Made anew for just the keys (");
    column_names(p, &t->into->schema, t->changed, t->changed_count);
    page_text(p, ") whose inputs changed; a key without a result is deleted.");
    page_end(p);
    for (size_t i = 0; i < t->on_count; i++) {
        page_item(p);
        page_text(p, "A change of ");
        page_link(p, "table", t->on[i].table->name);
        if (t->on[i].sql != NULL) {
            page_text(p, " concerns the keys that this gives: ");
            if (docs_is_private(t->on[i].node)) {
                page_text(p, "(holds a value from the environment)");
            } else {
                code_c(p, t->on[i].sql);
            }
        } else {
            page_text(p, " concerns the key in ");
            for (size_t k = 0; k < t->on[i].column_count; k++) {
                page_text(p, k == 0 ? "" : ", ");
                code_c(p, t->on[i].columns[k]);
            }
        }
        page_text(p, ".");
        page_item_end(p);
    }
    page_list_end(p);
}

void docs_transform(struct docs *d, const struct flow_transform *t) {
    static const char *const kinds[] = {[TRANSFORM_MAP] = "A map: record by record from ",
                                        [TRANSFORM_SUM] = "A sum: follows every change of ",
                                        [TRANSFORM_DERIVE] = "A derive from "};
    struct page *p = &d->page;
    heading(d, "transform", t->name);
    if (has_comment(d, t->node)) {
        comment(d, t->node);
    }
    page_begin(p);
    page_text(p, kinds[t->kind]);
    if (t->source != NULL) {
        page_link(p, "source", t->source->name);
        if (t->stream->name[0] != '\0') {
            page_text(p, ", stream ");
            code_c(p, t->stream->name);
            page_text(p, ",");
        }
    } else if (t->from != NULL) {
        page_link(p, "table", t->from->name);
    }
    for (size_t i = 0; i < t->on_count; i++) {
        page_text(p, i == 0 ? "" : ", ");
        page_link(p, "table", t->on[i].table->name);
    }
    page_text(p, " into ");
    page_link(p, "table", t->into->name);
    page_text(p, ".");
    page_end(p);
    if (docs_is_private(t->sql_node)) {
        page_begin(p);
        page_text(p, "(Its SQL holds a value from the environment and is not shown.)");
        page_end(p);
    } else {
        page_block(p, "sql", str_of(t->sql));
    }
    if (t->kind == TRANSFORM_MAP) {
        map_rules(d, t);
    } else if (t->kind == TRANSFORM_DERIVE) {
        derive_rules(d, t);
    } else {
        page_begin(p);
        page_text(p, "Amounts of rows that come are added, those of rows that go are taken off, so "
                     "it is exact after any correction; a key without rows is deleted.");
        page_end(p);
    }
}
