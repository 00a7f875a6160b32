/* How it works: text is a walk over the graph from the row that was asked for, with a stack of what
 * is still to be shown; a row that was shown in full before is only named again. JSON is the graph
 * itself: rows, and steps that refer to them by number. */
#include "cli/trace.h"

#include <inttypes.h>

#include "base/clock.h"
#include "cli/otlp.h"
#include "cli/rejects.h"

#define VALUE_COLUMNS  42 /* of a value shown to people: an address is whole */
#define KEY_COLUMNS    80 /* of one in a key: it tells rows apart */
#define RECORD_COLUMNS 100

static const char *const kinds[] = {
    [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

static bool in_key(const struct flow_table *t, size_t column) {
    for (size_t k = 0; k < t->key_count; k++) {
        if (t->key[k] == column) {
            return true;
        }
    }
    return false;
}

void trace_value_text(const struct value *v, size_t most, struct buf *out) {
    AUTO_BUF json = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &json);
    struct str text = {NULL, 0};
    if (!v->is_null && v->type == TYPE_TEXT) {
        text = v->bytes;
    } else {
        value_write_json(&w, v);
        text = buf_str(&json);
        if (v->type != TYPE_JSON && text.len >= 2 && text.ptr[0] == '"') {
            text = (struct str){text.ptr + 1, text.len - 2};
        }
    }
    char shown[KEY_COLUMNS + 1];
    ASSERT(most <= KEY_COLUMNS);
    str_printable(text, shown, most + 1);
    buf_adds(out, text.len > 0 ? shown : "''");
}

void trace_key_text(const struct trace_row *row, struct buf *out) {
    if (row->table->key_auto) {
        buf_addf(out, "partition %" PRId64 ", record %" PRId64, row->partition, row->record);
    }
    for (size_t k = 0; k < row->table->key_count; k++) {
        const size_t c = row->table->key[k];
        buf_addf(out, "%s%s ", k > 0 ? ", " : "", row->table->schema.columns[c].name);
        trace_value_text(&row->values[c], KEY_COLUMNS, out);
    }
}

/* ---- text ---- */

static void indent(struct output *o, size_t depth) {
    output_add(o, "%*s", (int)(2 * depth), "");
}

static void show_values(struct output *o, const struct flow_table *t, const struct value *values) {
    for (size_t i = 0; i < t->schema.count; i++) {
        if (!in_key(t, i)) {
            AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
            trace_value_text(&values[i], VALUE_COLUMNS, &text);
            output_styled(o, STYLE_DIM, "  %s ", t->schema.columns[i].name);
            output_add(o, "%s", buf_c(&text));
        }
    }
}

static void telemetry_id(const struct trace *t, const struct trace_record *r,
                         char out[OTLP_TRACE_HEX_BYTES]) {
    const struct otlp_context c = otlp_batch_context(t->opened->flow->name, r->batch, r->hash);
    otlp_trace_hex(&c, out);
}

static void show_record(const struct trace *t, const struct trace_row *row, size_t depth,
                        struct output *o) {
    const struct trace_record *r = &row->origin;
    indent(o, depth);
    if (!r->found) {
        output_styled(o, STYLE_WARN, "%s\n",
                      t->stopped ? "its record is in none of the batches searched"
                                 : "no staged record makes this row");
        return;
    }
    char number[OUTPUT_NUMBER_BYTES];
    char when[OUTPUT_NUMBER_BYTES];
    output_number(r->number, number);
    output_ago(r->staged_us, clock_now_us(), when);
    output_styled(o, STYLE_DIM, "%s%s", r->transform != NULL ? "map " : "one of several maps",
                  r->transform != NULL ? r->transform : "");
    output_add(o, " <- %s ", r->source);
    output_data(o, str_of(r->partition));
    output_add(o, ", record %s", number);
    output_styled(o, STYLE_DIM, "  batch %" PRId64 ", position %" PRId64 ", staged %s\n", r->seq,
                  r->pos, when);
    indent(o, depth);
    if (t->opened->flow->telemetry != NULL) {
        char trace[OTLP_TRACE_HEX_BYTES];
        telemetry_id(t, r, trace);
        output_styled(o, STYLE_DIM, "telemetry trace %s\n", trace);
        indent(o, depth);
    }
    if (!r->kept) {
        output_styled(o, STYLE_WARN, "(its raw bytes are no longer kept)\n");
        return;
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    int64_t caret = -1;
    const size_t used = 2 * depth + 1;
    const size_t wide = o->columns > 0 ? (size_t)o->columns : RECORD_COLUMNS + used;
    excerpt_of(r->raw, -1, wide > used + 20 ? wide - used : 20, &text, &caret);
    output_add(o, "%s\n", buf_c(&text));
}

static void show_step(const struct trace *t, const struct trace_step *s, size_t depth,
                      struct output *o) {
    char number[OUTPUT_NUMBER_BYTES];
    output_number(s->total, number);
    indent(o, depth);
    output_styled(o, STYLE_DIM, "%s %s", kinds[s->via->kind], s->via->name);
    output_add(o, " %s %s: %s row%s", s->up ? "<-" : "->", s->other->name, number,
               s->total == 1 ? "" : "s");
    if (s->is_sum) {
        output_styled(o, s->adds_up ? STYLE_GOOD : STYLE_BAD, "%s",
                      s->adds_up
                          ? (s->total == 1 ? ", which adds up to it" : ", which add up to it")
                          : ", which do NOT add up to it:");
        if (!s->adds_up) {
            show_values(o, t->rows[s->row].table, s->sums);
        }
    }
    output_add(o, "\n");
}

static void show_rest(const struct trace_step *s, size_t depth, struct output *o) {
    char number[OUTPUT_NUMBER_BYTES];
    if (s->total > (int64_t)s->link_count) {
        output_number(s->total - (int64_t)s->link_count, number);
        indent(o, depth);
        output_styled(o, STYLE_DIM, "%s%s more\n", s->link_count > 0 ? "and " : "", number);
    }
}

/* What is still to be shown: a row (of a link), a step, or the end of one. */
struct todo {
    enum { TODO_ROW, TODO_STEP, TODO_REST } what;
    size_t step, link, depth;
};

struct stack {
    struct todo *items;
    size_t count, capacity;
};

static void push(struct stack *s, struct todo item) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity > 0 ? s->capacity * 2 : 64;
        s->items = mem_realloc(s->items, s->capacity * sizeof *s->items);
    }
    s->items[s->count++] = item;
}

