/* Queue tables, and triggers with their functions. PostgreSQL does not keep the text they were made
 * by, so _plumb_objects does; whether they are there is asked of the server's catalog, so that one
 * dropped or switched off by hand is made anew.
 *
 * Several processes may come at once: who finds everything as it should be takes no lock, the others
 * take turns, and look again. */
#include <string.h>

#include "store/driver.h"
#include "store/postgres/catalog.h"
#include "store/postgres/internal.h"
#include "store/words.h"

#define QUEUE_PREFIX   "_plumb_q_"
#define TRIGGER_PREFIX "_plumb_t_"

struct object {
    const char *name; /* in full */
    char known_as[PG_IDENTIFIER_BYTES];
    bool is_trigger;
};

static void object_init(struct object *o, const char *name) {
    o->is_trigger = strncmp(name, TRIGGER_PREFIX, strlen(TRIGGER_PREFIX)) == 0;
    ASSERT(o->is_trigger || strncmp(name, QUEUE_PREFIX, strlen(QUEUE_PREFIX)) == 0);
    o->name = name;
    pg_short_name(str_of(name), o->known_as);
}

/* ---- its text ---- */

/* Every second piece between double quotes is a name. */
static void shorten(const char *text, struct buf *out) {
    const char *rest = text;
    for (bool is_name = false; rest != NULL; is_name = !is_name) {
        const size_t len = strcspn(rest, "\"");
        const struct str piece = {rest, len};
        char name[PG_IDENTIFIER_BYTES];
        if (is_name) {
            pg_short_name(piece, name);
            buf_adds(out, name);
        } else {
            buf_addstr(out, piece);
        }
        rest = rest[len] == '"' ? rest + len + 1 : NULL;
        buf_adds(out, rest != NULL ? "\"" : "");
        ASSERT(rest != NULL || !is_name); /* an odd number of quotes */
    }
}

static void ddl_finish(const struct pg *pg, const char *ddl, struct buf *out) {
    char *schema = mem_printf("\"%s\"", pg->schema);
    const struct store_word words[] = {{"schema", schema}};
    AUTO_BUF worded = BUF_INIT(BUF_TEXT_MAX);
    store_words(words, ARRAY_COUNT(words), ddl, &worded);
    mem_free(schema);
    shorten(buf_c(&worded), out);
}

/* ---- whether it is there ---- */

/* ?1 schema, ?2 what the server knows it by, ?3 its name, ?4 the text. */
static const char state_of_queue[] =
    "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
    "n.nspname = ?1 AND c.relname = ?2), EXISTS (SELECT 1 FROM _plumb_objects WHERE name = ?3 AND "
    "ddl = ?4)";
static const char state_of_trigger[] =
    "SELECT EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN "
    "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?1 AND t.tgname = ?2 AND "
    "t.tgenabled "
    "<> 'D'), EXISTS (SELECT 1 FROM _plumb_objects WHERE name = ?3 AND ddl = ?4)";

struct state {
    bool exists, same_text;
};

static enum err_code state_get(struct pg *pg, const struct object *o, struct str ddl,
                               struct state *out, struct err *err) {
    struct pg_statement *st = NULL;
    bool has_row = false;
    enum err_code code =
        pg_prepare(pg, o->is_trigger ? state_of_trigger : state_of_queue, &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(pg->schema));
        pg_bind_str(st, 2, str_of(o->known_as));
        pg_bind_str(st, 3, str_of(o->name));
        pg_bind_str(st, 4, ddl);
        code = pg_step(st, &has_row, err);
    }
    if (code == ERR_NONE) {
        ASSERT(has_row);
        out->exists = pg_column_i64(st, 0) != 0;
        out->same_text = pg_column_i64(st, 1) != 0;
    }
    pg_statement_free(st);
    return code;
}

/* ---- making it ---- */

static enum err_code has_rows(struct pg *pg, const char *sql, bool *out, struct err *err) {
    struct pg_statement *st = NULL;
    enum err_code code = pg_prepare(pg, sql, &st, err);
    if (code == ERR_NONE) {
        code = pg_step(st, out, err);
    }
    pg_statement_free(st);
    return code;
}

