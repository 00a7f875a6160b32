/* `plumb rejects`: rows that were set aside. The record itself stays where it is, in its raw batch;
 * a reject points to it. */
#include "cli/rejects.h"

#include <inttypes.h>

#include "base/parse.h"
#include "cli/commands.h"
#include "cli/queues.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     FACTS_ROWS_MAX

static const struct command_option options[] = {
    {"source", "NAME", "Only records of this source."},
    {"reason", "REASON", "Only rows rejected for this reason, such as 'type' or 'missing'."},
    {"transform", "NAME", "Only rows this transform rejected; '' means while decoding."},
    {"limit", "N", "List at most N rows; 20 unless given."},
    {"raw", NULL, "With show: only the record's own bytes, exactly as they came."},
    {"all", NULL, "List those discarded and taken back as well."},
    {"because", "TEXT", "With discard: why they need no mending."},
    {"by", "NAME", "With discard: who says so; your user's name unless given."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static const struct fact_column group_columns[] = {
    {"source", "source", FACT_TEXT}, {"transform", "transform", FACT_TEXT},
    {"reason", "reason", FACT_TEXT}, {"column", "column", FACT_TEXT},
    {"rows", "rows", FACT_COUNT},    {"newest", "newest", FACT_TIME},
    {"state", NULL, FACT_TEXT}};
/* The same with --all, with the state. */
static const struct fact_column group_columns_all[] = {
    {"source", "source", FACT_TEXT}, {"transform", "transform", FACT_TEXT},
    {"reason", "reason", FACT_TEXT}, {"column", "column", FACT_TEXT},
    {"rows", "rows", FACT_COUNT},    {"newest", "newest", FACT_TIME},
    {"state", "state", FACT_TEXT}};

static const struct fact_column row_columns[] = {{"id", "id", FACT_COUNT},
                                                 {"source", "source", FACT_TEXT},
                                                 {"partition", "partition", FACT_TEXT},
                                                 {"record", "record", FACT_COUNT},
                                                 {"batch", NULL, FACT_COUNT},
                                                 {"transform", "transform", FACT_TEXT},
                                                 {"reason", "reason", FACT_TEXT},
                                                 {"column", NULL, FACT_TEXT},
                                                 {"byte_offset", NULL, FACT_COUNT},
                                                 {"version", NULL, FACT_TEXT},
                                                 {"at", NULL, FACT_TIME},
                                                 {"state", NULL, FACT_TEXT},
                                                 {"discarded", NULL, FACT_TIME},
                                                 {"discarded_by", NULL, FACT_TEXT},
                                                 {"discarded_because", NULL, FACT_TEXT},
                                                 {"message", "message", FACT_TEXT}};
static const struct fact_column row_columns_all[] = {{"id", "id", FACT_COUNT},
                                                     {"source", "source", FACT_TEXT},
                                                     {"partition", "partition", FACT_TEXT},
                                                     {"record", "record", FACT_COUNT},
                                                     {"batch", NULL, FACT_COUNT},
                                                     {"transform", "transform", FACT_TEXT},
                                                     {"reason", "reason", FACT_TEXT},
                                                     {"column", NULL, FACT_TEXT},
                                                     {"byte_offset", NULL, FACT_COUNT},
                                                     {"version", NULL, FACT_TEXT},
                                                     {"at", NULL, FACT_TIME},
                                                     {"state", "state", FACT_TEXT},
                                                     {"discarded", NULL, FACT_TIME},
                                                     {"discarded_by", "by", FACT_TEXT},
                                                     {"discarded_because", "because", FACT_TEXT},
                                                     {"message", "message", FACT_TEXT}};

#define FROM_REJECTS                                                                               \
    " FROM _plumb_rejects r LEFT JOIN _plumb_batches b ON b.id = r.batch LEFT JOIN "               \
    "_plumb_partitions p ON p.id = b.partition WHERE (?4 <> 0 OR (r.taken_back_by IS NULL AND "    \
    "r.discarded_us IS NULL)) AND (CAST(?1 AS TEXT) IS NULL OR r.reason = ?1) AND (CAST(?2 AS "    \
    "TEXT) IS NULL OR r.transform = "                                                              \
    "?2) AND (CAST(?3 AS TEXT) IS NULL OR p.source = ?3) "
#define STATE                                                                                      \
    "CASE WHEN r.taken_back_by IS NOT NULL THEN 'taken back' WHEN r.discarded_us IS NOT NULL "     \
    "THEN 'discarded' ELSE 'open' END"

static const char groups_sql[] =
    "SELECT p.source, nullif(r.transform, ''), r.reason, r.column_name, count(*), "
    "max(r.created_us), " STATE " AS state" FROM_REJECTS
    "GROUP BY p.source, r.transform, r.reason, r.column_name, state "
    "ORDER BY count(*) DESC, 1, 2, 3, 4, 7";
static const char rows_sql[] =
    "SELECT r.id, p.source, p.name, b.first_record + r.pos, b.seq, nullif(r.transform, ''), "
    "r.reason, r.column_name, r.byte_offset, r.version, r.created_us, " STATE
    ", r.discarded_us, r.discarded_by, r.discarded_because, r.message" FROM_REJECTS
    "ORDER BY r.id DESC LIMIT ?5";

static enum err_code query(const struct opened *o, const struct rejects_filter *f, const char *sql,
                           bool with_limit, struct facts *out, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(o->store, sql, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    const char *const texts[] = {f->reason, f->transform, f->source};
    for (int i = 0; i < 3; i++) {
        if (texts[i] != NULL) {
            store_bind_str(st, i + 1, str_of(texts[i]));
        } else {
            store_bind_null(st, i + 1);
        }
    }
    store_bind_i64(st, 4, f->all);
    if (with_limit) {
        store_bind_i64(st, 5, f->limit);
    }
    code = facts_from(out, st, err);
    store_statement_free(st);
    return code;
}

/* A reason or transform that cannot be is a typing mistake, not an empty answer. */
enum err_code rejects_filter_check(const struct opened *o, const struct rejects_filter *f,
                                   struct err *err) {
    if (f->source != NULL && flow_find_source(o->flow, f->source) == NULL) {
        return err_set(err, ERR_CONFIG, "the flow has no source '%s'", f->source);
    }
    if (f->transform != NULL && f->transform[0] != '\0' &&
        flow_find_transform(o->flow, f->transform) == NULL) {
        return err_set(err, ERR_CONFIG, "the flow has no transform '%s'", f->transform);
    }
    if (f->reason != NULL) {
        static const char *const reasons[] = {
#define X(name, text) text,
            REJECT_REASONS(X)
#undef X
        };
        for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
            if (str_equal_c(str_of(f->reason), reasons[i])) {
                return ERR_NONE;
            }
        }
        const char *near = parse_nearest(str_of(f->reason), reasons, ARRAY_COUNT(reasons));
        return err_set(err, ERR_CONFIG, "'%s' is no reason%s%s%s", f->reason,
                       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                       near != NULL ? "'?" : "");
    }
    return ERR_NONE;
}

struct listing {
    struct facts groups, rows, failed;
};

static void listing_release(struct listing *l) {
    facts_release(&l->groups);
    facts_release(&l->rows);
    facts_release(&l->failed);
}

static enum err_code collect(const struct opened *o, const struct rejects_filter *f,
                             struct listing *l, struct err *err) {
    enum err_code code = query(o, f, groups_sql, false, &l->groups, err);
    if (code == ERR_NONE) {
        code = query(o, f, rows_sql, true, &l->rows, err);
    }
    if (code == ERR_NONE && f->reason == NULL && f->source == NULL) {
        code = queues_failed(o, f->transform, f->limit, &l->failed, err);
    }
    return code;
}

static int print_json(const struct listing *l) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_key(&o.json, "groups");
    facts_json(&l->groups, &o.json);
    json_key(&o.json, "rows");
    facts_json(&l->rows, &o.json);
    json_key(&o.json, "failed_keys");
    facts_json(&l->failed, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_text(const struct listing *l, const char *path) {
    AUTO_OUTPUT out;
    output_init(&out);
    if (facts_rows(&l->rows) == 0 && facts_rows(&l->failed) == 0) {
        output_add(&out, "Nothing was rejected.\n");
        return output_flush(&out, EXIT_DONE);
    }
    if (facts_rows(&l->rows) > 0) {
        facts_show(&l->groups, &out, FACTS_ROWS_MAX);
        output_add(&out, "\n");
        output_styled(&out, STYLE_STRONG, "Newest first\n");
        facts_show(&l->rows, &out, FACTS_ROWS_MAX);
    }
    if (facts_rows(&l->failed) > 0) {
        output_add(&out, "%s", facts_rows(&l->rows) > 0 ? "\n" : "");
        output_styled(&out, STYLE_STRONG, "Keys on which a derive failed\n");
        facts_show(&l->failed, &out, FACTS_ROWS_MAX);
    }
    if (facts_rows(&l->rows) > 0) {
        output_add(&out, "\n'plumb rejects show ");
        output_data(&out, str_of(path));
        output_add(&out, " ID' shows a record and where it is wrong.\n");
    }
    return output_flush(&out, EXIT_DONE);
}

static int rejects_list(const struct invocation *call, const char *path) {
    struct err err = ERR_INIT;
    struct rejects_filter filter = {.source = invocation_option(call, "source"),
                                    .reason = invocation_option(call, "reason"),
                                    .transform = invocation_option(call, "transform"),
                                    .all = invocation_has(call, "all")};
    static const struct range_i64 range = {1, LIMIT_MAX};
    if (invocation_number(call, "limit", range, LIMIT_DEFAULT, &filter.limit, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, path, STORE_READ, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    if (rejects_filter_check(&opened, &filter, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    CLEANUP(listing_release)
    struct listing l = {FACTS_INIT(group_columns), FACTS_INIT(row_columns),
                        FACTS_INIT(queue_failed_columns)};
    if (filter.all) {
        l.groups.columns = group_columns_all;
        l.rows.columns = row_columns_all;
    }
    if (collect(&opened, &filter, &l, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return invocation_has(call, "json") ? print_json(&l) : print_text(&l, path);
}

static int rejects_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    const char *verb = call->arguments[0];
    if (call->argument_count == 1) {
        return rejects_list(call, verb); /* `plumb rejects FLOW` */
    }
    if (str_equal_c(STR("list"), verb) && call->argument_count == 2) {
        return rejects_list(call, call->arguments[1]);
    }
    if (str_equal_c(STR("replay"), verb) && call->argument_count == 2) {
        return rejects_replay_run(call, call->arguments[1]);
    }
    if (str_equal_c(STR("discard"), verb)) {
        return rejects_discard_run(call, call->arguments[1]);
    }
    int64_t id = 0;
    if (!str_equal_c(STR("show"), verb) || call->argument_count != 3 ||
        !parse_i64(str_of(call->arguments[2]), &id)) {
        err_set(
            &err, ERR_CONFIG,
            "'plumb rejects' takes: list FLOW, show FLOW ID, replay FLOW, or discard FLOW [ID...]");
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, call->arguments[1], STORE_READ, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return rejects_show(call, &opened, id);
}

const struct command command_rejects = {
    .name = "rejects",
    .usage = "list FLOW | show FLOW ID | replay FLOW | discard FLOW [ID...] --because TEXT "
             "[--by NAME] [--source S] [--reason R] [--transform T] [--all] [--limit N] [--raw] "
             "[--json]",
    .summary = "list the rows that were set aside, show why, and replay them",
    .doc =
        "A rejected row is a pointer to its raw record, with the reason, the transform and the\n"
        "version of the flow. list counts them by reason and lists the newest, and the keys on\n"
        "which derives failed. show prints one record with its fault marked.\n\n"
        "replay, after the SQL or the contract was mended, makes anew what the transforms with\n"
        "rejects make, and all below, as `plumb replay` does: every record goes the whole way\n"
        "again in its place, and the rejects that are mended are gone with the same "
        "transaction.\n\n"
        "discard keeps rejects, with your reason and your name, and no longer counts them as\n"
        "open; a replay that rejects the same record for the same reason again leaves them\n"
        "discarded. By IDs, or all that --source, --reason and --transform mean. It may be used\n"
        "beside `plumb run`. list --all shows them, and those whose records were taken back.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .run = rejects_run,
};
