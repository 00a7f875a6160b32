/* JUnit XML, as CI systems read it: <testsuites><testsuite><testcase><failure>. Characters that XML
 * does not have become '?'. */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "cli/test.h"

#define US_PER_SECOND 1000000

static void add_text(struct buf *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        case '"':
            buf_adds(out, "&quot;");
            break;
        default:
            buf_addc(out, (unsigned char)*c < ' ' && *c != '\n' ? '?' : *c);
            break;
        }
    }
}

static void add_attribute(struct buf *out, const char *name, const char *value) {
    buf_addf(out, " %s=\"", name);
    add_text(out, value);
    buf_adds(out, "\"");
}

static void add_failures(struct buf *out, const struct case_result *r) {
    buf_adds(out, "      <failure");
    add_attribute(out, "message", r->failures[0].what);
    buf_adds(out, ">");
    for (size_t i = 0; i < r->failure_count; i++) {
        const struct failure *f = &r->failures[i];
        buf_addf(out, "line %d: ", f->line);
        add_text(out, f->what);
        buf_adds(out, "\n");
        for (size_t k = 0; k < f->cell_count; k++) {
            buf_adds(out, "  ");
            add_text(out, f->cells[k].column);
            if (f->cells[k].expected != NULL) {
                buf_adds(out, ": expected ");
                add_text(out, f->cells[k].expected);
            }
            buf_adds(out, ", got ");
            add_text(out, f->cells[k].got);
            buf_adds(out, "\n");
        }
    }
    buf_adds(out, "</failure>\n");
}

static void add_case(struct buf *out, const struct case_result *r) {
    buf_adds(out, "    <testcase");
    add_attribute(out, "classname", r->test->node->file);
    add_attribute(out, "name", r->test->name);
    buf_addf(out, " time=\"%" PRId64 ".%06" PRId64 "\"", r->duration_us / US_PER_SECOND,
             r->duration_us % US_PER_SECOND);
    if (r->failure_count == 0) {
        buf_adds(out, "/>\n");
        return;
    }
    buf_adds(out, ">\n");
    add_failures(out, r);
    buf_adds(out, "    </testcase>\n");
}

/* How many of each transform's branches the whole run reached; JUnit knows properties of a suite. */
static void add_properties(struct buf *out, const struct test_session *s) {
    buf_adds(out, "    <properties>\n");
    for (size_t t = 0; t < s->flow->transform_count; t++) {
        size_t count = 0;
        size_t reached = 0;
        for (size_t i = 0; i < s->run.cover.count; i++) {
            const bool own = s->run.cover.ways[i].transform == t;
            count += own;
            reached += own && s->run.cover.ways[i].reached > 0;
        }
        if (case_run_counts(&s->run, t)) {
            buf_addf(out,
                     "      <property name=\"branches.%s\" value=\"%zu\"/>\n"
                     "      <property name=\"branches_reached.%s\" value=\"%zu\"/>\n",
                     s->flow->transforms[t].name, count, s->flow->transforms[t].name, reached);
        }
    }
    buf_adds(out, "    </properties>\n");
}

/* Results come file by file. */
static size_t add_suite(struct buf *out, const struct test_session *s, size_t first) {
    size_t end = first;
    size_t failed = 0;
    while (end < s->count &&
           strcmp(s->results[end].test->node->file, s->results[first].test->node->file) == 0) {
        failed += s->results[end++].failure_count > 0;
    }
    buf_adds(out, "  <testsuite");
    add_attribute(out, "name", s->results[first].test->node->file);
    buf_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n", end - first, failed);
    add_properties(out, s);
    for (size_t i = first; i < end; i++) {
        add_case(out, &s->results[i]);
    }
    buf_adds(out, "  </testsuite>\n");
    return end;
}

enum err_code test_write_junit(const struct test_session *s, const char *path, struct err *err) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&out,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" "
             "failures=\"%zu\">\n",
             s->count, test_failed(s));
    for (size_t i = 0; i < s->count;) {
        i = add_suite(&out, s, i);
    }
    buf_adds(&out, "</testsuites>\n");
    return file_write_atomic(path, buf_str(&out), err);
}
