/* How it works: readers run inside one deferred transaction, which is SQL's way of saying "as of
 * now". */
#include "cli/opened.h"

enum err_code opened_open(struct opened *o, const struct invocation *call, const char *path,
                          enum store_mode mode, struct err *err) {
    enum err_code code = flow_load(path, call->registry, &o->flow, err);
    if (code == ERR_NONE) {
        code = store_open(o->flow, mode, &o->store, err);
    }
    if (code == ERR_NONE && mode == STORE_READ) {
        code = store_begin_read(o->store, err);
    }
    return code;
}

void opened_close(struct opened *o) {
    if (o->store != NULL) {
        store_rollback(o->store);
        store_close(o->store);
    }
    flow_free(o->flow);
    *o = (struct opened){.flow = NULL};
}

enum err_code opened_count(const struct opened *o, const char *table, const char *where,
                           int64_t *out, struct err *err) {
    bool exists = false;
    *out = 0;
    enum err_code code = store_has_table(o->store, table, &exists, err);
    if (code != ERR_NONE || !exists) {
        return code;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*) FROM \"%s\"%s", table, where);
    bool found = false;
    return store_get_i64(o->store, buf_c(&sql), out, &found, err);
}

const char *source_guarantee(const struct flow_source *s) {
    const unsigned caps = s->component->caps;
    const bool ordered = (caps & CAP_ORDERED) != 0;
    if ((caps & CAP_RESUMABLE) == 0) {
        return (caps & CAP_ACKS) != 0
                   ? "at least once: told 'done' only when it is on disk; repeats meet the "
                     "tables' keys"
                   : "from the start at every run: repeats meet the tables' keys";
    }
    return ordered ? "every record once, in order, also after a crash: the cursor commits with the "
                     "records"
                   : "every record once, also after a crash: the cursor commits with the records";
}
