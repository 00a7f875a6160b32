/* The store: one database that holds everything a flow knows.
 *
 * Staged batches, cursors, marks, the ledger, rejects, queues and the user's tables live together,
 * so that what belongs together commits together. The tables whose names start with _plumb_ are
 * documented in docs/store.md and may be read by anybody; only the engine writes them. A writer
 * holds the store's lock; readers open it read-only beside it.
 *
 * A store belongs to one thread. Errors: UNAVAILABLE (busy, I/O), LIMIT (disk or memory full),
 * CONFLICT (another plumb runs on it), CORRUPT (bytes are not what was written), CONFIG (not a
 * store, other version), INPUT (a row broke a rule of its table or of a function: the statement had
 * no effect). */
#ifndef PLUMB_STORE_STORE_H
#define PLUMB_STORE_STORE_H

#include "flow/flow.h"
#include "rows/decode.h"

struct store;

enum store_mode {
    STORE_WRITE,   /* create if absent, take the lock, bring the catalog up to date */
    STORE_READ,    /* read only; CONFIG when there is no store yet */
    STORE_REBUILD, /* as STORE_WRITE, but leaves the flow's tables as they are */
    STORE_ASIDE,   /* beside the store, "<file>-aside": what the flow's transforms make, from the
                      staged batches and the other tables of the store, which it only reads */
    STORE_AUDIT,   /* as STORE_ASIDE, in "<file>-audit", with a lock of its own: what is built there
                      is compared with the store, and thrown away */
    STORE_NOTE,    /* a small write beside a running plumb: without the lock, nothing is created */
    STORE_SCRATCH  /* in memory, for checking a flow's SQL */
};

/* Where SQL has to be spelled in two ways, this says in which. */
enum store_dialect { STORE_SQLITE, STORE_POSTGRES };

#define STORE_VERSION         4
#define STORE_CACHE_BYTES     ((int64_t)32 << 20)
#define STORE_BUSY_TIMEOUT_MS 5000

/* Opens flow->store and, unless reading, creates what is missing: system tables, the flow's tables
 * and indexes. The flow is borrowed until store_close. */
MUST_CHECK enum err_code store_open(const struct flow *flow, enum store_mode mode,
                                    struct store **out, struct err *err);
void store_close(struct store *s);
/* Aside: the table is the origin's. */
bool store_table_is_elsewhere(const struct store *s, const struct flow_table *t);
/* The flow's store is on a server, which may be away for a while. */
bool store_is_remote(const struct flow *flow);
/* Whether there is a store yet. */
MUST_CHECK enum err_code store_exists(const struct flow *flow, bool *exists, struct err *err);
/* The database file, or "" for a scratch store. */
const char *store_path(const struct store *s);
enum store_dialect store_dialect(const struct store *s);

/* From now on a SELECT that names no order gives its rows the other way round, where that is
 * possible, and adds up floats from the last to the first: what depends on an order nobody promised
 * shows. Statements that are prepared already do so, too. */
MUST_CHECK enum err_code store_read_reversed(struct store *s, struct err *err);

/* ---- transactions; a failed commit has rolled back, but ask store_batch_staged whether it
 * happened ---- */
MUST_CHECK enum err_code store_begin(struct store *s, struct err *err);
/* One state of the store for all that is read; nothing is written. */
MUST_CHECK enum err_code store_begin_read(struct store *s, struct err *err);
/* As store_begin, beside others who do the same; whoever says store_begin waits for all of them, and
 * they for him. In SQLite there is one writer, and no difference. */
MUST_CHECK enum err_code store_begin_shared(struct store *s, struct err *err);
/* Within such a transaction, until it ends: the unit of work is ours alone. Waits for it or, without
 * wait, says in *got that somebody else has it. */
MUST_CHECK enum err_code store_claim(struct store *s, const char *unit, bool wait, bool *got,
                                     struct err *err);
/* The same of a unit that is divided into `count` parts (64 at most), without waiting: takes up to `most`
 * of those nobody else has, looking from part `from` on and around; they are the bits of *parts. */
struct store_parts {
    int count, most, from;
};
MUST_CHECK enum err_code store_claim_parts(struct store *s, const char *unit,
                                           struct store_parts wanted, uint64_t *parts,
                                           struct err *err);
MUST_CHECK enum err_code store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);
MUST_CHECK enum err_code store_savepoint(struct store *s, struct err *err);
MUST_CHECK enum err_code store_release(struct store *s, struct err *err);
MUST_CHECK enum err_code store_undo(struct store *s,
                                    struct err *err); /* back to the savepoint, and drop it */

