/* How it works: what a trial does to a run, and the kind of the transform whose rows differ, say
 * together what is wrong with it. */
#include "trial/prove.h"

struct words {
    const char *what; /* after "`name`" */
    const char *advice;
};

static struct words of_map(const struct trial *t, const struct flow_transform *m) {
    switch (t->kind) {
    case TRIAL_PARTITIONS:
    case TRIAL_ALTERNATE:
        return m->latest_by_count == 0
                   ? (struct words){"keeps the last record that came for a key, and between "
                                    "partitions nothing says which one is the last",
                                    "name the column that tells which record is newer: latest_by. "
                                    "If these are different things, the key is too short"}
                   : (struct words){"finds two records of one key equally new, and keeps the one "
                                    "that came last",
                                    "add a column to latest_by that tells them apart"};
    case TRIAL_LATE:
    case TRIAL_TWICE:
    case TRIAL_ALL_TWICE:
        return m->latest_by_count == 0
                   ? (struct words){"lets an old record that comes again win over a newer one",
                                    "name the column that tells which record is newer: latest_by"}
                   : (struct words){
                         "makes something else of a record that comes twice",
                         "add a column to latest_by that tells records of one key apart"};
    case TRIAL_ZONE:
        return (struct words){"depends on the time zone of the machine",
                              "a modifier of a date function comes from the data and is "
                              "'localtime' or 'utc'; leave it out"};
    case TRIAL_APART:
    case TRIAL_JOINED:
    case TRIAL_SPLIT:
        return (struct words){"makes other rows when the same records come in other batches",
                              "a map must make the rows of a record from that record alone"};
    case TRIAL_REVERSED:
        return (struct words){"depends on the order in which rows are read",
                              "ORDER BY with a column that tells rows apart, or no LIMIT"};
    case TRIAL_AGAIN:
    case TRIAL_KILL:
    case TRIAL_REPLAY:
    case TRIAL_RECOMPUTE:
    case TRIAL_RETRACT:
        break;
    }
    return (struct words){"does not come to the same rows", "look at what its SQL reads"};
}

static struct words of_sum(const struct trial *t) {
    if (t->kind == TRIAL_ZONE) {
        return (struct words){"depends on the time zone of the machine",
                              "a modifier of a date function comes from the data and is "
                              "'localtime' or 'utc'; leave it out"};
    }
    return (struct words){"keeps a running sum that does not come out the same",
                          "its SQL must give the same amounts for a row when it goes as when it "
                          "came: it may read nothing that changes"};
}

static struct words of_derive(const struct trial *t) {
    switch (t->kind) {
    case TRIAL_REVERSED:
        return (struct words){"depends on the order in which rows are read",
                              "ORDER BY with a column that tells rows apart; sums of floats as "
                              "int64 of the smallest unit"};
    case TRIAL_ZONE:
        return (struct words){"depends on the time zone of the machine",
                              "a modifier of a date function comes from the data and is "
                              "'localtime' or 'utc'; leave it out"};
    case TRIAL_RECOMPUTE:
    case TRIAL_RETRACT:
    case TRIAL_APART:
    case TRIAL_JOINED:
    case TRIAL_SPLIT:
    case TRIAL_REPLAY:
    case TRIAL_AGAIN:
    case TRIAL_KILL:
    case TRIAL_TWICE:
    case TRIAL_ALL_TWICE:
    case TRIAL_PARTITIONS:
    case TRIAL_ALTERNATE:
    case TRIAL_LATE:
        break;
    }
    return (struct words){"makes other rows when its changes come in other groups: it forgets "
                          "keys, or a key's rows depend on which keys come together",
                          "`on` must lead each changed row to all keys whose rows it shapes, and "
                          "the SQL must make a key's rows from that key alone"};
}

static struct words of_none(void) {
    return (struct words){"comes to other rejects when the same records come in another way",
                          "look at the rejects of both runs; if no transform is named, this is a "
                          "fault of plumb's: please tell"};
}

static struct words of_failure(void) {
    return (struct words){"fails when the same records come in this way",
                          "the message says what it met"};
}

void words_for(const struct trial *t, const struct difference *d, struct arena *arena,
               const char **what, const char **advice) {
    struct words w = of_none();
    if (d->error != NULL) {
        w = of_failure();
    } else if (d->transform != NULL && d->transform->kind == TRANSFORM_MAP) {
        w = of_map(t, d->transform);
    } else if (d->transform != NULL && d->transform->kind == TRANSFORM_SUM) {
        w = of_sum(t);
    } else if (d->transform != NULL) {
        w = of_derive(t);
    }
    *what = arena_printf(arena, "`%s` %s", d->transform != NULL ? d->transform->name : "the flow",
                         w.what);
    *advice = w.advice;
}
