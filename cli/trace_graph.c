/* How it works: every row is a node, every link an arrow in the direction in which data flows; a
 * step that lists fewer rows than it counts has one node more that says how many are left out. */
#include <inttypes.h>

#include <string.h>

#include "cli/trace.h"

/* Text inside the quotes of a label: nothing that ends it, and nothing that is markup. */
static void label(struct buf *out, const char *text, bool mermaid) {
    for (const char *at = text; *at != '\0'; at++) {
        if (mermaid && strchr("\"<>&#;`\\", *at) != NULL) {
            buf_addf(out, "#%d;", (int)(unsigned char)*at);
        } else if (!mermaid && (*at == '"' || *at == '\\')) {
            buf_addf(out, "\\%c", *at);
        } else {
            buf_addc(out, *at);
        }
    }
}

static void node(struct buf *out, bool mermaid, const char *id, const char *text, bool round) {
    buf_addf(out, "  %s", id);
    buf_adds(out, !mermaid ? " [label=\"" : round ? "([\"" : "[\"");
    label(out, text, mermaid);
    if (mermaid) {
        buf_adds(out, round ? "\"])\n" : "\"]\n");
    } else {
        buf_adds(out, round ? "\", style=rounded];\n" : "\"];\n");
    }
}

static void arrow(struct buf *out, bool mermaid, const char *from, const char *to,
                  const char *text) {
    if (mermaid) {
        buf_addf(out, "  %s -->|\"", from);
        label(out, text, mermaid);
        buf_addf(out, "\"| %s\n", to);
    } else {
        buf_addf(out, "  %s -> %s [label=\"", from, to);
        label(out, text, mermaid);
        buf_adds(out, "\"];\n");
    }
}

static void add_row(struct buf *out, bool mermaid, const struct trace_row *row, size_t id) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    char *name = mem_printf("r%zu", id);
    buf_addf(&text, "%s: ", row->table->name);
    trace_key_text(row, &text);
    node(out, mermaid, name, buf_c(&text), false);
    const struct trace_record *r = &row->origin;
    if (r->found) {
        char *record = mem_printf("b%" PRId64 "_%" PRId64, r->batch, r->pos);
        char *partition = output_printable(str_of(r->partition));
        buf_clear(&text);
        buf_addf(&text, "%s %s, record %" PRId64, r->source, partition, r->number);
        node(out, mermaid, record, buf_c(&text), true);
        arrow(out, mermaid, record, name, r->transform != NULL ? r->transform : "map");
        mem_free(partition);
        mem_free(record);
    }
    mem_free(name);
}

static void add_step(struct buf *out, bool mermaid, const struct trace_step *s, size_t id) {
    char *about = mem_printf("r%zu", s->row);
    for (size_t i = 0; i < s->link_count; i++) {
        char *other = mem_printf("r%zu", s->links[i].row);
        arrow(out, mermaid, s->up ? other : about, s->up ? about : other, s->via->name);
        mem_free(other);
    }
    if (s->total > (int64_t)s->link_count) {
        char *name = mem_printf("m%zu", id);
        char *text =
            mem_printf("%s: %" PRId64 " more", s->other->name, s->total - (int64_t)s->link_count);
        node(out, mermaid, name, text, true);
        arrow(out, mermaid, s->up ? name : about, s->up ? about : name, s->via->name);
        mem_free(text);
        mem_free(name);
    }
    mem_free(about);
}

void trace_graph(const struct trace *t, const char *as, struct buf *out) {
    const bool mermaid = strcmp(as, "mermaid") == 0;
    buf_adds(out,
             mermaid ? "flowchart LR\n" : "digraph trace {\n  rankdir=LR;\n  node [shape=box];\n");
    for (size_t i = 0; i < t->row_count; i++) {
        add_row(out, mermaid, &t->rows[i], i);
    }
    for (size_t i = 0; i < t->step_count; i++) {
        add_step(out, mermaid, &t->steps[i], i);
    }
    buf_adds(out, mermaid ? "  style r0 stroke-width:3px\n" : "  r0 [penwidth=2];\n}\n");
}