/* Steps of the row in one direction, so that the first comes off first. */
static void push_steps(const struct trace *t, size_t row, bool up, size_t depth, struct stack *s) {
    for (size_t i = t->step_count; i > 0; i--) {
        if (t->steps[i - 1].row == row && t->steps[i - 1].up == up) {
            push(s, (struct todo){TODO_STEP, i - 1, 0, depth});
        }
    }
}

static void show_link(const struct trace *t, const struct todo *at, bool *shown, struct output *o,
                      struct stack *s) {
    const struct trace_step *step = &t->steps[at->step];
    const struct trace_link *link = &step->links[at->link];
    const struct trace_row *row = &t->rows[link->row];
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    trace_key_text(row, &key);
    indent(o, at->depth);
    output_styled(o, STYLE_STRONG, "%s", row->table->name);
    output_add(o, " %s", buf_c(&key));
    if (step->is_sum) {
        output_styled(o, STYLE_DIM, "  gives");
        show_values(o, t->rows[step->row].table, link->gives);
    } else {
        show_values(o, row->table, row->values);
    }
    output_styled(o, STYLE_DIM, "%s", shown[link->row] ? "  (above)\n" : "\n");
    if (shown[link->row]) {
        return;
    }
    shown[link->row] = true;
    if (step->up && row->from_map) {
        show_record(t, row, at->depth + 1, o);
    }
    push_steps(t, link->row, step->up, at->depth + 1, s);
}