/* Statements that still run at this monotonic time end with CANCELLED; 0: they may take for ever. */
void store_deadline(struct store *s, int64_t monotonic_us);

/* ---- statements ---- */
struct store_statement;
#define STORE_PARAMETERS_MAX 8
MUST_CHECK enum err_code store_prepare(struct store *s, const char *sql,
                                       struct store_statement **out, struct err *err);
void store_statement_free(struct store_statement *st);
void store_bind_i64(struct store_statement *st, int index, int64_t v); /* index from 1 */
void store_bind_str(struct store_statement *st, int index,
                    struct str v); /* text; borrowed until the run ends */
void store_bind_blob(struct store_statement *st, int index, struct str v);
void store_bind_f64(struct store_statement *st, int index, double v);
void store_bind_null(struct store_statement *st, int index);
/* All bindings become NULL. */
void store_clear(struct store_statement *st);
/* Runs to the end; rows are ignored. changes may be NULL: rows inserted, updated or deleted,
 * without triggers' work. */
MUST_CHECK enum err_code store_run(struct store_statement *st, int64_t *changes, struct err *err);
/* Next row: *has_row false at the end (the statement is reset then). */
MUST_CHECK enum err_code store_step(struct store_statement *st, bool *has_row, struct err *err);
void store_reset(struct store_statement *st);
/* Within a transaction: so many rows are in memory at a time, at most. Otherwise that is the
 * database's to choose. */
void store_statement_chunks(struct store_statement *st, int rows);
/* Columns are known from the first step on. */
int store_column_count(const struct store_statement *st);
const char *store_column_name(const struct store_statement *st, int column);
int64_t store_column_i64(struct store_statement *st, int column);
double store_column_f64(struct store_statement *st, int column);
struct str store_column_str(struct store_statement *st,
                            int column); /* text or blob; valid until the next step */
bool store_column_is_null(struct store_statement *st, int column);
/* Several statements at once, no rows (DDL). */
MUST_CHECK enum err_code store_execute(struct store *s, const char *sql, struct err *err);
/* First column of the first row; *found false when there is none. */
MUST_CHECK enum err_code store_get_i64(struct store *s, const char *sql, int64_t *out, bool *found,
                                       struct err *err);

/* ---- the batch a map reads ---- */
/* The decoded rows [low, high) become the temporary table stream->relation, until others do or the
 * transaction ends. */
struct store_rows {
    const struct rows *rows;
    size_t low, high;
    int64_t batch;        /* id; tells one batch's rows from another's */
    int64_t first_record; /* number of the batch's first record */
};
MUST_CHECK enum err_code store_present(struct store *s, const struct flow_stream *stream,
                                       const struct store_rows *rows, struct err *err);
void store_present_nothing(struct store *s, const struct flow_stream *stream);
/* Row index at which the last statement over the batch stood. */
size_t store_present_at(const struct store *s, const struct flow_stream *stream);
#define STORE_TICKS 8
int64_t *store_ticks(struct store *s); /* [STORE_TICKS] */
void store_ticks_reset(struct store *s);

/* ---- tables of a transform for one turn ---- */
/* Says what the temporary table is like: columns as in CREATE TABLE, with PRIMARY KEY(...) at their
 * end if it is keyed. Outlasts transactions, what is in it need not. */
MUST_CHECK enum err_code store_work_make(struct store *s, const char *name, const char *columns,
                                         bool keyed, struct err *err);
/* Within a transaction: from here on it is there, and empty. */
MUST_CHECK enum err_code store_work_empty(struct store *s, const char *name, struct err *err);

/* ---- staging ---- */
struct store_partition {
    int64_t id;
    int64_t last_batch_seq; /* 0: none */
    int64_t records;        /* number the next record gets */
    int64_t settled;        /* records numbered below are never taken back; 0: any may be */
};
/* Looks up or creates. Within a transaction. */
MUST_CHECK enum err_code store_partition_get(struct store *s, const char *source, const char *name,
                                             struct store_partition *out, struct err *err);
/* All cursors of a source, in the arena. */
MUST_CHECK enum err_code store_cursors(struct store *s, const char *source, struct arena *arena,
                                       struct source_cursor **out, size_t *count, struct err *err);
