/* COPY in both directions. What goes out is encoded into a buffer and sent in chunks: libpq takes
 * over what the socket does not take at once, so the socket is waited for before more is given.
 * What comes in is one message a row, the header before the first, the trailer at the end. */
#include "store/postgres/binary.h"
#include "store/postgres/internal.h"

#include "base/parse.h"

/* Sends the command and expects COPY to begin. */
static enum err_code copy_start(struct pg *pg, const char *sql, ExecStatusType wanted,
                                struct err *err) {
    enum err_code code = pg_ready(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    /* By the extended protocol: several commands in one would be refused. */
    if (PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) == 0) {
        return pg_connection_error(pg, "send", err);
    }
    AUTO_PGRESULT r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQresultStatus(r) == wanted) {
        return ERR_NONE;
    }
    if (PQresultStatus(r) == PGRES_FATAL_ERROR) {
        return pg_result_error(pg, r, &(struct pg_text){sql, 0}, err);
    }
    pg_drain(pg);
    return err_set(err, ERR_INTERNAL, "'%.100s' is no such COPY", sql);
}

enum err_code pg_copy_in(struct pg *pg, const char *sql, struct err *err) {
    return copy_start(pg, sql, PGRES_COPY_IN, err);
}

/* What the server said instead of taking more. */
static enum err_code copy_failed(struct pg *pg, struct err *err) {
    AUTO_PGRESULT r = NULL;
    if (PQputCopyEnd(pg->conn, "given up") <= 0) {
        return pg_connection_error(pg, "COPY", err);
    }
    enum err_code code = pg_last_result(pg, &r, err);
    return code != ERR_NONE ? code : pg_result_error(pg, r, NULL, err);
}

enum err_code pg_copy_send(struct pg *pg, struct buf *bytes, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t at = 0; at < bytes->len && code == ERR_NONE;) {
        size_t len = bytes->len - at;
        len = len < PG_COPY_CHUNK_BYTES ? len : PG_COPY_CHUNK_BYTES;
        const int taken = PQputCopyData(pg->conn, bytes->data + at, (int)len);
        if (taken < 0) {
            return copy_failed(pg, err);
        }
        at += taken > 0 ? len : 0;
        code = pg_flush(pg, err); /* also when it was not taken: then there must be room first */
    }
    buf_clear(bytes);
    return code;
}

enum err_code pg_copy_done(struct pg *pg, int64_t *rows, struct err *err) {
    int taken = 0;
    while ((taken = PQputCopyEnd(pg->conn, NULL)) == 0) {
        enum err_code code = pg_flush(pg, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (taken < 0) {
        return pg_connection_error(pg, "COPY", err);
    }
    AUTO_PGRESULT r = NULL;
    enum err_code code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        return pg_result_error(pg, r, NULL, err);
    }
    if (rows != NULL && !parse_i64(str_of(PQcmdTuples(r)), rows)) {
        *rows = 0;
    }
    return ERR_NONE;
}

enum err_code pg_copy_table(struct pg *pg, const char *sql, const struct rows *rows, size_t low,
                            size_t high, const int64_t *place, struct err *err) {
    /* Rows that together are about a chunk; one row may be as long as it likes. */
    AUTO_BUF bytes = BUF_INIT(PG_FIELD_BYTES_MAX + PG_COPY_CHUNK_BYTES);
    enum err_code code = pg_copy_in(pg, sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    pg_copy_begin(&bytes);
    for (size_t row = low; row < high && code == ERR_NONE; row++) {
        code = pg_copy_rows(&bytes, rows, row, row + 1, place, err);
        if (code != ERR_NONE) {
            struct err unused = ERR_INIT;
            (void)copy_failed(pg, &unused); /* the first error is the one to tell */
        } else if (bytes.len >= PG_COPY_CHUNK_BYTES) {
            code = pg_copy_send(pg, &bytes, err);
        }
    }
    if (code != ERR_NONE) {
        return code;
    }
    pg_copy_end(&bytes);
    code = pg_copy_send(pg, &bytes, err);
    int64_t taken = 0;
    return code != ERR_NONE ? code : pg_copy_done(pg, &taken, err);
}

/* ---- to us ---- */

struct reading {
    const struct schema *schema;
    pg_row_fn *row;
    void *context;
    uint8_t *scratch;
    struct value *values;
    bool has_header, ended;
};

static enum err_code message_read(struct reading *reading, struct str bytes, struct err *err) {
    enum err_code code = ERR_NONE;
    if (!reading->has_header) {
        code = pg_copy_read_begin(&bytes, err);
        reading->has_header = true;
    }
    while (code == ERR_NONE && bytes.len > 0) {
        code = pg_copy_read_row(&bytes, reading->schema, reading->scratch, reading->values,
                                &reading->ended, err);
        if (code == ERR_NONE && reading->ended) {
            return ERR_NONE;
        }
        if (code == ERR_NONE) {
            code = reading->row(reading->context, reading->values, err);
        }
    }
    return code;
}

/* The next message; *out NULL when there are no more. */
static enum err_code message_next(struct pg *pg, char **out, int *len, struct err *err) {
    for (;;) {
        *len = PQgetCopyData(pg->conn, out, 1);
        if (*len > 0 || *len == -1) {
            return ERR_NONE;
        }
        if (*len == -2) {
            return pg_connection_error(pg, "COPY", err);
        }
        enum err_code code = pg_wait(pg, false, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (PQconsumeInput(pg->conn) == 0) {
            return pg_connection_error(pg, "the connection broke", err);
        }
    }
}

static enum err_code messages_read(struct pg *pg, struct reading *reading, struct err *err) {
    for (;;) {
        char *bytes = NULL;
        int len = 0;
        enum err_code code = message_next(pg, &bytes, &len, err);
        if (code != ERR_NONE || bytes == NULL) {
            return code;
        }
        code = message_read(reading, (struct str){bytes, (size_t)len}, err);
        PQfreemem(bytes);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

enum err_code pg_copy_out(struct pg *pg, const char *sql, const struct schema *schema,
                          pg_row_fn *row, void *context, struct err *err) {
    enum err_code code = copy_start(pg, sql, PGRES_COPY_OUT, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct reading reading = {.schema = schema, .row = row, .context = context};
    reading.scratch = mem_alloc_array(schema->count + 1, INT256_ENCODED_MAX);
    reading.values = mem_alloc_array(schema->count + 1, sizeof(*reading.values));
    code = messages_read(pg, &reading, err);
    mem_free(reading.scratch);
    mem_free(reading.values);
    if (code != ERR_NONE) {
        pg_cancel(pg); /* the rows still to come are nobody's */
        return code;
    }
    AUTO_PGRESULT r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code == ERR_NONE && PQresultStatus(r) != PGRES_COMMAND_OK) {
        return pg_result_error(pg, r, NULL, err);
    }
    if (code == ERR_NONE && !reading.ended) {
        return err_set(err, ERR_CORRUPT, "COPY: it ended without its trailer");
    }
    return code;
}
