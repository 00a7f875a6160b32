/* One text written as Markdown and as HTML at once.
 *
 * Everything given is text, never markup: each form escapes it in its own way. Paragraphs, list
 * items, rows and cells are begun and ended; what stands between goes into them. */
#ifndef PLUMB_CLI_PAGE_H
#define PLUMB_CLI_PAGE_H

#include "base/str.h"

struct page {
    struct buf md, html;
    bool in_table;
    bool in_list;
};

void page_init(struct page *p);
void page_release(struct page *p); /* for CLEANUP */

/* anchor may be NULL. level 1 to 4. */
void page_heading(struct page *p, int level, const char *anchor, const char *text);
void page_begin(struct page *p); /* a paragraph */
void page_end(struct page *p);
void page_item(struct page *p); /* a list item; the list begins with the first */
void page_item_end(struct page *p);
void page_list_end(struct page *p);
void page_text(struct page *p, const char *text);
void page_str(struct page *p, struct str text);
void page_code(struct page *p, struct str code); /* within a line; white space folded */
/* The name as code, in HTML a link to kind-name. */
void page_link(struct page *p, const char *kind, const char *name);
void page_block(struct page *p, const char *language, struct str code);
void page_table(struct page *p, const char *const *titles, size_t count);
void page_row(struct page *p);
void page_cell(struct page *p);
void page_cell_end(struct page *p);
void page_row_end(struct page *p);
void page_table_end(struct page *p);

#endif