static void show_direction(const struct trace *t, bool up, struct output *o) {
    bool *shown = mem_alloc(t->row_count * sizeof *shown);
    struct stack s = {0};
    push_steps(t, 0, up, 1, &s);
    while (s.count > 0) {
        const struct todo at = s.items[--s.count];
        const struct trace_step *step = &t->steps[at.step];
        if (at.what == TODO_ROW) {
            show_link(t, &at, shown, o, &s);
        } else if (at.what == TODO_REST) {
            show_rest(step, at.depth, o);
        } else {
            show_step(t, step, at.depth, o);
            push(&s, (struct todo){TODO_REST, at.step, 0, at.depth + 1});
            for (size_t i = step->link_count; i > 0; i--) {
                push(&s, (struct todo){TODO_ROW, at.step, i - 1, at.depth + 1});
            }
        }
    }
    mem_free(s.items);
    mem_free(shown);
}

static void show_search(const struct trace *t, struct output *o) {
    char number[OUTPUT_NUMBER_BYTES];
    char ago[OUTPUT_NUMBER_BYTES];
    if (t->missing > 0 && t->stopped) {
        output_number(t->searched, number);
        output_ago(t->oldest_us, clock_now_us(), ago);
        output_add(o, "\n");
        output_styled(o, STYLE_WARN, "The search stopped after %s batches", number);
        output_add(o, ", at what was staged %s; --batches N goes further back\n", ago);
    }
    if (t->missing > 0 && t->dropped > 0) {
        output_number(t->dropped, number);
        output_add(o, "\n%s batches are no longer kept (staging: keep) and could not be searched\n",
                   number);
    }
    if (t->unread > 0) {
        output_number(t->unread, number);
        output_styled(o, STYLE_BAD, "\n%s batches are damaged; `plumb audit` says which\n", number);
    }
}

void trace_text(const struct trace *t, struct output *o) {
    const struct trace_row *row = &t->rows[0];
    size_t up = 0;
    size_t down = 0;
    for (size_t i = 0; i < t->step_count; i++) {
        up += t->steps[i].row == 0 && t->steps[i].up;
        down += t->steps[i].row == 0 && !t->steps[i].up;
    }
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    trace_key_text(row, &key);
    output_styled(o, STYLE_STRONG, "%s", row->table->name);
    output_add(o, " %s", buf_c(&key));
    show_values(o, row->table, row->values);
    output_styled(o, STYLE_STRONG, "\n\nCame from\n");
    if (row->from_map) {
        show_record(t, row, 1, o);
    } else if (up == 0) {
        output_add(o, "  nothing here: no transform writes this table\n");
    }
    show_direction(t, true, o);
    output_styled(o, STYLE_STRONG, "\nDepends on it\n");
    if (down == 0) {
        output_add(o, "  nothing: no transform reads this table\n");
    }
    show_direction(t, false, o);
    show_search(t, o);
    if (t->row_count == TRACE_ROWS_MAX) {
        output_add(o, "\nOnly %d rows are named; the counts are exact\n", TRACE_ROWS_MAX);
    }
}

/* ---- JSON ---- */

static void json_values(struct json_writer *w, const struct flow_table *t,
                        const struct value *values, bool of_key) {
    json_begin_object(w);
    for (size_t i = 0; i < t->schema.count; i++) {
        if (in_key(t, i) == of_key) {
            json_key(w, t->schema.columns[i].name);
            value_write_json(w, &values[i]);
        }
    }
    json_end_object(w);
}

