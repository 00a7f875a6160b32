/* How it works: cells are kept in one array, row after row. To show them, each becomes a text, the
 * widest text of each column is its width, and the lines are put together. */
#include "cli/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define INDENT           2
#define GAP              2
#define CELL_COLUMNS     60 /* a cell before the last one is cut here */
#define CELL_COLUMNS_MIN 8

void facts_init(struct facts *f, const struct fact_column *columns, size_t column_count) {
    ASSERT(column_count <= FACTS_COLUMNS_MAX);
    *f = (struct facts){.columns = columns, .column_count = column_count};
}

void facts_release(struct facts *f) {
    for (size_t i = 0; i < f->count; i++) {
        mem_free(f->cells[i].text);
    }
    mem_free(f->cells);
    f->cells = NULL;
    f->count = 0;
    f->capacity = 0;
}

size_t facts_rows(const struct facts *f) {
    return f->count / f->column_count;
}

static struct fact *cell_add(struct facts *f) {
    if (f->count == f->capacity) {
        f->capacity = f->capacity > 0 ? f->capacity * 2 : 64;
        f->cells = mem_realloc(f->cells, f->capacity * sizeof *f->cells);
    }
    struct fact *cell = &f->cells[f->count++];
    *cell = (struct fact){.is_null = true};
    return cell;
}

void facts_text(struct facts *f, struct str text) {
    struct fact *cell = cell_add(f);
    cell->text = mem_strndup(text.ptr != NULL ? text.ptr : "", text.len);
    cell->len = text.len;
    cell->is_null = false;
}

void facts_c(struct facts *f, const char *text) {
    if (text == NULL) {
        facts_null(f);
    } else {
        facts_text(f, str_of(text));
    }
}

void facts_number(struct facts *f, int64_t number) {
    struct fact *cell = cell_add(f);
    cell->number = number;
    cell->is_null = false;
}

void facts_null(struct facts *f) {
    (void)cell_add(f);
}

void facts_style(struct facts *f, enum style style) {
    ASSERT(f->count > 0);
    f->cells[f->count - 1].style = style;
}

enum err_code facts_from(struct facts *f, struct store_statement *st, struct err *err) {
    bool has_row = true;
    for (;;) {
        enum err_code code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            return code;
        }
        ASSERT((size_t)store_column_count(st) == f->column_count);
        if (facts_rows(f) >= FACTS_ROWS_MAX) {
            store_reset(st);
            return ERR_NONE;
        }
        for (size_t i = 0; i < f->column_count; i++) {
            if (store_column_is_null(st, (int)i)) {
                facts_null(f);
            } else if (f->columns[i].kind == FACT_TEXT) {
                facts_text(f, store_column_str(st, (int)i));
            } else {
                facts_number(f, store_column_i64(st, (int)i));
            }
        }
    }
}

enum err_code facts_query(struct facts *f, struct store *s, const char *sql, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        code = facts_from(f, st, err);
    }
    store_statement_free(st);
    return code;
}

/* ---- showing ---- */

static char *cell_text(const struct fact *cell, enum fact_kind kind, int64_t now_us) {
    char text[OUTPUT_NUMBER_BYTES] = "";
    if (cell->is_null) {
        return mem_strdup("-");
    }
    switch (kind) {
    case FACT_TEXT:
        return output_printable((struct str){cell->text, cell->len});
    case FACT_COUNT:
        output_number(cell->number, text);
        break;
    case FACT_PLACE:
        (void)snprintf(text, sizeof(text), "%" PRId64, cell->number);
        break;
    case FACT_BYTES:
        output_bytes(cell->number, text);
        break;
    case FACT_TIME:
        output_ago(cell->number, now_us, text);
        break;
    case FACT_FLAG:
        return mem_strdup(cell->number != 0 ? "yes" : "");
    }
    return mem_strdup(text);
}

/* Cuts text to at most `columns` columns, the last three being dots. */
static void cut(char *text, size_t columns) {
    if (output_width(text) <= columns) {
        return;
    }
    size_t seen = 0;
    char *at = text;
    while (*at != '\0' && (seen < columns - 3 || ((unsigned char)*at & 0xC0U) == 0x80U)) {
        seen += ((unsigned char)*at & 0xC0U) != 0x80U;
        at++;
    }
    memcpy(at, "...", 4); /* more than three characters were left, so there is room */
}

static bool is_right(enum fact_kind kind) {
    return kind == FACT_COUNT || kind == FACT_PLACE || kind == FACT_BYTES;
}

static size_t last_shown(const struct facts *f) {
    size_t last = 0;
    for (size_t i = 0; i < f->column_count; i++) {
        last = f->columns[i].title != NULL ? i : last;
    }
    return last;
}

