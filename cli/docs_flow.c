/* How it works: sections are written into a page, which is Markdown and HTML at once; around the
 * HTML goes a frame with its style, so that the file needs nothing else. */
#include "cli/docs_flow.h"

#include <string.h>

#include "base/file.h"
#include "cli/graph.h"
#include "component/describe.h"

#define FLOW_TEXT_BYTES_MAX FLOW_FILE_BYTES_MAX

/* ---- comments ---- */

/* The n-th line, from 1; empty behind the last. */
static struct str line_of(const struct buf *text, int number) {
    struct str rest = buf_str(text);
    for (int i = 1; i < number; i++) {
        const size_t end = str_find(rest, '\n');
        if (end == rest.len) {
            return (struct str){rest.ptr + end, 0};
        }
        rest = (struct str){rest.ptr + end + 1, rest.len - end - 1};
    }
    return (struct str){rest.ptr, str_find(rest, '\n')};
}

/* What stands behind the '#' of a line that is nothing but a comment. */
static bool comment_line(struct str line, struct str *out) {
    const struct str text = str_trim(line);
    if (text.len == 0 || text.ptr[0] != '#') {
        return false;
    }
    *out = str_trim((struct str){text.ptr + 1, text.len - 1});
    return true;
}

/* "key:   # comment": only when nothing stands between, so that no '#' of a value is taken. */
static bool behind_key(struct str line, const char *key, struct str *out) {
    const struct str text = str_trim(line);
    const size_t length = strlen(key);
    if (!str_starts_with(text, str_of(key)) || text.len <= length || text.ptr[length] != ':') {
        return false;
    }
    return comment_line((struct str){text.ptr + length + 1, text.len - length - 1}, out);
}

bool docs_comment(struct docs *d, const struct node *n) {
    struct str text = {NULL, 0};
    if (n == NULL || n->key == NULL || n->key_line <= 0) {
        return false;
    }
    if (behind_key(line_of(&d->text, n->key_line), n->key, &text)) {
        page_str(&d->page, text);
        return true;
    }
    int first = n->key_line;
    while (first > 1 && comment_line(line_of(&d->text, first - 1), &text)) {
        first--;
    }
    for (int i = first; i < n->key_line && comment_line(line_of(&d->text, i), &text); i++) {
        page_text(&d->page, i > first ? " " : "");
        page_str(&d->page, text);
    }
    return first < n->key_line;
}

bool docs_is_private(const struct node *n) {
    if (n == NULL || n->has_secret) {
        return n != NULL;
    }
    for (const struct node *a = n->first; a != NULL; a = a->next) {
        bool found = a->has_secret;
        for (const struct node *b = a->first; b != NULL; b = b->next) {
            found = found || b->has_secret;
        }
        if (found) {
            return true;
        }
    }
    return false;
}

/* ---- the page ---- */

static void title(struct docs *d) {
    const struct flow *f = d->flow;
    char version[HASH128_HEX_BYTES];
    struct str text = {NULL, 0};
    hash128_to_hex(f->version, version);
    page_heading(&d->page, 1, NULL, f->name);
    if (comment_line(line_of(&d->text, 1), &text)) {
        page_begin(&d->page);
        for (int i = 1; comment_line(line_of(&d->text, i), &text); i++) {
            page_text(&d->page, i > 1 ? " " : "");
            page_str(&d->page, text);
        }
        page_end(&d->page);
    }
    page_begin(&d->page);
    page_text(&d->page, "Written by ");
    page_code(&d->page, STR("plumb docs"));
    page_text(&d->page, " from the flow itself, version ");
    page_code(&d->page, (struct str){version, 12});
    page_text(&d->page, ". Store: ");
    page_code(&d->page, (struct str){f->store, strcspn(f->store, ":")});
    page_text(&d->page, ".");
    page_end(&d->page);
}

static void graph(struct docs *d) {
    CLEANUP(graph_release) struct graph g;
    AUTO_BUF mermaid = BUF_INIT(BUF_TEXT_MAX);
    graph_of(d->flow, &g);
    graph_mermaid(&g, &mermaid);
    graph_layout(&g);
    buf_addf(&d->page.md, "```mermaid\n%s```\n\n", buf_c(&mermaid));
    buf_adds(&d->page.html, "<div class=\"scroll graph\">\n");
    graph_svg(&g, &d->page.html);
    buf_adds(&d->page.html, "</div>\n<p class=\"legend\">");
    static const char *const kinds[] = {"source", "map", "sum", "derive", "table", "reference"};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        buf_addf(&d->page.html, "<span class=\"%s\">%s</span> ", kinds[i], kinds[i]);
    }
    buf_adds(&d->page.html, "</p>\n");
}

