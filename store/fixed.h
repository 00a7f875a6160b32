/* Statements the store itself uses often: written once for all databases, prepared once a store. */
#ifndef PLUMB_STORE_FIXED_H
#define PLUMB_STORE_FIXED_H

#include "store/store.h"

enum fixed_statement {
    FIXED_PARTITION_GET,
    FIXED_PARTITION_ADD,
    FIXED_PARTITION_MOVE,
    FIXED_LIVE_BEFORE,
    FIXED_COVERAGE_CUT,
    FIXED_COVERAGE_TRIM,
    FIXED_COVERAGE_EXTEND,
    FIXED_COVERAGE_ADD,
    FIXED_NOTES_CUT,
    FIXED_NOTE_ADD,
    FIXED_FACTS_SET,
    FIXED_STREAM_SET,
    FIXED_REJECTS_TAKE_BACK,
    FIXED_BATCH_ADD,
    FIXED_FRAME_ADD,
    FIXED_BATCH_GET,
    FIXED_MARK_GET,
    FIXED_MARK_SET,
    FIXED_LEDGER_ADD,
    FIXED_REJECT_ADD,
    FIXED_FIELD_GET,
    FIXED_FIELD_SET,
    FIXED_EVENT_ADD,
    FIXED_TROUBLE_SET,
    FIXED_TROUBLE_CLEAR,
    FIXED_STATE_OK,
    FIXED_STATE_FAILED,
    FIXED_COUNT
};

/* The prepared statement, reset and with bindings cleared. It is the store's: not to be freed. */
MUST_CHECK enum err_code store_fixed(struct store *s, enum fixed_statement which,
                                     struct store_statement **out, struct err *err);

#endif
