/* How it works: libpq without blocking. What is sent is flushed and what comes is taken whenever
 * poll() says so, in slices, so that a deadline and a request to stop are seen soon. Who waits in
 * vain cancels the statement, takes what the server still has to say, and gives the connection up if
 * that takes too long.
 *
 * Connecting: the SQLSTATE of a refusal is not among a connection's facts, but with verbose messages
 * it stands in the text ("FATAL:  28P01: password ..."), where it is looked for. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/postgres/internal.h"
#include "store/postgres/sqltext.h"

#define POLL_SLICE_US 100000
#define US_PER_MS     1000

void pg_result_release(PGresult **r) {
    PQclear(*r);
    *r = NULL;
}

static void ignore_notice(void *context, const PGresult *r) {
    (void)context;
    (void)r;
}

/* ---- errors ---- */

/* The first line, without "ERROR:  28P01: ". */
static int first_line(const char *message) {
    return (int)strcspn(message, "\n");
}

enum err_code pg_connection_error(const struct pg *pg, const char *doing, struct err *err) {
    const char *message = PQerrorMessage(pg->conn);
    char state[6] = "";
    const char *fatal = strstr(message, "FATAL:  ");
    if (fatal != NULL && strlen(fatal) > 14 && fatal[13] == ':') {
        (void)snprintf(state, sizeof(state), "%.5s", fatal + 8);
    }
    const int number = pg_sqlstate_number(state);
    const enum err_code code = number != 0 ? pg_class_of(state) : ERR_UNAVAILABLE;
    err_set(err, code == ERR_INTERNAL ? ERR_UNAVAILABLE : code, "%s: %s%s%.*s", pg->address.shown,
            doing, message[0] != '\0' ? ": " : "", first_line(message), message);
    err->origin = number;
    return err->code;
}

static const char *field(const PGresult *r, int which) {
    const char *text = PQresultErrorField(r, which);
    return text != NULL ? text : "";
}

static size_t position_of(const PGresult *r) {
    size_t position = 0;
    for (const char *p = field(r, PG_DIAG_STATEMENT_POSITION); *p >= '0' && *p <= '9'; p++) {
        position = position * 10 + (size_t)(*p - '0');
    }
    return position;
}

/* What the server says first. The domains of functions.sql are named by what they complain of. */
static const char *primary_of(const PGresult *r, const char *state) {
    const char *constraint = field(r, PG_DIAG_CONSTRAINT_NAME);
    const bool is_ours = strcmp(state, "23514") == 0 && strstr(constraint, "(): ") != NULL;
    return is_ours ? constraint : field(r, PG_DIAG_MESSAGE_PRIMARY);
}

enum err_code pg_result_error(const struct pg *pg, const PGresult *r, const struct pg_text *text,
                              struct err *err) {
    const char *state = field(r, PG_DIAG_SQLSTATE);
    if (PQstatus(pg->conn) == CONNECTION_BAD && state[0] == '\0') {
        return pg_connection_error(pg, "the connection broke", err);
    }
    const enum err_code code = pg_class_of(state);
    const char *primary = primary_of(r, state);
    /* Which key was there twice is worth knowing. The hint says what to do. */
    const char *detail = strncmp(state, "23", 2) == 0 ? field(r, PG_DIAG_MESSAGE_DETAIL) : "";
    const char *hint = field(r, PG_DIAG_MESSAGE_HINT);
    size_t line = 0;
    size_t column = 0;
    const size_t position = position_of(r);
    if (text != NULL && text->original != NULL && position > text->shift) {
        pg_sql_place(str_of(text->original), position - text->shift, &line, &column);
    }
    char place[64] = "";
    if (line > 0) {
        (void)snprintf(place, sizeof(place), " (SQL line %zu, column %zu)", line, column);
    }
    if (code == ERR_INPUT || code == ERR_CONFIG) {
        err_set(err, code, "%s%s%s%s%s%s", primary, place, detail[0] != '\0' ? ": " : "", detail,
                hint[0] != '\0' ? "; hint: " : "", hint);
    } else if (strcmp(state, "53100") == 0) {
        err_set(err, code,
                "store %s: the server's disk is full (%s): free space there and run again; nothing "
                "is lost",
                pg->address.shown, primary);
    } else {
        err_set(err, code, "store %s (SQLSTATE %s): %s%s", pg->address.shown,
                state[0] != '\0' ? state : "unknown",
                primary[0] != '\0' ? primary : PQresultErrorMessage(r), place);
    }
    err->origin = pg_sqlstate_number(state);
    return err->code;
}

/* ---- waiting ---- */

static bool must_end(const struct pg *pg, int64_t now) {
    return (pg->deadline_us != 0 && now >= pg->deadline_us) ||
           (pg->is_stopping != NULL && pg->is_stopping(pg->stop_context));
}