struct store_batch {
    int64_t id; /* set by store_stage; `_batch` of lineage */
    int64_t partition;
    int64_t seq;          /* 1, 2, ... within the partition */
    int64_t first_record; /* number of its first record within the partition, from 0 */
    int64_t count;        /* records in it */
    int64_t
        taken_back; /* records of earlier batches it takes back: those numbered from first_record on */
    int64_t decoded, rejected;
};
/* What goes with a batch besides its records. */
struct store_extras {
    struct str cursor;
    int64_t settled;                        /* -1: as before */
    const struct source_coverage *coverage; /* may be unset */
    const struct buf *notes;                /* as source_output_note wrote them */
};
/* Batch, cursor and extras together. b must be sealed. Fills id, seq. A batch that neither holds
 * records nor takes any back moves only the cursor; id is 0. The caller has seen to it that
 * nothing settled is taken back. */
MUST_CHECK enum err_code store_stage(struct store *s, const struct batch *b,
                                     const struct store_extras *extras, struct store_batch *info,
                                     struct err *err);
/* How many rows of the batch each stream of a source with several has. Replaces what was noted. */
MUST_CHECK enum err_code store_streams_set(struct store *s, const struct flow_source *source,
                                           int64_t batch, const struct decoded *d, struct err *err);
/* The newest batch before `seq` with records numbered [low, high) that no batch before `seq` has
 * taken back. For the next one, seq is what was found, high its low. */
struct store_live {
    int64_t seq;
    int64_t low, high; /* of its records those numbered [low, high) */
};
MUST_CHECK enum err_code store_live_before(struct store *s, int64_t partition, int64_t seq,
                                           int64_t low, int64_t high, struct store_live *out,
                                           bool *found, struct err *err);
/* Notes of a source, in the arena, oldest first. */
MUST_CHECK enum err_code store_notes(struct store *s, const char *source, struct arena *arena,
                                     struct source_note **out, size_t *count, struct err *err);
/* What a source says of itself, a JSON object. */
MUST_CHECK enum err_code store_facts_set(struct store *s, const char *source, struct str json,
                                         struct err *err);
/* As store_facts_set, and what its object "http" counts since the last time goes to _plumb_http. */
MUST_CHECK enum err_code store_facts_take(struct store *s, const char *source, struct str json,
                                          struct err *err);
/* When the source was first asked for what became the batch (wall clock). */
MUST_CHECK enum err_code store_extraction_set(struct store *s, int64_t batch, int64_t asked_us,
                                              struct err *err);
/* True when batch seq of the partition is staged: resolves a commit whose outcome is unknown. */
MUST_CHECK enum err_code store_batch_staged(struct store *s, int64_t partition, int64_t seq,
                                            bool *out, struct err *err);
/* Reads and verifies a staged batch. CORRUPT with the batch's name; CONFIG when retention dropped
 * it. */
MUST_CHECK enum err_code store_load(struct store *s, int64_t partition, int64_t seq,
                                    struct batch *b, struct store_batch *info, struct err *err);
/* Drops bodies that retention allows to go, oldest first, at most `most` batches; never one that a
 * map has not applied. */
MUST_CHECK enum err_code store_retain(struct store *s, int64_t most, int64_t *dropped,
                                      struct err *err);

/* The content's hash of batch seq of a partition; *found: it is staged. */
MUST_CHECK enum err_code store_batch_hash(struct store *s, int64_t partition, int64_t seq,
                                          struct hash128 *out, bool *found, struct err *err);

/* ---- leases (store/leases.c) ---- */
struct store_lease {
    const char *unit;
    const char *holder; /* who asks */
    int64_t us;         /* for how long, by the database's clock */
};
/* Takes or renews; *got false when somebody else has it. Outside of a transaction. */
MUST_CHECK enum err_code store_lease_take(struct store *s, const struct store_lease *l, bool *got,
                                          struct err *err);
MUST_CHECK enum err_code store_lease_leave(struct store *s, const struct store_lease *l,
                                           struct err *err);
/* How many units that begin with the prefix are held now. */
/* Forgets leases that have ended, and ends all of those holders of whom is_gone says so. */
MUST_CHECK enum err_code store_leases_drop(struct store *s, bool (*is_gone)(const char *holder),
                                           struct err *err);
MUST_CHECK enum err_code store_lease_count(struct store *s, const char *prefix, int64_t *out,
                                           struct err *err);

/* ---- marks, ledger, rejects ---- */
MUST_CHECK enum err_code store_mark_get(struct store *s, const char *transform, int64_t partition,
                                        int64_t *seq, struct err *err);
