/* What is watched and who is told, of a flow's documentation. Addresses and keys are never shown. */
#include <math.h>

#include "cli/docs_flow.h"
#include "component/describe.h"
#include "flow/alerts.h"

static void cell_text(struct page *p, const char *text) {
    page_cell(p);
    page_text(p, text);
    page_cell_end(p);
}

static void cell_code(struct page *p, const char *text) {
    page_cell(p);
    if (text[0] != '\0') {
        page_code(p, str_of(text));
    }
    page_cell_end(p);
}

static void cell_limit(struct page *p, const struct flow_check *c, double limit) {
    char text[CHECK_VALUE_BYTES] = "";
    if (!isnan(limit)) {
        check_value_text(check_kinds[c->kind].unit, limit, text);
    }
    cell_text(p, docs_is_private(c->node) && text[0] != '\0' ? "(from the environment)" : text);
}

static void cell_meaning(struct page *p, const struct flow_check *c) {
    page_cell(p);
    page_text(p, check_kinds[c->kind].summary);
    if (c->conf.description != NULL && !docs_is_private(c->node)) {
        page_text(p, " ");
        page_text(p, c->conf.description);
    }
    page_cell_end(p);
}

void docs_checks(struct docs *d) {
    static const char *const titles[] = {"check", "of", "warning above", "error above", "asks"};
    struct page *p = &d->page;
    if (d->flow->check_count == 0) {
        return;
    }
    page_heading(p, 2, "checks", "What is watched");
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < d->flow->check_count; i++) {
        const struct flow_check *c = &d->flow->checks[i];
        page_row(p);
        cell_code(p, c->name);
        cell_code(p, docs_is_private(c->node) ? "" : c->subject);
        cell_limit(p, c, c->warn);
        cell_limit(p, c, c->error);
        cell_meaning(p, c);
        page_row_end(p);
    }
    page_table_end(p);
}

void docs_alerts(struct docs *d) {
    static const char *const titles[] = {"route", "by", "told of"};
    const struct flow_alerts *a = d->flow->alerts;
    struct page *p = &d->page;
    if (a->route_count == 0) {
        return;
    }
    page_heading(p, 2, "alerts", "Who is told");
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < a->route_count; i++) {
        page_row(p);
        cell_code(p, a->routes[i].name);
        cell_text(p, route_kinds[a->routes[i].kind].name);
        cell_text(p, a->routes[i].level == LEVEL_ERROR ? "errors" : "warnings and errors");
        page_row_end(p);
    }
    page_table_end(p);
    if (a->remind_us > 0) {
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&text, "What nobody has taken on is told again every ");
        describe_duration(a->remind_us, &text);
        buf_adds(&text, ".");
        page_item(p);
        page_text(p, buf_c(&text));
        page_item_end(p);
        page_list_end(p);
    }
}
