/* What makes a database rot without anything failing: found by asking PostgreSQL's own statistics.
 *
 *   kind          subject              number             it matters because
 *   transaction   a backend            microseconds old   nothing deleted since can be cleaned away
 *   prepared      its global id        microseconds old   the same, and nobody may ever end it
 *   slot          its name             transactions old   the same; nobody reads from it
 *   dead          a table              dead rows          reading it gets slower: vacuum does not keep up
 *   autovacuum    a table, or 'server' 0                  it is switched off
 *   wraparound    the database         transactions old   PostgreSQL stops writing at 2 billion
 *
 * Of other users' transactions PostgreSQL tells only members of pg_read_all_stats. One thread, within
 * a transaction or not; nothing is written. */
#ifndef PLUMB_STORE_POSTGRES_HEALTH_H
#define PLUMB_STORE_POSTGRES_HEALTH_H

#include "store/postgres/postgres.h"

#define PG_HEALTH_FINDINGS_MAX 20 /* the worst of each kind come first; more are not told */
#define PG_HEALTH_TEXT_BYTES   256

struct pg_health_limits {
    int64_t transaction_us; /* older ones are told */
    int64_t dead_rows;      /* in a table, and ... */
    int64_t dead_percent;   /* ... so many for 100 live ones */
    int64_t wraparound;     /* transactions since the oldest that is not frozen */
};
/* 5 minutes; 10,000 rows and 50 %; 1,000,000,000 */
extern const struct pg_health_limits pg_health_defaults;

struct pg_finding {
    char kind[16];
    char subject[PG_HEALTH_TEXT_BYTES];
    int64_t number;
    char advice[PG_HEALTH_TEXT_BYTES]; /* a sentence: what it is and what to do */
};

/* Findings about the database, and about the tables of the schema. */
MUST_CHECK enum err_code pg_health(struct pg *pg, const char *schema,
                                   const struct pg_health_limits *limits,
                                   struct pg_finding out[PG_HEALTH_FINDINGS_MAX], size_t *count,
                                   struct err *err);

#endif