MUST_CHECK enum err_code store_mark_set(struct store *s, const char *transform, int64_t partition,
                                        int64_t seq, struct err *err);
struct ledger_line {
    int64_t rows_in;     /* decoded rows given to the map */
    int64_t records_out; /* of those, how many gave at least one row */
    int64_t rows_out;    /* rows they gave; differs from records_out only with many: true */
    int64_t filtered, rejected;
    int64_t inserted, updated, unchanged, deleted, superseded;
    int64_t taken_back; /* rows of the table that went because their records were taken back */
    int64_t duration_us;
};
MUST_CHECK enum err_code store_ledger_add(struct store *s, int64_t batch, const char *transform,
                                          const struct ledger_line *line, struct err *err);
/* transform "" means decoding. Replaces an entry for the same record and transform. */
MUST_CHECK enum err_code store_reject_add(struct store *s, int64_t batch, const char *transform,
                                          const struct reject *r, struct err *err);
/* A person's decision that rejects need no mending (store/rejects.c): kept, no longer counted as
 * open. Either those with these ids (all of them, or INPUT when one of them is not open), or all open
 * ones that the rest means. Outside of a transaction. */
struct store_discard {
    const int64_t *ids;
    size_t id_count;       /* 0: not by id */
    const char *source;    /* NULL: any */
    const char *reason;    /* NULL: any */
    const char *transform; /* NULL: any; "": decoding */
    const char *because;
    const char *by; /* who */
};
MUST_CHECK enum err_code store_rejects_discard(struct store *s, const struct store_discard *d,
                                               int64_t *count, struct err *err);
/* Rejects of the live records belong to records that the batch with id `by` took back. */
MUST_CHECK enum err_code store_rejects_take_back(struct store *s, int64_t partition,
                                                 const struct store_live *live, int64_t by,
                                                 struct err *err);
/* Notes new, missing and changed fields; records an event for each that was not known before. */
MUST_CHECK enum err_code store_drift_add(struct store *s, const struct flow_source *source,
                                         int64_t batch, const struct drift *d, struct err *err);
/* What is wrong with a partition ("" for the whole source) or, with an empty err, that it is fine
 * again. */
MUST_CHECK enum err_code store_trouble_set(struct store *s, const char *source,
                                           const char *partition, const struct err *trouble,
                                           struct err *err);

/* ---- limits of rejects (store/limits.c) ---- */
/* How many rejects of a source's decoding (transform NULL) or of a map count towards its limit, or of
 * a derive, which needs no source, keys on which it fails: those that are open, among the last limit->of records it was given if the limit says so. Never more than
 * limit->max, with which it is reached. */
MUST_CHECK enum err_code store_limit_count(struct store *s, const struct flow_source *source,
                                           const struct flow_transform *transform, int64_t *out,
                                           struct err *err);

/* ---- transforms: definition and state ---- */
/* CONFIG when the transform made state under another definition. Records the definition otherwise.
 */
MUST_CHECK enum err_code store_definition_claim(struct store *s, const struct flow_transform *t,
                                                bool *fresh, struct err *err);
/* Forgets transforms that the flow no longer has: their definitions, marks, queues and triggers. */
MUST_CHECK enum err_code store_forget_absent(struct store *s, struct err *err);
/* Makes the schema object (queue table or trigger, named _plumb_q_* or _plumb_t_*) exactly as ddl
 * says; nothing happens when it is so already. */
MUST_CHECK enum err_code store_object_ensure(struct store *s, const char *name, const char *ddl,
                                             struct err *err);
/* failure NULL: it works. Otherwise counts an attempt and keeps the message. */
MUST_CHECK enum err_code store_transform_state(struct store *s, const char *transform,
                                               const struct err *failure, struct err *err);

/* ---- building aside ---- */
/* On a store opened with STORE_ASIDE: true when what it holds was begun for the same purpose and can
 * be gone on with. Otherwise it must be begun. */
MUST_CHECK enum err_code store_aside_continues(struct store *s, const char *purpose, bool *out,
                                               struct err *err);
/* Copies what is known of partitions and batches, and notes the purpose. Within a transaction. */
MUST_CHECK enum err_code store_aside_begin(struct store *s, const char *purpose, struct err *err);
/* Aside, within a transaction: the rejects of decoding of a batch whose raw records are gone stay. */
MUST_CHECK enum err_code store_aside_keep_rejects(struct store *s, int64_t batch, struct err *err);
/* Removes what was built aside of the flow's store, if there is anything. mode: STORE_ASIDE or
 * STORE_AUDIT, whose store is open and locked, or not there. */
