/* How it works: health_judge is a function of the status document and the engine's pulse, so that it
 * is tested without either; the routes gather the two. A finding needs to have lasted: what a retry
 * mends in a minute wakes nobody. */
#include "server/health.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/state.h"

static void find_problem(struct health *h, const char *subject, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void find_problem(struct health *h, const char *subject, const char *fmt, ...) {
    h->total++;
    if (h->count == HEALTH_FINDINGS) {
        return;
    }
    struct finding *f = &h->findings[h->count++];
    (void)snprintf(f->subject, sizeof(f->subject), "%s", subject);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, args);
    va_end(args);
}

#define SUBJECT_BYTES sizeof(((struct finding *)0)->subject)

static void subject_of(const char *kind, struct str name, char *out) {
    const size_t len = strlen(kind);
    memcpy(out, kind, len + 1);
    str_printable(name, out + len, SUBJECT_BYTES - len);
}

static struct str text_of(const struct json_value *object, const char *key) {
    struct str text;
    return json_get_str(object, key, &text) ? text : STR("");
}

static int64_t number_of(const struct json_value *object, const char *key) {
    int64_t number = 0;
    return json_get_i64(object, key, &number) ? number : 0;
}

/* How long ago the time under that key is; 0 when there is none. */
static int64_t age_of(const struct json_value *object, const char *key, int64_t now_us) {
    int64_t then = now_us;
    const bool is_time = clock_parse(text_of(object, key), &then);
    return is_time && then < now_us ? now_us - then : 0;
}

static const struct json_value *list_of(const struct json_value *status, const char *key) {
    const struct json_value *list = json_get(status, key);
    return list != NULL && list->kind == JSON_ARRAY ? list->first : NULL;
}

static void judge_engine(const struct pulse *p, struct health *h) {
    const int64_t since = p->beat_us > 0 ? p->beat_us : p->started_us;
    if (p->monotonic_us - since > HEALTH_SILENCE_US) {
        find_problem(h, "engine", "no round of its loop for %lld s",
                     (long long)((p->monotonic_us - since) / 1000000));
    }
}

static void judge_troubles(const struct json_value *status, int64_t now_us, struct health *h) {
    for (const struct json_value *t = list_of(status, "troubles"); t != NULL; t = t->next) {
        const int64_t age = age_of(t, "since", now_us);
        if (age >= HEALTH_GRACE_US) {
            char subject[SUBJECT_BYTES];
            const struct str source = text_of(t, "source");
            const struct str message = text_of(t, "message");
            subject_of("source ", source, subject);
            find_problem(h, subject, "in trouble for %lld s: %.*s", (long long)(age / 1000000),
                         STR_FMT(message));
        }
    }
}

static void judge_transforms(const struct json_value *status, int64_t now_us, struct health *h) {
    for (const struct json_value *t = list_of(status, "transforms"); t != NULL; t = t->next) {
        const int64_t age = age_of(t, "since", now_us);
        const struct str name = text_of(t, "transform");
        char subject[SUBJECT_BYTES];
        subject_of("transform ", name, subject);
        if (number_of(t, "attempts") > 0 && age >= HEALTH_GRACE_US) {
            const struct str message = text_of(t, "message");
            find_problem(h, subject, "waits for %lld s, its input is kept: %.*s",
                         (long long)(age / 1000000), STR_FMT(message));
        }
        if (number_of(t, "failed_keys") > 0) {
            find_problem(h, subject, "%lld keys failed", (long long)number_of(t, "failed_keys"));
        }
    }
}

/* What has stopped at its limit of rejects stays so until a person does something: told at once. */
static void judge_limits(const struct json_value *status, struct health *h) {
    for (const struct json_value *l = list_of(status, "limits"); l != NULL; l = l->next) {
        const struct str way = text_of(l, "way"); /* only what has stopped needs one */
        if (way.len > 0) {
            char subject[SUBJECT_BYTES];
            const struct str name = text_of(l, "stage");
            subject_of(str_equal_c(text_of(l, "kind"), "source") ? "source " : "transform ", name,
                       subject);
            find_problem(h, subject, "stopped at its limit of %lld rejects: %.*s",
                         (long long)number_of(l, "max"), STR_FMT(way));
        }
    }
}

/* A map with batches before it whose mark stands still. */
static void judge_marks(const struct json_value *status, int64_t now_us, struct health *h) {
    for (const struct json_value *m = list_of(status, "marks"); m != NULL; m = m->next) {
        const int64_t behind = number_of(m, "last_batch") - number_of(m, "batch");
        const int64_t age = age_of(m, "updated", now_us);
        if (behind > 0 && age >= HEALTH_GRACE_US) {
            char subject[SUBJECT_BYTES];
            const struct str name = text_of(m, "transform");
            const struct str partition = text_of(m, "partition");
            subject_of("transform ", name, subject);
            find_problem(h, subject, "%lld batches behind on '%.*s', and has not moved for %lld s",
                         (long long)behind, STR_FMT(partition), (long long)(age / 1000000));
        }
    }
}