/* True when the socket is ready; false when the time is over. */
static bool poll_until(const struct pg *pg, short events, int64_t until_us) {
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = events};
    if (fd.fd < 0) {
        return true; /* what follows sees that it is closed */
    }
    const int64_t left = until_us - clock_monotonic_us();
    const int ready = poll(&fd, 1, (int)((left > 0 ? left : 0) / US_PER_MS));
    return ready > 0;
}

static enum err_code cancelled(struct err *err) {
    return err_set(err, ERR_CANCELLED, "the statement was cancelled: its time was over");
}

void pg_cancel(struct pg *pg) {
    if (PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE) {
        return;
    }
    PGcancel *handle = PQgetCancel(pg->conn);
    char unused[256];
    if (handle != NULL) {
        (void)PQcancel(handle, unused,
                       (int)sizeof(unused)); /* whether it came in time shows below */
        PQfreeCancel(handle);
    }
    const int64_t until = clock_monotonic_us() + PG_CANCEL_WAIT_US;
    while (PQisBusy(pg->conn) != 0 && clock_monotonic_us() < until) {
        (void)poll_until(pg, POLLIN, until);
        if (PQconsumeInput(pg->conn) == 0) {
            break;
        }
    }
    pg->given_up = PQisBusy(pg->conn) != 0;
    if (!pg->given_up) {
        pg_drain(pg);
    }
}

/* After a cancel: the rows that were on their way, for so long as is given. */
static void copy_out_skip(struct pg *pg) {
    const int64_t until = clock_monotonic_us() + PG_CANCEL_WAIT_US;
    for (;;) {
        char *bytes = NULL;
        const int len = PQgetCopyData(pg->conn, &bytes, 1);
        PQfreemem(bytes);
        if (len < 0) {
            return;
        }
        if (len == 0 && (!poll_until(pg, POLLIN, until) || PQconsumeInput(pg->conn) == 0)) {
            pg->given_up = true;
            return;
        }
    }
}

void pg_drain(struct pg *pg) {
    PGresult *r = NULL;
    while (!pg_is_broken(pg) && (r = PQgetResult(pg->conn)) != NULL) {
        const ExecStatusType status = PQresultStatus(r);
        PQclear(r);
        if (status == PGRES_COPY_IN) {
            if (PQputCopyEnd(pg->conn, "given up") <= 0) {
                pg->given_up = true;
            }
        } else if (status == PGRES_COPY_OUT) {
            copy_out_skip(pg);
        }
    }
}

enum err_code pg_wait(struct pg *pg, bool write_too, struct err *err) {
    for (;;) {
        const int64_t now = clock_monotonic_us();
        if (must_end(pg, now)) {
            pg_cancel(pg);
            return cancelled(err);
        }
        int64_t until = now + POLL_SLICE_US;
        if (pg->deadline_us != 0 && pg->deadline_us < until) {
            until = pg->deadline_us + US_PER_MS; /* poll() counts in whole milliseconds */
        }
        if (poll_until(pg, (short)(POLLIN | (write_too ? POLLOUT : 0)), until)) {
            return ERR_NONE;
        }
    }
}