/* A queue that is made otherwise now is replaced, but never with changes in it. */
static enum err_code refuse_full_queue(struct pg *pg, const struct object *o, struct err *err) {
    bool found = false;
    char *sql = mem_printf("SELECT 1 FROM \"%s\".\"%s\" LIMIT 1", pg->schema, o->known_as);
    enum err_code code = has_rows(pg, sql, &found, err);
    mem_free(sql);
    if (code == ERR_NONE && found) {
        return err_set(
            err, ERR_CONFIG,
            "'%s' was made by another version of plumb and still holds changes; let that version "
            "finish its work (`plumb run --once`), or rebuild with `plumb replay`",
            o->name);
    }
    return code;
}

/* Its trigger goes with a function; a trigger dropped by hand has left one. */
static void drop_sql(const struct pg *pg, const struct object *o, struct buf *out) {
    if (o->is_trigger) {
        buf_addf(out, "DROP FUNCTION IF EXISTS \"%s\".\"%s\"() CASCADE;", pg->schema, o->known_as);
    } else {
        buf_addf(out, "DROP TABLE IF EXISTS \"%s\".\"%s\";", pg->schema, o->known_as);
    }
}

static enum err_code note(struct pg *pg, const struct object *o, struct str ddl, struct err *err) {
    struct pg_statement *st = NULL;
    enum err_code code =
        pg_prepare(pg,
                   "INSERT INTO _plumb_objects(name, ddl) VALUES (?1, ?2) ON CONFLICT (name) DO "
                   "UPDATE SET ddl = excluded.ddl",
                   &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(o->name));
        pg_bind_str(st, 2, ddl);
        code = pg_run(st, NULL, err);
    }
    pg_statement_free(st);
    return code;
}

static enum err_code make(struct pg *pg, const struct object *o, struct str ddl, struct err *err) {
    struct state state = {.exists = false};
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = pg_lock(pg, pg_lock_key(pg->schema, "catalog"), err);
    if (code == ERR_NONE) {
        code = state_get(pg, o, ddl, &state, err);
    }
    if (code == ERR_NONE && state.exists && state.same_text) {
        return ERR_NONE; /* somebody was faster */
    }
    if (code == ERR_NONE && state.exists && !o->is_trigger) {
        code = refuse_full_queue(pg, o, err);
    }
    if (code == ERR_NONE) {
        drop_sql(pg, o, &sql);
        buf_addstr(&sql, ddl);
        code = pg_execute(pg, buf_c(&sql), err);
    }
    return code == ERR_NONE ? note(pg, o, ddl, err) : code;
}

enum err_code pg_object_ensure(struct pg *pg, const char *name, const char *ddl, struct err *err) {
    ASSERT(pg_in_transaction(pg) && pg->schema != NULL);
    struct object o = {.name = NULL};
    struct state state = {.exists = false};
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    object_init(&o, name);
    ddl_finish(pg, ddl, &text);
    enum err_code code = state_get(pg, &o, buf_str(&text), &state, err);
    if (code == ERR_NONE && !(state.exists && state.same_text)) {
        code = make(pg, &o, buf_str(&text), err);
    }
    return code != ERR_NONE ? err_wrap(err, "make '%s'", name) : ERR_NONE;
}

/* ---- forgetting ---- */

/* Triggers go before the queues they write to. */
enum err_code pg_objects_forget(struct pg *pg, const struct flow *flow, struct err *err) {
    ASSERT(pg_in_transaction(pg));
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    struct pg_statement *st = NULL;
    enum err_code code =
        pg_prepare(pg, "SELECT name FROM _plumb_objects ORDER BY name DESC", &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = pg_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        const struct str text = pg_column_str(st, 0);
        char *name = mem_strndup(text.ptr, text.len);
        if (!store_object_is_of(flow, name)) {
            struct object o = {.name = NULL};
            object_init(&o, name);
            drop_sql(pg, &o, &sql);
            buf_addf(&sql, "DELETE FROM _plumb_objects WHERE name = '%s';", name);
        }
        mem_free(name);
    }
    pg_statement_free(st);
    return code == ERR_NONE && sql.len > 0 ? pg_execute(pg, buf_c(&sql), err) : code;
}
