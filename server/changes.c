/* Which tables changed, as server-sent events.
 *
 *     event: change
 *     id: 1763851234567890
 *     data: {"table": "customers", "version": "2026-01-31T12:00:00.5Z", "settled": true}
 *
 * There is no log of row changes in a store to replay, so an event says that a table changed, not
 * how; who wants rows asks for them. A table's version is the newest time at which a mark moved of
 * the maps that feed it, directly or through sums and derives, read from _plumb_marks (a row per
 * map and partition); while changes are still queued before the table it is not `settled`, and an event follows
 * when they are gone. It may tell of a table that came out the same, and does not see corrections
 * by hand. The id, on the
 * last event of a moment, is the newest version told; a client that comes back with it as Last-Event-ID is
 * told at once of every table that moved since, however long it was away.
 *
 * How it works: the stream's thread looks every CHANGES_POLL_US, holding a reader only then. */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "server/state.h"

#define CHANGES_POLL_US     250000
#define CHANGES_SLICE_US    50000             /* between looks at `stopping` */
#define CHANGES_COMMENT_US  INT64_C(10000000) /* keeps proxies and time limits quiet */
#define CHANGES_STREAMS_MAX 16
#define CHANGES_LIFE_US     INT64_C(900000000) /* then the client comes back, if it still reads */

struct told {
    char *table; /* heap */
    int64_t version, waiting;
};

struct change_stream {
    struct server *server;
    char *only;       /* NULL: every table */
    int64_t start_id; /* tables that moved after it are told of */
    int64_t last_id;  /* the newest version told */
    int64_t opened_us, spoke_us;
    struct told told[FLOW_ITEMS_MAX];
    size_t told_count;
    struct buf text; /* not yet sent */
    size_t sent;
};

static struct told *told_of(struct change_stream *s, const char *table) {
    for (size_t i = 0; i < s->told_count; i++) {
        if (strcmp(s->told[i].table, table) == 0) {
            return &s->told[i];
        }
    }
    if (s->told_count == FLOW_ITEMS_MAX) { /* reloads brought more tables than a flow may have */
        return NULL;
    }
    struct told *t = &s->told[s->told_count++];
    *t = (struct told){mem_strdup(table), s->start_id, 0};
    return t;
}