void store_aside_remove(const struct flow *flow, enum store_mode mode);

#define SWAP_SAMPLES_MAX 3
struct swap_table {
    const char *name;
    bool made_anew; /* its columns are others now: all rows are new */
    int64_t inserted, updated, deleted, rows;
    char *samples[SWAP_SAMPLES_MAX]; /* owned: a changed row in words */
    size_t sample_count;
};
struct swap_report {
    struct swap_table *tables; /* owned */
    size_t count;
};
void swap_report_release(struct swap_report *r);
/* Makes the tables of `built` (a flow of the affected transforms only) what they are aside, in one
 * transaction: rows that differ, marks, ledger, rejects, definitions, queues. s is a store opened
 * with STORE_REBUILD; the one aside is closed. */
MUST_CHECK enum err_code store_swap(struct store *s, const struct flow *built,
                                    struct swap_report *report, struct err *err);

/* Whether the store has the flow's table and, if so, how it differs from what is declared, in words;
 * nothing is added to out when it does not. Readers may ask. */
MUST_CHECK enum err_code store_table_compare(struct store *s, const struct flow_table *t,
                                             bool *exists, struct buf *out, struct err *err);
/* Whether the store has a table of that name, of the flow or of ours: an older flow may not
 * have made it. Readers may ask. */
MUST_CHECK enum err_code store_has_table(struct store *s, const char *name, bool *out,
                                         struct err *err);
MUST_CHECK enum err_code store_index_exists(struct store *s, const struct flow_table *t,
                                            size_t index, bool *exists, struct err *err);

/* What follows FROM: one column `name`, of all queues (_plumb_q_...). */
const char *store_queues_sql(const struct store *s);
/* The function that gives the least of several values, none of which is NULL. */
const char *store_least(const struct store *s);
/* What a column's type is called in the store's SQL. */
const char *store_sql_type(const struct store *s, enum column_type type);

/* ---- reading back ---- */
/* The digest of a user's table, over its user columns. out: DIGEST_TEXT_BYTES. */
MUST_CHECK enum err_code store_table_digest(struct store *s, const struct flow_table *t, char *out,
                                            struct err *err);

/* ---- checking SQL ---- */
#define SQL_TABLES_MAX 64
#define SQL_RELATION_BYTES_MAX                                                                     \
    (2 * FLOW_NAME_BYTES_MAX + 32) /* "_plumb_change_", a name, a table */
struct sql_facts {
    char columns[SCHEMA_COLUMNS_MAX][FLOW_NAME_BYTES_MAX + 1]; /* names of the result columns */
    char decltypes[SCHEMA_COLUMNS_MAX]
                  [16]; /* "INTEGER", ... for plain column references; else "" */
    size_t column_count;
    struct { /* of the result columns that are plain columns of a table; else "" */
        char table[SQL_RELATION_BYTES_MAX + 1];
        char column[FLOW_NAME_BYTES_MAX + 1];
    } origins[SCHEMA_COLUMNS_MAX];
    struct {
        char table[SQL_RELATION_BYTES_MAX + 1];
        char column[FLOW_NAME_BYTES_MAX + 1];
    } reads[SCHEMA_COLUMNS_MAX * 2]; /* distinct (table, column) pairs */
    size_t read_count;
    /* Over rows of the relation (batch, change, changed); within one row of it all is allowed. */
    bool has_aggregate;  /* an aggregate, or a window function that is one */
    bool has_sorter;     /* ORDER BY, GROUP BY, DISTINCT or UNION that holds rows back */
    bool has_limit;      /* LIMIT counts its rows */
    bool has_compound;   /* UNION ALL and its kin, or a subquery kept in a table */
    bool is_mixed;       /* joined with itself, read in an expression, or rows come without it */
    int batch_scans;     /* loops over the relation */
    bool has_join;       /* any other table or a table-valued function is read */
    bool batch_is_outer; /* the first loop of its SELECT is over the relation */
};
/* Prepares one SELECT with what may be named there and tells what it does. CONFIG with the byte
 * offset in *offset (or -1) when it is no single SELECT, does not compile, or uses something whose
 * result may differ between two runs. */
MUST_CHECK enum err_code store_analyse(struct store *s, const char *sql, struct sql_facts *out,
                                       int64_t *offset, struct err *err);

#endif
