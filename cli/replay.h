/* What `plumb replay` and `plumb rejects replay` share (replay.c). */
#ifndef PLUMB_CLI_REPLAY_H
#define PLUMB_CLI_REPLAY_H

#include "cli/output.h"
#include "engine/engine.h"

struct replay_how {
    bool quiet;        /* no line of progress */
    int64_t turn_rows; /* these as of struct run_options */
    bool lose;
};
/* engine_replay, stopped by signals, with a line of progress on a terminal unless quiet. */
MUST_CHECK enum err_code replay_make(const struct flow *flow, const char *const *names,
                                     size_t count, const struct replay_how *how,
                                     struct run_summary *summary, struct swap_report *report,
                                     struct err *err);
/* What changed: a line for each table, and samples. */
void replay_show_tables(struct output *o, const struct swap_report *report);
void replay_write_tables(struct json_writer *w,
                         const struct swap_report *report); /* key "tables" */

#endif