static void promise(struct page *p, const char *text) {
    page_item(p);
    page_text(p, text);
    page_item_end(p);
}

static void promises(struct docs *d) {
    struct page *p = &d->page;
    page_heading(p, 2, "promises", "What holds");
    promise(p, "Raw records are on disk before anything is made of them, and before their source "
               "is told so.");
    promise(p, "A batch's rows, rejects, accounts and marks commit together: killed at any moment, "
               "the next run goes on as if nothing had happened.");
    promise(p, "The same records give the same tables, however they are batched, repeated or "
               "interrupted; tables can be made again from the raw records.");
    promise(p, "Every record is accounted for. One that breaks a contract is rejected: kept, with "
               "the reason, and out of every table.");
    promise(p, "A transform that fails keeps its input and waits; the others go on.");
    page_list_end(p);
}

static void limits(struct docs *d) {
    struct page *p = &d->page;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    page_heading(p, 2, "limits", "Limits");
    if (d->flow->keep == KEEP_FOREVER) {
        buf_adds(&text, "Raw records are kept for ever.");
    } else {
        buf_adds(&text, "Raw records are kept for ");
        if (d->flow->keep == KEEP_AGE) {
            describe_duration(d->flow->keep_amount, &text);
        } else {
            describe_size(d->flow->keep_amount, &text);
        }
        buf_adds(&text, "; what was made of older ones cannot be made again.");
    }
    promise(p, buf_c(&text));
    for (size_t i = 0; i < d->flow->source_count; i++) {
        const struct flow_source *s = &d->flow->sources[i];
        buf_clear(&text);
        buf_addf(&text, "%s: at most %lld records and ", s->name,
                 (long long)s->common.batch_rows_max);
        describe_size(s->common.batch_bytes_max, &text);
        buf_adds(&text, " a batch, ");
        describe_size(s->common.record_bytes_max, &text);
        buf_adds(&text, " a record; a longer one is rejected.");
        promise(p, buf_c(&text));
    }
    page_list_end(p);
}

static void care(struct docs *d) {
    static const char *const lines[][2] = {
        {"plumb status", "how far everything is, and what is wrong now"},
        {"plumb alerts", "what fires, who is on it, what could not be told"},
        {"plumb rejects", "what was set aside, and why"},
        {"plumb trace", "where a row came from, and what depends on it"},
        {"plumb audit", "proves that every record is accounted for"},
        {"plumb plan", "what a changed flow would do to the store"},
        {"plumb replay", "makes every table again from the raw records"}};
    static const char *const titles[] = {"command", "tells"};
    struct page *p = &d->page;
    page_heading(p, 2, "care", "When something seems wrong");
    page_table(p, titles, ARRAY_COUNT(titles));
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        page_row(p);
        page_cell(p);
        page_code(p, str_of(lines[i][0]));
        page_cell_end(p);
        page_cell(p);
        page_text(p, lines[i][1]);
        page_cell_end(p);
        page_row_end(p);
    }
    page_table_end(p);
}

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fdfdfb;--fg:#1d2430;--dim:#657083;--line:#dfe3e8;"
    "--soft:#f4f5f2;--link:#1d5fa8;--source:#2f7d5b;--map:#2a6fb5;--sum:#9a5b13;--derive:#7a4bb0;"
    "--table:#46536a;--reference:#8a8f98;--face:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e3e7ed;--dim:#97a1b1;--line:#"
    "2c333d;"
    "--soft:#1b2027;--link:#7db4f0;--source:#62c39a;--map:#6fb0f2;--sum:#e0a458;--derive:#bd96ee;"
    "--table:#aab6c9;--reference:#858d99;--face:#1a1f26}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:2.5rem 1.25rem 5rem;"
    "background:var(--bg);color:var(--fg);font:16px/1.6 system-ui,-apple-system,\"Segoe "
    "UI\",sans-serif}\n"
    "h1{font-size:2.1rem;line-height:1.2;margin:0 0 .6rem}h2{font-size:1.35rem;margin:3rem 0 "
    ".8rem;padding-top:1.2rem;border-top:1px solid var(--line)}h3{font-size:1.1rem;margin:2rem 0 "
    ".4rem}h4{margin:1.2rem 0 .4rem}p{margin:.5rem 0}ul{margin:.5rem 0;padding-left:1.2rem}"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\n"
    "nav{margin:1.2rem 0;display:flex;gap:1.1rem;flex-wrap:wrap;font-size:.95rem}"
    "code{font:.875em/1.5 ui-monospace,\"DejaVu Sans Mono\",Menlo,monospace;background:var(--soft);"
    "padding:.1em .3em;border-radius:4px}pre{background:var(--soft);border:1px solid var(--line);"
    "border-radius:8px;padding:.8rem 1rem;overflow-x:auto}pre "
    "code{background:none;padding:0}\n"
    ".scroll{overflow-x:auto;scrollbar-width:thin;scrollbar-color:var(--dim) "
    "transparent}table{border-collapse:collapse;margin:.6rem 0;font-size:.95rem}"
    "th{text-align:left;font-weight:600;color:var(--dim)}th,td{padding:.3rem 1.2rem .3rem 0;"
    "border-bottom:1px solid var(--line);vertical-align:top}\n"
    ".graph{border:1px solid var(--line);border-radius:12px;background:var(--soft);padding:1rem;"
    "margin:1.2rem 0 .4rem 50%;width:max-content;max-width:96vw;min-width:min(100%,96vw);"
    "transform:translateX(-50%)}.graph svg{display:block;margin:0 "
    "auto;max-width:100%;height:auto}\n"
    ".node rect{fill:var(--face);stroke:var(--c);stroke-width:1.5}.node:hover "
    "rect{stroke-width:3}.node text{text-anchor:middle;fill:var(--fg)}.node "
    ".name{font:600 13px ui-monospace,\"DejaVu Sans Mono\",Menlo,monospace}.node "
    ".kind{font:11px system-ui,sans-serif;fill:var(--c)}.node.table rect{stroke-width:2}"
    ".node.reference rect{stroke-dasharray:4 3}.arrow{fill:none;stroke:var(--dim);"
    "stroke-width:1.4;opacity:.75}.tip{fill:var(--dim)}\n"
    ".source{--c:var(--source)}.map{--c:var(--map)}.sum{--c:var(--sum)}.derive{--c:var(--derive)}"
    ".table{--c:var(--table)}.reference{--c:var(--reference)}\n"
    ".legend{font-size:.85rem;color:var(--dim)}.legend span{margin-right:1rem}.legend "
    "span::before{content:\"\";display:inline-block;width:.7em;height:.7em;border-radius:3px;"
    "border:2px solid var(--c);margin-right:.4em}\n"
    "@media print{body{max-width:none;padding:0}nav{display:none}}\n";

