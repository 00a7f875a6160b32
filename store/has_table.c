/* How it works: each database has its catalog, and PostgreSQL knows long names by short ones. */
#include "store/postgres/sqltext.h"
#include "store/store.h"

enum err_code store_has_table(struct store *s, const char *name, bool *out, struct err *err) {
    const bool is_postgres = store_dialect(s) == STORE_POSTGRES;
    char known_as[PG_IDENTIFIER_BYTES];
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        s,
        is_postgres ? "SELECT 1 FROM pg_class WHERE oid = to_regclass(quote_ident(?1))"
                    : "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
        &st, err);
    if (code == ERR_NONE) {
        pg_short_name(str_of(name), known_as);
        store_bind_str(st, 1, str_of(is_postgres ? known_as : name));
        code = store_step(st, &has_row, err);
    }
    store_statement_free(st);
    *out = code == ERR_NONE && has_row;
    return code;
}