void health_judge(const struct json_value *status, const struct pulse *pulse, struct health *out) {
    out->count = 0;
    out->total = 0;
    judge_engine(pulse, out);
    if (status != NULL) {
        judge_troubles(status, pulse->now_us, out);
        judge_transforms(status, pulse->now_us, out);
        judge_marks(status, pulse->now_us, out);
        judge_limits(status, out);
    }
}

/* ---- routes ---- */

/* When a cursor last moved, in this process or before it; 0: never. */
static int64_t last_commit(const struct server *s, const struct json_value *status) {
    int64_t newest = atomic_load(&s->turn_end_us);
    for (const struct json_value *p = list_of(status, "partitions"); p != NULL; p = p->next) {
        int64_t moved = 0;
        if (clock_parse(text_of(p, "updated"), &moved) && moved > newest) {
            newest = moved;
        }
    }
    return newest;
}

static void write_health(const struct request *r, const struct health *h,
                         const struct snapshot *status, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_c(&w, "status", h->total == 0 ? "ok" : "not well");
    if (r->is_known) { /* the rest names things of the flow */
        const int64_t ended = status != NULL ? last_commit(r->server, status->tree) : 0;
        json_kv_c(&w, "flow", r->server->flow->name);
        json_key(&w, "last_commit");
        if (ended > 0) {
            char text[CLOCK_TEXT_BYTES];
            clock_format_us(ended, text);
            json_c(&w, text);
        } else {
            json_null(&w);
        }
        json_kv_time(&w, "judged", status != NULL ? status->made_us : clock_now_us());
        json_kv_i64(&w, "problems", (int64_t)h->total);
        json_key(&w, "findings");
        json_begin_array(&w);
        for (size_t i = 0; i < h->count; i++) {
            json_begin_object(&w);
            json_kv_c(&w, "subject", h->findings[i].subject);
            json_kv_c(&w, "finding", h->findings[i].text);
            json_end_object(&w);
        }
        json_end_array(&w);
    }
    json_end_object(&w);
    buf_addc(out, '\n');
}

enum err_code route_health(struct request *r, struct reply *reply, struct err *err) {
    struct server *s = r->server;
    const struct snapshot *status = NULL;
    struct err unread = ERR_INIT;
    (void)err;
    const enum err_code code = snapshot_take(&s->status_cache, &status, &unread);
    const struct pulse pulse = {.beat_us = atomic_load(&s->beat_us),
                                .started_us = s->started_us,
                                .monotonic_us = clock_monotonic_us(),
                                .now_us = clock_now_us()};
    struct health *h = mem_alloc(sizeof(*h));
    health_judge(status != NULL ? status->tree : NULL, &pulse, h);
    if (code != ERR_NONE) {
        find_problem(h, "store", "%s", unread.message);
    }
    reply->status = h->total == 0 ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    write_health(r, h, status, &reply->body);
    mem_free(h);
    snapshot_return(&s->status_cache, status);
    return ERR_NONE;
}

/* Ready: the engine has opened everything and turns, and the store can be read. */
enum err_code route_ready(struct request *r, struct reply *reply, struct err *err) {
    struct server *s = r->server;
    const char *why = NULL;
    struct reader reader = {NULL, 0};
    (void)err;
    struct err unread = ERR_INIT;
    if (atomic_load(&s->stopping)) {
        why = "stopping";
    } else if (atomic_load(&s->beat_us) == 0) {
        why = "starting";
    } else if (readers_lend_kept(&s->readers, SERVER_QUERY_US, &reader, &unread) != ERR_NONE) {
        why = "the store cannot be read";
    }
    readers_return(&s->readers, &reader);
    reply->status = why == NULL ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_bool(&w, "ready", why == NULL);
    json_kv_c(&w, "why", why);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    return ERR_NONE;
}

enum err_code route_version(struct request *r, struct reply *reply, struct err *err) {
    (void)err;
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(r->server->flow->version, version);
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_c(&w, "plumb", r->server->version);
    json_kv_i64(&w, "store", STORE_VERSION);
    json_kv_c(&w, "flow", r->server->flow->name);
    json_kv_c(&w, "flow_version", version);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    return ERR_NONE;
}

enum err_code route_status(struct request *r, struct reply *reply, struct err *err) {
    const struct snapshot *status = NULL;
    enum err_code code = snapshot_take(&r->server->status_cache, &status, err);
    if (code == ERR_NONE) {
        buf_addstr(&reply->body, buf_str(&status->text));
        reply->as_of_us = status->made_us;
    }
    snapshot_return(&r->server->status_cache, status);
    return code;
}