static enum err_code mark_of(struct store *s, const char *transform, int64_t *out,
                             struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code =
        store_prepare(s, "SELECT max(updated_us) FROM _plumb_marks WHERE transform = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(transform));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

static enum err_code queue_of(struct store *s, const struct flow_transform *t, int64_t *out,
                              struct err *err) {
    char *queue = mem_printf("_plumb_q_%s", t->name);
    char *sql = mem_printf("SELECT EXISTS (SELECT 1 FROM \"%s\"%s)", queue,
                           t->kind == TRANSFORM_DERIVE ? " WHERE \"_failed\" = 0" : "");
    bool found = false; /* the queue is made when the transform first runs */
    enum err_code code = store_has_table(s, queue, &found, err);
    *out = 0;
    if (code == ERR_NONE && found) {
        code = store_get_i64(s, sql, out, &found, err);
    }
    mem_free(sql);
    mem_free(queue);
    return code;
}

struct state {
    int64_t version, waiting;
};

static void add_input(const struct flow *flow, const struct flow_table *input,
                      const struct state *states, struct state *out) {
    const struct state *in = &states[input - flow->tables];
    out->version = in->version > out->version ? in->version : out->version;
    out->waiting += in->waiting;
}

/* Version and queue of every table; transforms come in an order in which inputs come first. */
static enum err_code look(const struct flow *flow, struct store *s, struct state *states,
                          struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        struct state *into = &states[t->into - flow->tables];
        if (t->kind == TRANSFORM_MAP) {
            int64_t moved = 0;
            code = mark_of(s, t->name, &moved, err);
            into->version = moved > into->version ? moved : into->version;
            continue;
        }
        int64_t waits = 0;
        code = queue_of(s, t, &waits, err);
        into->waiting += waits;
        if (t->from != NULL) {
            add_input(flow, t->from, states, into);
        }
        for (size_t k = 0; k < t->on_count; k++) {
            add_input(flow, t->on[k].table, states, into);
        }
    }
    return code;
}

static void tell(struct change_stream *s, const char *table, const struct state *now) {
    struct told *before = told_of(s, table);
    const bool waits = now->waiting > 0;
    if (before == NULL || (now->version <= before->version && waits == (before->waiting > 0))) {
        return;
    }
    before->version = now->version > before->version ? now->version : before->version;
    before->waiting = now->waiting;
    if (now->version > s->last_id) {
        s->last_id = now->version;
    }
    struct json_writer w;
    buf_adds(&s->text, s->text.len > 0 ? "\nevent: change\ndata: " : "event: change\ndata: ");
    json_writer_init(&w, &s->text);
    json_begin_object(&w);
    json_kv_c(&w, "table", table);
    json_kv_time(&w, "version", before->version);
    json_kv_bool(&w, "settled", !waits);
    json_end_object(&w);
    buf_addc(&s->text, '\n');
}

static void poll_store(struct change_stream *s) {
    struct server *server = s->server;
    struct err err = ERR_INIT;
    struct reader reader = {NULL, 0};
    (void)pthread_rwlock_rdlock(&server->use);
    const struct flow *flow = server->flow;
    struct state *states = mem_alloc_array(flow->table_count + 1, sizeof(*states));
    enum err_code code = readers_lend(&server->readers, SERVER_QUERY_US, &reader, &err);
    if (code == ERR_NONE) {
        code = look(flow, reader.store, states, &err);
    }
    readers_return(&server->readers, &reader);
    for (size_t i = 0; code == ERR_NONE && i < flow->table_count; i++) {
        if (s->only == NULL || strcmp(s->only, flow->tables[i].name) == 0) {
            tell(s, flow->tables[i].name, &states[i]);
        }
    }
    mem_free(states);
    (void)pthread_rwlock_unlock(&server->use);
    if (s->text.len > 0) { /* only the last one: who saw fewer is told of all again */
        buf_addf(&s->text, "id: %" PRId64 "\n\n", s->last_id);
    }
}

static void wait_turn(struct change_stream *s) {
    for (int64_t slept = 0; slept < CHANGES_POLL_US && !atomic_load(&s->server->stopping);
         slept += CHANGES_SLICE_US) {
        clock_sleep_us(CHANGES_SLICE_US);
    }
}

static ssize_t stream_read(void *context, uint64_t at, char *out, size_t room) {
    struct change_stream *s = context;
    (void)at;
    while (s->sent == s->text.len) {
        buf_clear(&s->text);
        s->sent = 0;
        wait_turn(s);
        if (atomic_load(&s->server->stopping) ||
            clock_monotonic_us() - s->opened_us > CHANGES_LIFE_US) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        poll_store(s);
        const int64_t now = clock_monotonic_us();
        if (s->text.len == 0 && now - s->spoke_us >= CHANGES_COMMENT_US) {
            buf_adds(&s->text, ": nothing new\n\n");
        }
        s->spoke_us = s->text.len > 0 ? now : s->spoke_us;
    }
    const size_t left = s->text.len - s->sent;
    const size_t size = left < room ? left : room;
    memcpy(out, s->text.data + s->sent, size);
    s->sent += size;
    return (ssize_t)size;
}

static void stream_free(void *context) {
    struct change_stream *s = context;
    atomic_fetch_sub(&s->server->streams, 1);
    for (size_t i = 0; i < s->told_count; i++) {
        mem_free(s->told[i].table);
    }
    buf_release(&s->text);
    mem_free(s->only);
    mem_free(s);
}

struct MHD_Response *changes_open(struct request *r, struct reply *reply, struct err *err) {
    struct server *server = r->server;
    const struct str table = request_get(r, "table");
    const struct str asked = request_get(r, "since");
    int64_t last_id = clock_now_us();
    const struct str resume = r->last_event.len > 0 ? r->last_event : asked;
    if (resume.len > 0 && !parse_i64(resume, &last_id)) {
        (void)err_set(err, ERR_INPUT, "Last-Event-ID (or since=) is the id of an event");
        return NULL;
    }
    char *only = table.ptr != NULL ? mem_strndup(table.ptr, table.len) : NULL;
    if (only != NULL && flow_find_table(server->flow, only) == NULL) {
        mem_free(only);
        (void)reply_refuse(reply, MHD_HTTP_NOT_FOUND, err, "there is no such table");
        return NULL;
    }
    if (atomic_fetch_add(&server->streams, 1) >= CHANGES_STREAMS_MAX) {
        atomic_fetch_sub(&server->streams, 1);
        mem_free(only);
        (void)err_set(err, ERR_LIMIT, "%d event streams are open already", CHANGES_STREAMS_MAX);
        return NULL;
    }
    struct change_stream *s = mem_alloc(sizeof(*s));
    s->server = server;
    s->only = only;
    s->start_id = last_id;
    s->last_id = last_id;
    s->opened_us = clock_monotonic_us();
    s->spoke_us = s->opened_us;
    buf_init(&s->text, BUF_TEXT_MAX);
    buf_adds(&s->text, "retry: 2000\n: plumb\n\n");
    reply->type = "text/event-stream";
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, s, stream_free);
}
