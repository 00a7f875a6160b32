/* The findings of health.h about a store's schema and its database, in the words of the store. */
#include "base/clock.h"
#include "store/health.h"
#include "store/postgres/driver.h"
#include "store/postgres/health.h"
#include "store/postgres/internal.h"

_Static_assert(STORE_FINDINGS_MAX == PG_HEALTH_FINDINGS_MAX, "all findings have a place");
_Static_assert(STORE_FINDING_BYTES == PG_HEALTH_TEXT_BYTES, "and all of their text");

/* Kinds whose number is an age in microseconds. */
static bool is_age(const char *kind) {
    return str_equal_c(str_of(kind), "transaction") || str_equal_c(str_of(kind), "prepared");
}

enum err_code postgres_health(struct store *s, struct store_finding *out, size_t *count,
                              struct err *err) {
    struct pg *pg = postgres_of(s)->pg;
    struct pg_finding found[PG_HEALTH_FINDINGS_MAX];
    *count = 0;
    enum err_code code = pg_health(pg, pg->schema, &pg_health_defaults, found, count, err);
    for (size_t i = 0; code == ERR_NONE && i < *count; i++) {
        struct store_finding *f = &out[i];
        str_printable(str_of(found[i].kind), f->kind, sizeof(f->kind));
        str_printable(str_of(found[i].subject), f->subject, sizeof(f->subject));
        str_printable(str_of(found[i].advice), f->advice, sizeof(f->advice));
        f->number = found[i].number;
        f->since_us = is_age(found[i].kind) ? clock_now_us() - found[i].number : 0;
    }
    return code;
}
