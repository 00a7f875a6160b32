/* How it works: one option table, parsed by flow/ for every source next to the source's own. */
#include "component/component.h"

static const char *const unknown_policies[] = {
    [UNKNOWN_NOTE] = "note", [UNKNOWN_REJECT] = "reject", [UNKNOWN_IGNORE] = "ignore", NULL};

const struct option source_common_options[] = {
    OPTION_ENUM(struct source_common, unknown, .def = "note", .choices = unknown_policies,
                .doc = "What to do with fields that `columns` does not name. `note` keeps the "
                       "record and remembers the field, so that a changed upstream is noticed; "
                       "`reject` sets the record aside with a reason; `ignore` does neither.",
                .example = "reject"),
    OPTION_INT(struct source_common, batch_rows_max, .def = "20000", .min = 1, .max = 1000000,
               .flags = OPTION_ADVANCED,
               .doc = "Most records in one batch. A batch is what commits, or is retried, as a "
                      "whole: larger ones cost less per record, smaller ones are done sooner."),
    OPTION_SIZE(struct source_common, batch_bytes_max, .def = "4MiB", .min = 1024,
                .max = (int64_t)64 << 20, .flags = OPTION_ADVANCED,
                .doc = "A batch is closed once its raw records hold this much. Memory in use "
                       "grows with it, however long the backlog is."),
    OPTION_SIZE(struct source_common, record_bytes_max, .def = "4MiB", .min = 1024,
                .max = (int64_t)64 << 20, .flags = OPTION_ADVANCED,
                .doc = "A longer record is set aside as `too_large`: its beginning and where the "
                       "rest is are kept, and the source goes on behind it."),
};
const size_t source_common_option_count = ARRAY_COUNT(source_common_options);