static void json_record(struct json_writer *w, const struct trace *t,
                        const struct trace_record *r) {
    char trace[OTLP_TRACE_HEX_BYTES];
    char when[CLOCK_TEXT_BYTES];
    if (!r->found) {
        json_null(w);
        return;
    }
    clock_format_us(r->staged_us, when);
    json_begin_object(w);
    json_kv_c(w, "transform", r->transform);
    json_kv_c(w, "source", r->source);
    json_kv_c(w, "partition", r->partition);
    json_kv_i64(w, "record", r->number);
    json_kv_i64(w, "batch", r->seq);
    json_kv_i64(w, "batch_id", r->batch);
    json_kv_i64(w, "position", r->pos);
    telemetry_id(t, r, trace);
    json_kv_c(w, "trace_id", trace);
    json_kv_c(w, "staged", when);
    json_kv_bool(w, "kept", r->kept);
    json_kv_bool(w, "whole", r->whole);
    json_key(w, "raw");
    if (r->kept) {
        json_str(w, r->raw);
    } else {
        json_null(w);
    }
    json_end_object(w);
}

static void json_row(struct json_writer *w, const struct trace *t, const struct trace_row *row,
                     size_t id) {
    json_begin_object(w);
    json_kv_i64(w, "id", (int64_t)id);
    json_kv_c(w, "table", row->table->name);
    json_key(w, "key");
    if (row->table->key_auto) {
        json_begin_object(w);
        json_kv_i64(w, "_partition", row->partition);
        json_kv_i64(w, "_record", row->record);
        json_end_object(w);
    } else {
        json_values(w, row->table, row->values, true);
    }
    json_key(w, "values");
    json_values(w, row->table, row->values, false);
    json_kv_bool(w, "from_map", row->from_map);
    json_key(w, "record");
    json_record(w, t, &row->origin);
    json_end_object(w);
}

static void json_step(struct json_writer *w, const struct trace *t, const struct trace_step *s) {
    const struct flow_table *table = t->rows[s->row].table;
    json_begin_object(w);
    json_kv_i64(w, "row", (int64_t)s->row);
    json_kv_c(w, "direction", s->up ? "up" : "down");
    json_kv_c(w, "transform", s->via->name);
    json_kv_c(w, "kind", kinds[s->via->kind]);
    json_kv_c(w, "table", s->other->name);
    json_kv_i64(w, "rows", s->total);
    if (s->is_sum) {
        json_kv_bool(w, "adds_up", s->adds_up);
        json_key(w, "sums");
        json_values(w, table, s->sums, false);
    }
    json_key(w, "listed");
    json_begin_array(w);
    for (size_t i = 0; i < s->link_count; i++) {
        json_begin_object(w);
        json_kv_i64(w, "row", (int64_t)s->links[i].row);
        if (s->is_sum) {
            json_kv_i64(w, "contributions", s->links[i].contributions);
            json_key(w, "gives");
            json_values(w, table, s->links[i].gives, false);
        }
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void trace_json(const struct trace *t, struct json_writer *w) {
    char when[CLOCK_TEXT_BYTES];
    json_begin_object(w);
    json_kv_c(w, "flow", t->opened->flow->name);
    json_kv_c(w, "table", t->rows[0].table->name);
    json_key(w, "rows");
    json_begin_array(w);
    for (size_t i = 0; i < t->row_count; i++) {
        json_row(w, t, &t->rows[i], i);
    }
    json_end_array(w);
    json_key(w, "steps");
    json_begin_array(w);
    for (size_t i = 0; i < t->step_count; i++) {
        json_step(w, t, &t->steps[i]);
    }
    json_end_array(w);
    json_key(w, "search");
    json_begin_object(w);
    json_kv_i64(w, "wanted", t->wanted);
    json_kv_i64(w, "missing", t->missing);
    json_kv_i64(w, "batches", t->searched);
    json_kv_i64(w, "not_kept", t->dropped);
    json_kv_i64(w, "damaged", t->unread);
    json_kv_bool(w, "stopped", t->stopped);
    if (t->searched > 0) {
        clock_format_us(t->oldest_us, when);
    }
    json_kv_c(w, "back_to", t->searched > 0 ? when : NULL);
    json_end_object(w);
    json_kv_bool(w, "rows_limited", t->row_count == TRACE_ROWS_MAX);
    json_end_object(w);
}