static void show_cell(struct output *o, const char *text, size_t width, bool right, bool last,
                      enum style style) {
    const size_t used = output_width(text);
    const int space = used < width ? (int)(width - used) : 0;
    output_add(o, "%*s", right ? space : 0, "");
    output_styled(o, style, "%s", text);
    if (!last) {
        output_add(o, "%*s", (right ? 0 : space) + GAP, "");
    }
}

static void show_titles(const struct facts *f, struct output *o, const size_t *widths) {
    output_add(o, "%*s", INDENT, "");
    for (size_t i = 0; i <= last_shown(f); i++) {
        if (f->columns[i].title != NULL) {
            show_cell(o, f->columns[i].title, widths[i], is_right(f->columns[i].kind),
                      i == last_shown(f), STYLE_DIM);
        }
    }
    output_add(o, "\n");
}

/* Width of each column: of its widest text, but never more than fits. Where a terminal is too
 * narrow, the widest column of text gives way first. */
static void measure(const struct facts *f, char *const *texts, size_t rows, int columns,
                    size_t *widths) {
    const size_t last = last_shown(f);
    size_t total = INDENT;
    for (size_t i = 0; i < f->column_count; i++) {
        widths[i] = f->columns[i].title != NULL ? output_width(f->columns[i].title) : 0;
        for (size_t row = 0; row < rows; row++) {
            const size_t width = output_width(texts[row * f->column_count + i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
        widths[i] = i != last && widths[i] > CELL_COLUMNS ? CELL_COLUMNS : widths[i];
        total += f->columns[i].title != NULL ? widths[i] + (i != last ? GAP : 0) : 0;
    }
    while (columns > 0 && total > (size_t)columns) {
        size_t widest = f->column_count;
        for (size_t i = 0; i < f->column_count; i++) {
            const bool may_shrink = f->columns[i].title != NULL &&
                                    f->columns[i].kind == FACT_TEXT && widths[i] > CELL_COLUMNS_MIN;
            if (may_shrink && (widest == f->column_count || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == f->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

static void show_rows(const struct facts *f, struct output *o, char *const *texts, size_t rows,
                      const size_t *widths) {
    const size_t last = last_shown(f);
    for (size_t row = 0; row < rows; row++) {
        output_add(o, "%*s", INDENT, "");
        for (size_t i = 0; i <= last; i++) {
            const size_t at = row * f->column_count + i;
            if (f->columns[i].title != NULL) {
                cut(texts[at], widths[i]);
                show_cell(o, texts[at], widths[i], is_right(f->columns[i].kind), i == last,
                          f->cells[at].style);
            }
        }
        output_add(o, "\n");
    }
}

void facts_show(const struct facts *f, struct output *o, size_t rows_max) {
    const size_t rows = facts_rows(f) < rows_max ? facts_rows(f) : rows_max;
    const int64_t now_us = clock_now_us();
    size_t widths[FACTS_COLUMNS_MAX] = {0};
    const size_t cells = rows * f->column_count;
    char **texts = mem_alloc_array(cells + 1, sizeof *texts);
    for (size_t at = 0; at < cells; at++) {
        texts[at] = cell_text(&f->cells[at], f->columns[at % f->column_count].kind, now_us);
    }
    measure(f, texts, rows, o->columns, widths);
    show_titles(f, o, widths);
    show_rows(f, o, texts, rows, widths);
    for (size_t at = 0; at < cells; at++) {
        mem_free(texts[at]);
    }
    mem_free(texts);
    if (facts_rows(f) > rows) {
        output_styled(o, STYLE_DIM, "%*s... and %zu more\n", INDENT, "", facts_rows(f) - rows);
    }
}

/* ---- JSON ---- */

static void cell_json(const struct fact *cell, enum fact_kind kind, struct json_writer *w) {
    if (cell->is_null) {
        json_null(w);
        return;
    }
    switch (kind) {
    case FACT_TEXT:
        json_str(w, (struct str){cell->text, cell->len});
        return;
    case FACT_COUNT:
    case FACT_PLACE:
    case FACT_BYTES:
        json_i64(w, cell->number);
        return;
    case FACT_TIME: {
        char text[CLOCK_TEXT_BYTES];
        clock_format_us(cell->number, text);
        json_c(w, text);
        return;
    }
    case FACT_FLAG:
        json_bool(w, cell->number != 0);
        return;
    }
}

void facts_json(const struct facts *f, struct json_writer *w) {
    json_begin_array(w);
    for (size_t row = 0; row < facts_rows(f); row++) {
        json_begin_object(w);
        for (size_t i = 0; i < f->column_count; i++) {
            json_key(w, f->columns[i].key);
            cell_json(&f->cells[row * f->column_count + i], f->columns[i].kind, w);
        }
        json_end_object(w);
    }
    json_end_array(w);
}
