/* Alerts and their notices as rows: what a round writes. All within the caller's transaction. */
#ifndef PLUMB_WATCH_BOOK_H
#define PLUMB_WATCH_BOOK_H

#include "watch/judge.h"
#include "watch/roots.h"

/* One check in a round. */
struct round_check {
    const struct flow_check *check;
    struct measurement m;
    struct standing was, is;
    enum verdict verdict;
    bool is_known; /* the store had a row of it, of the same definition */
    bool is_due;   /* measured in this round */
    char *memory;  /* owned; of the store */
    int64_t alert; /* its open alert; 0: none */
    int64_t parent;
    bool is_told; /* somebody was told of the alert, or will be */
    double old_value;
    char *old_text;    /* owned: value_text of the store */
    char *old_message; /* owned */
};

/* Rows of _plumb_checks of the flow's checks, with the level of their open alerts. */
MUST_CHECK enum err_code book_read(struct store *s, struct round_check *checks, size_t count,
                                   int64_t now_us, struct err *err);
/* Everything a round found: states, alerts, who explains whom, notices. */
struct book {
    struct store *store;
    const struct flow *flow;
    const struct flow_alerts *alerts;
    const struct roots *roots;
    struct round_check *checks;
    int64_t now_us;
    struct watch_summary *summary;
};
MUST_CHECK enum err_code book_write(const struct book *b, struct err *err);
/* Checks that the flow no longer has: their alerts end, and say why. */
MUST_CHECK enum err_code book_forget_absent(const struct book *b, struct err *err);

/* ---- notices.c ---- */
/* Notices that are owed: of new and worse alerts, reminders, ends; and those that were held and need
 * not be any more. */
MUST_CHECK enum err_code notices_write(const struct book *b, struct err *err);
/* Whether the minute of now_us is within the quiet hours for alerts of that level. */
bool notices_are_quiet(const struct flow_quiet *q, enum check_level level, int64_t now_us);
/* A silence for that check is on. */
MUST_CHECK enum err_code notices_are_silenced(struct store *s, const char *check, int64_t now_us,
                                              bool *out, struct err *err);

/* ---- a statement with its values, run at once ---- */
struct binding {
    enum { VALUE_NULL, VALUE_NUMBER, VALUE_REAL, VALUE_TEXT } kind;
    int64_t number;
    double real;
    struct str text;
};
#define V_NULL      ((struct binding){.kind = VALUE_NULL})
#define V_NUMBER(n) ((struct binding){.kind = VALUE_NUMBER, .number = (n)})
#define V_REAL(x)   ((struct binding){.kind = VALUE_REAL, .real = (x)})
#define V_C(c)      ((struct binding){.kind = VALUE_TEXT, .text = str_of(c)})
MUST_CHECK enum err_code book_run(struct store *s, const char *sql, const struct binding *values,
                                  size_t count, struct err *err);
/* As book_run, for one number; *found false: no row, or NULL. */
MUST_CHECK enum err_code book_number(struct store *s, const char *sql, const struct binding *values,
                                     size_t count, int64_t *out, bool *found, struct err *err);
#define BOOK_RUN(s, sql, err, ...)                                                                 \
    book_run(s, sql, (const struct binding[]){__VA_ARGS__},                                        \
             sizeof((const struct binding[]){__VA_ARGS__}) / sizeof(struct binding), err)

#endif
