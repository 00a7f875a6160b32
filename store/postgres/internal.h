/* What the files of this folder share; nobody else includes it. */
#ifndef PLUMB_STORE_POSTGRES_INTERNAL_H
#define PLUMB_STORE_POSTGRES_INTERNAL_H

#include <libpq-fe.h>

#include "store/postgres/postgres.h"

struct pg {
    PGconn *conn;
    struct pg_address address;
    char *application;
    char *schema; /* NULL: the server's search path */
    char *behind; /* looked into after it, or NULL */
    int64_t deadline_us;
    bool (*is_stopping)(void *context);
    void *stop_context;
    unsigned cursors; /* named so far */
    bool given_up;    /* a cancelled statement did not end */
};

void pg_result_release(PGresult **r);
#define AUTO_PGRESULT CLEANUP(pg_result_release) PGresult *

/* Class, message and place of an error. sql is what was sent, as translated from original (both may
 * be NULL); shift: how many characters were put before it. */
struct pg_text {
    const char *original;
    size_t shift;
};
enum err_code pg_result_error(const struct pg *pg, const PGresult *r, const struct pg_text *text,
                              struct err *err);
/* The connection's own error. */
enum err_code pg_connection_error(const struct pg *pg, const char *doing, struct err *err);

/* Before anything is sent: the fault point, and whether there is a connection. */
MUST_CHECK enum err_code pg_ready(const struct pg *pg, struct err *err);
/* After PQsend...: the next result, or NULL at the end. On failure nothing is outstanding. */
MUST_CHECK enum err_code pg_next_result(struct pg *pg, PGresult **out, struct err *err);
/* Sends what libpq holds back. */
MUST_CHECK enum err_code pg_flush(struct pg *pg, struct err *err);
/* Takes everything there is to the end; *out is the last result, or the first that failed. */
MUST_CHECK enum err_code pg_last_result(struct pg *pg, PGresult **out, struct err *err);
/* Waits until the socket can be read (or written, too). */
MUST_CHECK enum err_code pg_wait(struct pg *pg, bool write_too, struct err *err);
/* Tells the server to stop, and takes what it still says; nothing when it does nothing. */
void pg_cancel(struct pg *pg);
/* Forgets what is outstanding, however; the connection may be broken after it. */
void pg_drain(struct pg *pg);

#endif
