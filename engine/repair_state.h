/* What the files of a repair share. */
#ifndef PLUMB_ENGINE_REPAIR_STATE_H
#define PLUMB_ENGINE_REPAIR_STATE_H

#include "engine/repair.h"
#include "rows/batch.h"
#include "store/quarantine.h"

struct repair {
    const struct flow *flow;
    const struct repair_options *options;
    struct repair_report *report;
    struct store *store;
    struct quarantine quarantine;
};

/* Notes a step; false when there are too many. */
bool repair_note(struct repair *r, enum repair_way way, const char *where, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* When applied: rows to quarantine; planned, nothing. */
MUST_CHECK enum err_code repair_move(struct repair *r, const char *table, const char *where,
                                     const char *reason, struct err *err);
/* When applied: runs SQL. */
MUST_CHECK enum err_code repair_execute(struct repair *r, const char *sql, struct err *err);

/* ---- a walk over a partition (repair_staging.c) ---- */
struct repair_staged {
    int64_t id, seq, first_record, records, taken_back;
};

struct repair_part {
    int64_t id, last_seq, records;
    char *source;
    char *name;
    const struct flow_source *def; /* NULL: the flow does not have it */
    struct repair_staged *batches; /* owned */
    size_t count;
};

struct repair_walk {
    struct repair *r;
    struct repair_part *part;
    struct repair_staged before; /* as mended; id and seq 0: none */
    struct batch batch;
    bool cut; /* nothing is behind this place any more */
};

static inline int64_t repair_end_of(const struct repair_staged *b) {
    return b->first_record + b->records;
}

struct repair_damage {
    int64_t id;  /* 0: its row is missing */
    int64_t seq; /* the first that is missing */
    int64_t missing;
    int64_t records;
    const char *cursor; /* of a row that is made; NULL: not known */
    char what[REPAIR_TEXT_BYTES / 2];
};

/* When applied (repair_put.c): */
/* The batch in w->batch takes its place; its row is made when it is missing. */
MUST_CHECK enum err_code repair_put(struct repair_walk *w, struct repair_damage *d,
                                    bool written_off, struct err *err);
/* Fills w->batch with records that say they are lost; also when only planned. */
MUST_CHECK enum err_code repair_placeholders(struct repair_walk *w, int64_t count, struct err *err);
/* Everything of the partition behind w->before goes to quarantine. */
MUST_CHECK enum err_code repair_cut(struct repair_walk *w, struct err *err);

/* Batches, frames and counts of every partition (repair_staging.c). */
MUST_CHECK enum err_code repair_staging(struct repair *r, struct err *err);

#endif