static void frame(const struct docs *d, struct buf *html) {
    buf_adds(html, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"generator\" content=\"plumb docs\">\n<title>");
    html_escape(html, str_of(d->flow->name));
    buf_addf(html, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
    buf_addstr(html, buf_str(&d->page.html));
    buf_adds(html, "</body>\n</html>\n");
}

static void navigation(struct docs *d) {
    const bool watched = d->flow->check_count > 0;
    buf_addf(&d->page.html,
             "<nav><a href=\"#promises\">What holds</a><a href=\"#sources\">Sources</a><a "
             "href=\"#tables\">Tables</a><a href=\"#transforms\">Transforms</a>%s<a "
             "href=\"#limits\">Limits</a><a href=\"#care\">When something seems wrong</a></nav>\n",
             watched ? "<a href=\"#checks\">What is watched</a>" : "");
}

enum err_code docs_flow(const struct flow *flow, struct buf *md, struct buf *html,
                        struct err *err) {
    struct docs d = {.flow = flow};
    buf_init(&d.text, FLOW_TEXT_BYTES_MAX);
    enum err_code code = file_read_all(flow->path, &d.text, err);
    if (code != ERR_NONE) {
        buf_release(&d.text);
        return code;
    }
    page_init(&d.page);
    title(&d);
    navigation(&d);
    graph(&d);
    promises(&d);
    page_heading(&d.page, 2, "sources", "Sources");
    for (size_t i = 0; i < flow->source_count; i++) {
        docs_source(&d, &flow->sources[i]);
    }
    page_heading(&d.page, 2, "tables", "Tables");
    for (size_t i = 0; i < flow->table_count; i++) {
        docs_table(&d, &flow->tables[i]);
    }
    page_heading(&d.page, 2, "transforms", "Transforms");
    for (size_t i = 0; i < flow->transform_count; i++) {
        docs_transform(&d, &flow->transforms[i]);
    }
    docs_checks(&d);
    docs_alerts(&d);
    limits(&d);
    care(&d);
    buf_addstr(md, buf_str(&d.page.md));
    frame(&d, html);
    page_release(&d.page);
    buf_release(&d.text);
    return ERR_NONE;
}