enum err_code pg_flush(struct pg *pg, struct err *err) {
    for (;;) {
        const int left = PQflush(pg->conn);
        if (left <= 0) {
            return left == 0 ? ERR_NONE : pg_connection_error(pg, "the connection broke", err);
        }
        enum err_code code = pg_wait(pg, true, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (PQconsumeInput(pg->conn) == 0) { /* a server that cannot write does not read either */
            return pg_connection_error(pg, "the connection broke", err);
        }
    }
}

enum err_code pg_next_result(struct pg *pg, PGresult **out, struct err *err) {
    *out = NULL;
    while (PQisBusy(pg->conn) != 0) {
        enum err_code code = pg_wait(pg, false, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (PQconsumeInput(pg->conn) == 0) {
            return pg_connection_error(pg, "the connection broke", err);
        }
    }
    *out = PQgetResult(pg->conn);
    return ERR_NONE;
}

static bool has_failed(const PGresult *r) {
    const ExecStatusType status = PQresultStatus(r);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

enum err_code pg_last_result(struct pg *pg, PGresult **out, struct err *err) {
    AUTO_PGRESULT kept = NULL;
    enum err_code code = pg_flush(pg, err);
    while (code == ERR_NONE) {
        PGresult *r = NULL;
        code = pg_next_result(pg, &r, err);
        if (code != ERR_NONE || r == NULL) {
            break;
        }
        if (kept != NULL && has_failed(kept)) {
            PQclear(r);
            continue;
        }
        PQclear(kept);
        kept = r;
        const ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
            break; /* what follows is the caller's */
        }
    }
    if (code == ERR_NONE && kept == NULL) {
        code = pg_connection_error(pg, "no answer", err);
    }
    if (code == ERR_NONE) {
        *out = kept;
        kept = NULL;
    }
    return code;
}

enum err_code pg_ready(const struct pg *pg, struct err *err) {
    if (fault_fails(FAULT_STORE)) {
        return err_set(err, ERR_UNAVAILABLE, "%s: injected store fault", pg->address.shown);
    }
    if (pg_is_broken(pg)) {
        return pg_connection_error(pg, "the connection is gone", err);
    }
    return ERR_NONE;
}

/* ---- opening ---- */

#define KEYWORDS_MAX 64

static PGconn *start(const struct pg *pg) {
    PQconninfoOption *options = PQconninfoParse(pg->address.conninfo, NULL);
    ASSERT(options != NULL); /* it was parsed before */
    const char *keywords[KEYWORDS_MAX + 1] = {"application_name", "client_encoding",
                                              "connect_timeout", "tcp_user_timeout"};
    char seconds[16];
    (void)snprintf(seconds, sizeof(seconds), "%d", PG_CONNECT_SECONDS);
    /* A network that swallows everything ends a wait for an answer, too. */
    const char *values[KEYWORDS_MAX + 1] = {pg->application, "UTF8", seconds, "60000"};
    size_t count = 4;
    for (const PQconninfoOption *o = options; o->keyword != NULL && count < KEYWORDS_MAX; o++) {
        if (o->val != NULL && strcmp(o->keyword, "client_encoding") != 0) {
            keywords[count] = o->keyword;
            values[count++] = o->val;
        }
    }
    PGconn *conn = PQconnectStartParams(keywords, values, 0);
    PQconninfoFree(options);
    return conn;
}

static enum err_code connect_wait(struct pg *pg, struct err *err) {
    /* PQconnectPoll keeps no time itself. */
    const int64_t until = clock_monotonic_us() + (int64_t)PG_CONNECT_SECONDS * 1000 * US_PER_MS;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        const int64_t now = clock_monotonic_us();
        if (must_end(pg, now)) {
            return err_set(err, ERR_CANCELLED, "%s: asked to stop while connecting",
                           pg->address.shown);
        }
        if (next == PGRES_POLLING_FAILED || now >= until) {
            return pg_connection_error(
                pg, next == PGRES_POLLING_FAILED ? "connect" : "connect: no answer in time", err);
        }
        if (poll_until(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, now + POLL_SLICE_US)) {
            next = PQconnectPoll(pg->conn);
        }
    }
    return ERR_NONE;
}

static enum err_code connect_new(struct pg *pg, struct err *err) {
    pg->given_up = false;
    if (fault_fails(FAULT_STORE)) {
        return err_set(err, ERR_UNAVAILABLE, "%s: injected store fault", pg->address.shown);
    }
    pg->conn = start(pg);
    if (pg->conn == NULL) {
        return err_set(err, ERR_LIMIT, "%s: out of memory", pg->address.shown);
    }
    (void)PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
    enum err_code code = PQstatus(pg->conn) == CONNECTION_BAD
                             ? pg_connection_error(pg, "connect", err)
                             : connect_wait(pg, err);
    if (code == ERR_NONE && PQsetnonblocking(pg->conn, 1) != 0) {
        code = pg_connection_error(pg, "connect", err);
    }
    return code;
}

enum err_code pg_open(const char *url, const char *application, struct pg **out, struct err *err) {
    struct pg_address address = {0};
    enum err_code code = pg_address_parse(url, &address, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct pg *pg = mem_alloc(sizeof(*pg));
    pg->address = address;
    pg->application = mem_strdup(application);
    pg_use_schema(pg, address.schema);
    code = connect_new(pg, err);
    if (code != ERR_NONE) {
        pg_close(pg);
        return code;
    }
    *out = pg;
    return ERR_NONE;
}

enum err_code pg_reopen(struct pg *pg, struct err *err) {
    PQfinish(pg->conn);
    pg->conn = NULL;
    return connect_new(pg, err);
}

void pg_close(struct pg *pg) {
    if (pg == NULL) {
        return;
    }
    PQfinish(pg->conn);
    pg_address_release(&pg->address);
    mem_free(pg->application);
    mem_free(pg->schema);
    mem_free(pg->behind);
    mem_free(pg);
}

const struct pg_address *pg_address_of(const struct pg *pg) {
    return &pg->address;
}

void pg_deadline(struct pg *pg, int64_t monotonic_us) {
    pg->deadline_us = monotonic_us;
}

void pg_stop_when(struct pg *pg, bool (*is_stopping)(void *context), void *context) {
    pg->is_stopping = is_stopping;
    pg->stop_context = context;
}

bool pg_is_broken(const struct pg *pg) {
    return pg->given_up || PQstatus(pg->conn) != CONNECTION_OK;
}

int pg_backend(const struct pg *pg) {
    return PQbackendPID(pg->conn);
}

int pg_server_version(const struct pg *pg) {
    return PQserverVersion(pg->conn);
}

void pg_use_schema(struct pg *pg, const char *schema) {
    char *copy = schema != NULL ? mem_strdup(schema) : NULL;
    mem_free(pg->schema);
    pg->schema = copy;
}

void pg_look_behind(struct pg *pg, const char *schema) {
    char *copy = schema != NULL ? mem_strdup(schema) : NULL;
    mem_free(pg->behind);
    pg->behind = copy;
}
