/* How it works: the texts of the descriptor are Markdown; for the terminal only the white space is
 * changed: paragraphs are wrapped at HELP_COLUMNS, options are a name column and an indented
 * description. The example is printed as it is, under the heading it belongs below. */
#include "component/component.h"

#include <string.h>

#include "component/describe.h"

#define HELP_COLUMNS 92 /* lines are wrapped here; fits a terminal of 100 */
#define NAME_COLUMNS 20 /* room for option names */

/* Words of text, wrapped, each line after `indent` spaces; the first line starts at column
 * `indent` already. An empty line in the text is kept. */
static void add_wrapped(struct buf *out, const char *text, size_t indent) {
    size_t column = indent;
    const char *at = text;
    while (*at != '\0') {
        const size_t space = strspn(at, " \n");
        const char *break_at = memchr(at, '\n', space);
        const bool paragraph =
            break_at != NULL && memchr(break_at + 1, '\n', (size_t)(at + space - break_at - 1));
        at += space;
        const size_t len = strcspn(at, " \n");
        if (len == 0) {
            break;
        }
        if (paragraph && column > indent) {
            buf_addf(out, "\n\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent && column + 1 + len > HELP_COLUMNS) {
            buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_addc(out, ' ');
            column++;
        }
        buf_addstr(out, (struct str){at, len});
        column += len;
        at += len;
    }
    buf_addc(out, '\n');
}

static void add_name(struct buf *out, const char *name) {
    if (strlen(name) < NAME_COLUMNS - 3) {
        buf_addf(out, "  %-*s", NAME_COLUMNS - 2, name);
    } else {
        buf_addf(out, "  %s\n%*s", name, NAME_COLUMNS, "");
    }
}

static void add_option(const struct option *o, void *context) {
    struct buf *out = context;
    add_name(out, option_name(o));
    AUTO_BUF facts = BUF_INIT(BUF_TEXT_MAX);
    describe_type(o, &facts);
    if ((o->flags & OPTION_REQUIRED) != 0) {
        buf_adds(&facts, ", required");
    }
    if (o->def != NULL) {
        buf_addf(&facts, ", default %s", o->def[0] != '\0' ? o->def : "''");
    }
    if (option_has_bounds(o)) {
        buf_adds(&facts, ", ");
        describe_bounds(o, &facts);
    }
    if ((o->flags & OPTION_SECRET) != 0) {
        buf_adds(&facts, ", secret");
    }
    if ((o->flags & OPTION_DEPRECATED) != 0) {
        buf_adds(&facts, ", deprecated");
    }
    add_wrapped(out, buf_c(&facts), NAME_COLUMNS);
    if (o->doc != NULL) {
        buf_addf(out, "%*s", NAME_COLUMNS, "");
        add_wrapped(out, o->doc, NAME_COLUMNS);
    }
    if (o->example != NULL) {
        buf_addf(out, "%*sexample: %s\n", NAME_COLUMNS, "", o->example);
    }
}

static void add_key(struct buf *out, const struct described_key *key) {
    add_name(out, key->name);
    add_wrapped(out, key->type, NAME_COLUMNS);
    buf_addf(out, "%*s", NAME_COLUMNS, "");
    add_wrapped(out, key->doc, NAME_COLUMNS);
}

static void add_example(struct buf *out, const struct component *c) {
    buf_addf(out, "\nExample\n  %s:\n", c->kind == COMPONENT_SINK ? "sinks" : "sources");
    const char *at = c->example;
    while (*at != '\0') {
        const size_t len = strcspn(at, "\n");
        if (len > 0) {
            buf_adds(out, "    ");
            buf_addstr(out, (struct str){at, len});
        }
        buf_addc(out, '\n');
        at += at[len] == '\n' ? len + 1 : len;
    }
}

void component_help(const struct component *c, struct buf *out) {
    buf_addf(out, "%s: %s\n", c->name, c->summary);
    buf_addf(out, "%s, %s, since %s\n", describe_kind(c), describe_status(c), c->since);
    if (c->doc != NULL && c->doc[0] != '\0') {
        buf_addc(out, '\n');
        add_wrapped(out, c->doc, 0);
    }
    if (c->option_count > 0) {
        buf_adds(out, "\nOptions\n");
        describe_each(c->options, c->option_count, add_option, out);
    }
    if (c->kind == COMPONENT_SOURCE) {
        buf_adds(out, "\nOptions of every source\n");
        for (size_t i = 0; i < ARRAY_COUNT(describe_source_keys); i++) {
            add_key(out, &describe_source_keys[i]);
        }
        describe_each(source_common_options, source_common_option_count, add_option, out);
        buf_adds(out, "\nRules of a column\n");
        for (size_t i = 0; i < ARRAY_COUNT(describe_column_keys); i++) {
            add_key(out, &describe_column_keys[i]);
        }
    }
    if (c->example != NULL) {
        add_example(out, c);
    }
}
