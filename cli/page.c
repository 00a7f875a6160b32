/* How it works: Markdown has no escape that works in code, so code is put between more backticks
 * than it holds; everywhere else what could be markup gets a backslash. */
#include "cli/page.h"

#include <string.h>

#include "cli/graph.h"

void page_init(struct page *p) {
    *p = (struct page){.in_table = false};
    buf_init(&p->md, BUF_TEXT_MAX);
    buf_init(&p->html, BUF_TEXT_MAX);
}

void page_release(struct page *p) {
    buf_release(&p->md);
    buf_release(&p->html);
}

static void md_escape(struct buf *out, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (strchr("\\`*_{}[]<>#|!&~", c) != NULL && c != '\0') {
            buf_addc(out, '\\');
        }
        if ((unsigned char)c >= 0x20 || c == '\n') {
            buf_addc(out, c == '\n' ? ' ' : c);
        }
    }
}

static size_t longest_run(struct str text, char c) {
    size_t longest = 0;
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = text.ptr[i] == c ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void repeat(struct buf *out, char c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_addc(out, c);
    }
}

void page_heading(struct page *p, int level, const char *anchor, const char *text) {
    repeat(&p->md, '#', (size_t)level);
    buf_addc(&p->md, ' ');
    md_escape(&p->md, str_of(text));
    buf_adds(&p->md, "\n\n");
    buf_addf(&p->html, "<h%d", level);
    if (anchor != NULL) {
        buf_adds(&p->html, " id=\"");
        html_escape(&p->html, str_of(anchor));
        buf_addc(&p->html, '"');
    }
    buf_addc(&p->html, '>');
    html_escape(&p->html, str_of(text));
    buf_addf(&p->html, "</h%d>\n", level);
}

void page_begin(struct page *p) {
    buf_adds(&p->html, "<p>");
}

void page_end(struct page *p) {
    buf_adds(&p->md, "\n\n");
    buf_adds(&p->html, "</p>\n");
}

void page_item(struct page *p) {
    buf_adds(&p->html, p->in_list ? "<li>" : "<ul>\n<li>");
    buf_adds(&p->md, "- ");
    p->in_list = true;
}

void page_item_end(struct page *p) {
    buf_adds(&p->html, "</li>\n");
    buf_adds(&p->md, "\n");
}

void page_list_end(struct page *p) {
    if (p->in_list) {
        buf_adds(&p->html, "</ul>\n");
        buf_adds(&p->md, "\n");
    }
    p->in_list = false;
}

void page_str(struct page *p, struct str text) {
    md_escape(&p->md, text);
    html_escape(&p->html, text);
}

void page_text(struct page *p, const char *text) {
    page_str(p, str_of(text));
}

void page_code(struct page *p, struct str code) {
    AUTO_BUF line = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < code.len; i++) {
        const char c = code.ptr[i];
        const bool blank = (unsigned char)c <= ' ';
        if (!blank) {
            if (c == '|' && p->in_table) {
                buf_addc(&line, '\\');
            }
            buf_addc(&line, c);
        } else if (line.len > 0 && line.data[line.len - 1] != ' ') {
            buf_addc(&line, ' ');
        }
    }
    const struct str text = str_trim(buf_str(&line));
    const size_t fence = longest_run(text, '`') + 1;
    const bool pad = fence > 1 || text.len == 0;
    repeat(&p->md, '`', fence);
    buf_adds(&p->md, pad ? " " : "");
    buf_addstr(&p->md, text);
    buf_adds(&p->md, pad ? " " : "");
    repeat(&p->md, '`', fence);
    buf_adds(&p->html, "<code>");
    html_escape(&p->html, code);
    buf_adds(&p->html, "</code>");
}

void page_link(struct page *p, const char *kind, const char *name) {
    buf_addf(&p->md, "`%s`", name);
    buf_addf(&p->html, "<a href=\"#%s-", kind);
    html_escape(&p->html, str_of(name));
    buf_adds(&p->html, "\"><code>");
    html_escape(&p->html, str_of(name));
    buf_adds(&p->html, "</code></a>");
}

void page_block(struct page *p, const char *language, struct str code) {
    const struct str text = str_trim(code);
    const size_t run = longest_run(text, '`');
    const size_t fence = run < 3 ? 3 : run + 1;
    repeat(&p->md, '`', fence);
    buf_addf(&p->md, "%s\n", language);
    buf_addstr(&p->md, text);
    buf_addc(&p->md, '\n');
    repeat(&p->md, '`', fence);
    buf_adds(&p->md, "\n\n");
    buf_adds(&p->html, "<pre><code>");
    html_escape(&p->html, text);
    buf_adds(&p->html, "</code></pre>\n");
}

void page_table(struct page *p, const char *const *titles, size_t count) {
    p->in_table = true;
    buf_adds(&p->html, "<div class=\"scroll\"><table>\n<tr>");
    for (size_t i = 0; i < count; i++) {
        buf_adds(&p->md, "| ");
        md_escape(&p->md, str_of(titles[i]));
        buf_adds(&p->md, " ");
        buf_adds(&p->html, "<th>");
        html_escape(&p->html, str_of(titles[i]));
        buf_adds(&p->html, "</th>");
    }
    buf_adds(&p->md, "|\n");
    for (size_t i = 0; i < count; i++) {
        buf_adds(&p->md, "| --- ");
    }
    buf_adds(&p->md, "|\n");
    buf_adds(&p->html, "</tr>\n");
}

void page_row(struct page *p) {
    buf_adds(&p->html, "<tr>");
    buf_adds(&p->md, "|");
}

void page_cell(struct page *p) {
    buf_adds(&p->html, "<td>");
    buf_adds(&p->md, " ");
}

void page_cell_end(struct page *p) {
    buf_adds(&p->html, "</td>");
    buf_adds(&p->md, " |");
}

void page_row_end(struct page *p) {
    buf_adds(&p->html, "</tr>\n");
    buf_adds(&p->md, "\n");
}

void page_table_end(struct page *p) {
    buf_adds(&p->html, "</table></div>\n");
    buf_adds(&p->md, "\n");
    p->in_table = false;
}
