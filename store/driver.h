/* What a database must do to be a store: SQLite's in store/sqlite/, PostgreSQL's in store/postgres/.
 *
 * Everything else of store.h is written once, in store/, over these functions. SQL that goes through
 * a driver is one text for all (docs/adr/0009): where databases spell things differently a driver
 * offers a function, and the text asks for it. Contracts are those of store.h; a driver is called by
 * the thread that has opened the store. Included by store/ and its drivers only. */
#ifndef PLUMB_STORE_DRIVER_H
#define PLUMB_STORE_DRIVER_H

#include "store/fixed.h"
#include "store/store.h"

struct store_finding;

struct store_driver {
    const char *name;   /* "sqlite" */
    const char *scheme; /* how an address of its stores begins: "sqlite:" */
    enum store_dialect dialect;

    /* open makes a struct store of its own, with base first; on failure it leaves nothing. */
    enum err_code (*open)(const struct flow *flow, enum store_mode mode, struct store **out,
                          struct err *err);
    void (*close)(struct store *s); /* all statements are freed */
    enum err_code (*exists)(const struct flow *flow, bool *exists, struct err *err);
    void (*aside_remove)(const struct flow *flow, enum store_mode mode);

    enum err_code (*begin)(struct store *s, struct err *err);
    enum err_code (*begin_read)(struct store *s, struct err *err);
    enum err_code (*begin_shared)(struct store *s, struct err *err);
    enum err_code (*claim)(struct store *s, const char *unit, bool wait, bool *got,
                           struct err *err);
    enum err_code (*claim_parts)(struct store *s, const char *unit, struct store_parts wanted,
                                 uint64_t *parts, struct err *err);
    enum err_code (*commit)(struct store *s, struct err *err);
    void (*rollback)(struct store *s);
    enum err_code (*savepoint)(struct store *s, struct err *err);
    enum err_code (*release)(struct store *s, struct err *err);
    enum err_code (*undo)(struct store *s, struct err *err);
    void (*deadline)(struct store *s, int64_t monotonic_us);
    enum err_code (*read_reversed)(struct store *s, struct err *err);

    enum err_code (*prepare)(struct store *s, const char *sql, struct store_statement **out,
                             struct err *err);
    void (*statement_free)(struct store_statement *st);
    void (*bind_i64)(struct store_statement *st, int index, int64_t v);
    void (*bind_str)(struct store_statement *st, int index, struct str v);
    void (*bind_blob)(struct store_statement *st, int index, struct str v);
    void (*bind_f64)(struct store_statement *st, int index, double v);
    void (*bind_null)(struct store_statement *st, int index);
    void (*clear)(struct store_statement *st); /* bindings become NULL */
    enum err_code (*run)(struct store_statement *st, int64_t *changes, struct err *err);
    enum err_code (*step)(struct store_statement *st, bool *has_row, struct err *err);
    void (*reset)(struct store_statement *st);
    void (*chunks)(struct store_statement *st, int rows);
    int (*column_count)(const struct store_statement *st);
    const char *(*column_name)(const struct store_statement *st, int column);
    int64_t (*column_i64)(struct store_statement *st, int column);
    double (*column_f64)(struct store_statement *st, int column);
    struct str (*column_str)(struct store_statement *st, int column);
    bool (*column_is_null)(struct store_statement *st, int column);
    enum err_code (*execute)(struct store *s, const char *sql, struct err *err);

    enum err_code (*present)(struct store *s, const struct flow_stream *stream,
                             const struct store_rows *rows, struct err *err); /* NULL: none */
    size_t (*present_at)(const struct store *s, const struct flow_stream *stream);
    int64_t *(*ticks)(struct store *s);
    void (*ticks_reset)(struct store *s);

    enum err_code (*work_make)(struct store *s, const char *name, const char *columns, bool keyed,
                               struct err *err);
    enum err_code (*work_empty)(struct store *s, const char *name, struct err *err);
    enum err_code (*object_ensure)(struct store *s, const char *name, const char *ddl,
                                   struct err *err);
    /* Drops queues and triggers of transforms that the flow no longer has. */
    enum err_code (*objects_forget)(struct store *s, struct err *err);
    enum err_code (*table_compare)(struct store *s, const struct flow_table *t, bool *exists,
                                   struct buf *out, struct err *err);
    enum err_code (*index_exists)(struct store *s, const struct flow_table *t, size_t index,
                                  bool *exists, struct err *err);
    enum err_code (*table_digest)(struct store *s, const struct flow_table *t, char *out,
                                  struct err *err);
    const char *(*sql_type)(enum column_type type);
    /* NULL: it has nothing to say of itself. As store_health of health.h. */
    enum err_code (*health)(struct store *s, struct store_finding *out, size_t *count,
                            struct err *err);
    enum err_code (*analyse)(struct store *s, const char *sql, struct sql_facts *out,
                             int64_t *offset, struct err *err);

    enum err_code (*aside_continues)(struct store *s, const char *purpose, bool *out,
                                     struct err *err);
    enum err_code (*aside_begin)(struct store *s, const char *purpose, struct err *err);
    enum err_code (*aside_keep_rejects)(struct store *s, int64_t batch, struct err *err);
    enum err_code (*swap)(struct store *s, const struct flow *built, struct swap_report *report,
                          struct err *err);
};

struct store {
    const struct store_driver *driver;
    const struct flow *flow;
    enum store_mode mode;
    char *path;                      /* owned: what messages and people call it */
    char version[HASH128_HEX_BYTES]; /* of the flow, in hex, once it was asked for */
    struct store_statement *fixed[FIXED_COUNT];
};

struct store_statement {
    struct store *store;
};

extern const struct store_driver sqlite_driver;
extern const struct store_driver postgres_driver;

bool store_is_aside(enum store_mode mode);
/* Whether a queue or trigger, "_plumb_q_TRANSFORM" or "_plumb_q_TRANSFORM.rest", is of one of the
 * flow's transforms (absent.c). */
bool store_object_is_of(const struct flow *flow, const char *object);

#endif
