/* How it works: the path says which change is meant; then whoever asks is looked at, from what costs
 * least to what costs most, and last the body, whose members are read by a table. The change itself
 * is a function of watch/. */
#include "server/writes.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "watch/watch.h"

#define BODY_ARENA_BYTES ((size_t)1 << 20)
#define MEMBERS_MAX      4

void upload_init(struct upload *u) {
    *u = (struct upload){.body = BUF_INIT(WRITE_BODY_BYTES_MAX + 1)};
}

void upload_release(struct upload *u) {
    buf_release(&u->body);
}

void upload_add(struct upload *u, const char *bytes, size_t len) {
    if (u->too_large || len > WRITE_BODY_BYTES_MAX - u->body.len) {
        u->too_large = true;
        return;
    }
    buf_addstr(&u->body, (struct str){bytes, len});
}

/* ---- the body ---- */

struct member {
    const char *name;
    const char *about; /* for who forgot it */
    size_t bytes_max;
    bool required;
    char *value; /* heap; NULL: not given */
};
struct change {
    struct request *request;
    int64_t id; /* of the path */
    struct member members[MEMBERS_MAX];
    size_t member_count;
};

static struct member *member_of(struct change *c, struct str name) {
    for (size_t i = 0; i < c->member_count; i++) {
        if (str_equal_c(name, c->members[i].name)) {
            return &c->members[i];
        }
    }
    return NULL;
}

/* What was given; NULL when it was not. */
static const char *value_of(struct change *c, const char *name) {
    const struct member *m = member_of(c, str_of(name));
    return m != NULL ? m->value : NULL;
}

static bool has_control(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum err_code unknown_member(const struct change *c, struct str name, struct err *err) {
    AUTO_BUF known = BUF_INIT(BUF_TEXT_MAX);
    char shown[64];
    for (size_t i = 0; i < c->member_count; i++) {
        buf_addf(&known, "%s'%s'", i > 0 ? ", " : "", c->members[i].name);
    }
    str_printable(name, shown, sizeof(shown));
    return err_set(err, ERR_INPUT, "the body has no '%s'; it takes %s", shown, buf_c(&known));
}

static enum err_code read_member(struct change *c, const struct json_value *v, struct err *err) {
    struct member *m = member_of(c, v->key);
    if (m == NULL) {
        return unknown_member(c, v->key, err);
    }
    if (v->kind == JSON_NULL && !m->required) {
        return ERR_NONE;
    }
    if (v->kind != JSON_STRING) {
        return err_set(err, ERR_INPUT, "'%s' is text: %s", m->name, m->about);
    }
    const struct str text = str_trim(v->text);
    if (text.len > m->bytes_max) {
        return err_set(err, ERR_INPUT, "'%s' has more than %zu bytes", m->name, m->bytes_max);
    }
    if (has_control(text) || !str_is_utf8(text)) {
        return err_set(err, ERR_INPUT, "'%s' has a control character, or is not UTF-8", m->name);
    }
    if (text.len > 0) {
        m->value = mem_strndup(text.ptr, text.len);
    }
    return ERR_NONE;
}

static enum err_code read_members(struct change *c, struct str body, struct err *err) {
    struct arena arena;
    const struct json_value *tree = NULL;
    arena_init(&arena, BODY_ARENA_BYTES);
    enum err_code code = json_parse(body, &arena, &tree, err);
    if (code != ERR_NONE) {
        code = err_set(err, ERR_INPUT, "the body is not JSON: %.200s", err->message);
    } else if (tree->kind != JSON_OBJECT) {
        code = err_set(err, ERR_INPUT, "the body is a JSON object");
    }
    for (const struct json_value *v = code == ERR_NONE ? tree->first : NULL;
         v != NULL && code == ERR_NONE; v = v->next) {
        code = read_member(c, v, err);
    }
    arena_release(&arena);
    for (size_t i = 0; i < c->member_count && code == ERR_NONE; i++) {
        const struct member *m = &c->members[i];
        if (m->required && m->value == NULL) {
            code = err_set(err, ERR_INPUT, "the body lacks '%s': %s", m->name, m->about);
        }
    }
    return code;
}

/* ---- the changes ---- */

static void write_number(struct reply *reply, const char *key, int64_t number) {
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_i64(&w, key, number);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
}

/* INPUT of watch/ means that there is nothing with that number. */
static enum err_code missing(struct reply *reply, enum err_code code) {
    reply->status = code == ERR_INPUT ? MHD_HTTP_NOT_FOUND : 0;
    return code;
}

static enum err_code acknowledge(struct change *c, struct store *s, struct reply *reply,
                                 struct err *err) {
    const char *by = value_of(c, "by");
    const enum err_code code =
        watch_acknowledge(s, c->id, by, value_of(c, "note"), clock_now_us(), err);
    if (code == ERR_NONE) {
        char quoted[LOG_VALUE_BYTES];
        log_info("alert", "alert=%" PRId64 " acknowledged_by=%s", c->id,
                 log_value(str_of(by), quoted));
        write_number(reply, "acknowledged", c->id);
    }
    return missing(reply, code);
}

static enum err_code silence(struct change *c, struct store *s, struct reply *reply,
                             struct err *err) {
    struct watch_silence what = {.matcher = value_of(c, "check"),
                                 .author = value_of(c, "by"),
                                 .reason = value_of(c, "because")};
    const char *time = value_of(c, "for");
    int64_t id = 0;
    if (time == NULL || !clock_parse_duration(str_of(time), &what.for_us) || what.for_us <= 0 ||
        what.for_us > WATCH_SILENCE_US_MAX) {
        return err_set(err, ERR_INPUT,
                       "'for' says how long, such as 30m or 2h; 366d is the longest");
    }
    if (watch_matcher_check(c->request->server->flow, what.matcher, err) != ERR_NONE) {
        reply->status = MHD_HTTP_BAD_REQUEST;
        return err->code;
    }
    const enum err_code code = watch_silence(s, &what, clock_now_us(), &id, err);
    if (code == ERR_NONE) {
        char quoted[LOG_VALUE_BYTES];
        char author[LOG_VALUE_BYTES];
        log_info("silence", "silence=%" PRId64 " check=%s by=%s", id,
                 log_value(str_of(what.matcher), quoted), log_value(str_of(what.author), author));
        reply->status = MHD_HTTP_CREATED;
        write_number(reply, "silence", id);
    }
    return code;
}

static enum err_code unsilence(struct change *c, struct store *s, struct reply *reply,
                               struct err *err) {
    const enum err_code code = watch_unsilence(s, c->id, clock_now_us(), err);
    if (code == ERR_NONE) {
        log_info("silence", "silence=%" PRId64 " ended=true", c->id);
        write_number(reply, "unsilenced", c->id);
    }
    return missing(reply, code);
}

static const struct write_route {
    const char *before, *after; /* of the number, if there is one */
    const char *method;
    const char *allow;
    bool has_id;
    enum err_code (*run)(struct change *c, struct store *s, struct reply *reply, struct err *err);
    struct member members[MEMBERS_MAX]; /* none: no body is looked at */
} writes[] = {
    {"/api/v1/alerts/",
     "/ack",
     "POST",
     "POST",
     true,
     acknowledge,
     {{"by", "who takes it on", WRITE_BY_BYTES_MAX, true, NULL},
      {"note", "what to say to it", WRITE_TEXT_BYTES_MAX, false, NULL}}},
    {"/api/v1/silences",
     "",
     "POST",
     "GET, HEAD, POST",
     false,
     silence,
     {{"check", "a check's name, or a pattern with * and ?", WRITE_NAME_BYTES_MAX, true, NULL},
      {"for", "how long, such as 2h", 32, true, NULL},
      {"because", "why", WRITE_TEXT_BYTES_MAX, true, NULL},
      {"by", "who says so", WRITE_BY_BYTES_MAX, true, NULL}}},
    {"/api/v1/silences/", "", "DELETE", "DELETE", true, unsilence, {{NULL, NULL, 0, false, NULL}}},
};

/* Whether the path is the route's; with a number, *id is it. */
static bool is_at(const struct write_route *route, struct str path, int64_t *id) {
    const size_t before = strlen(route->before);
    const size_t after = strlen(route->after);
    if (!route->has_id) {
        return str_equal_c(path, route->before);
    }
    if (path.len <= before + after || !str_starts_with(path, str_of(route->before)) ||
        !str_equal_c((struct str){path.ptr + path.len - after, after}, route->after)) {
        return false;
    }
    return parse_i64((struct str){path.ptr + before, path.len - before - after}, id) && *id > 0;
}

static const struct write_route *find(struct str path, int64_t *id) {
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
        if (is_at(&writes[i], path, id)) {
            return &writes[i];
        }
    }
    return NULL;
}

const char *writes_allowed(struct str path) {
    int64_t id = 0;
    const struct write_route *route = find(path, &id);
    return route != NULL ? route->allow : "GET, HEAD";
}

/* ---- who asks ---- */

static const char *header_of(const struct request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* What a browser says of where the request comes from; other programs say nothing. */
static bool is_from_elsewhere(const struct request *r) {
    const char *origin = header_of(r, "Origin");
    const char *host = header_of(r, MHD_HTTP_HEADER_HOST);
    const char *site = header_of(r, "Sec-Fetch-Site");
    return (origin != NULL && (host == NULL || !origin_is_own(str_of(origin), str_of(host)))) ||
           (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0);
}

static enum err_code check_writer(const struct request *r, struct reply *reply, struct err *err) {
    if (r->server->write_token == NULL) {
        return reply_refuse(reply, MHD_HTTP_FORBIDDEN, err,
                            "this server only reads: to change alerts and silences here, start it "
                            "with --write-token-file FILE or PLUMB_WRITE_TOKEN in its environment; "
                            "'plumb alerts' does it on the machine itself");
    }
    if (is_from_elsewhere(r)) {
        return reply_refuse(reply, MHD_HTTP_FORBIDDEN, err,
                            "the request comes from a page of another site; a proxy must pass "
                            "Host on as it came");
    }
    if (!r->may_write) {
        return reply_refuse(reply, MHD_HTTP_UNAUTHORIZED, err,
                            "give the write token: Authorization: Bearer TOKEN");
    }
    return ERR_NONE;
}

static enum err_code check_body(const struct request *r, const struct upload *upload,
                                struct reply *reply, struct err *err) {
    static const char wanted[] = "application/json";
    const char *type = header_of(r, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (upload->too_large) {
        return reply_refuse(reply, MHD_HTTP_CONTENT_TOO_LARGE, err,
                            "the body has more than %zu bytes", WRITE_BODY_BYTES_MAX);
    }
    if (type == NULL || !str_starts_with(str_of(type), str_of(wanted)) ||
        (type[sizeof(wanted) - 1] != '\0' && type[sizeof(wanted) - 1] != ';' &&
         type[sizeof(wanted) - 1] != ' ')) {
        return reply_refuse(reply, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, err,
                            "the body is JSON: Content-Type: application/json");
    }
    return ERR_NONE;
}

static enum err_code run_change(const struct write_route *route, struct change *c,
                                const struct upload *upload, struct reply *reply, struct err *err) {
    enum err_code code = ERR_NONE;
    if (c->member_count > 0) {
        code = check_body(c->request, upload, reply, err);
        if (code == ERR_NONE) {
            code = read_members(c, buf_str(&upload->body), err);
        }
    }
    struct server *server = c->request->server;
    struct store *s = NULL;
    (void)pthread_rwlock_rdlock(&server->use);
    if (code == ERR_NONE) {
        code = store_open(server->flow, STORE_NOTE, &s, err);
    }
    if (code == ERR_NONE) {
        code = route->run(c, s, reply, err);
    }
    store_close(s);
    (void)pthread_rwlock_unlock(&server->use);
    return code;
}

enum err_code writes_run(struct request *r, const char *method, const struct upload *upload,
                         struct reply *reply, struct err *err) {
    struct change c = {.request = r};
    const struct write_route *route = find(r->path, &c.id);
    if (route == NULL || strcmp(method, route->method) != 0) {
        return reply_refuse(reply, MHD_HTTP_METHOD_NOT_ALLOWED, err, "this path takes %s",
                            writes_allowed(r->path));
    }
    enum err_code code = check_writer(r, reply, err);
    if (code != ERR_NONE) {
        return code;
    }
    while (c.member_count < MEMBERS_MAX && route->members[c.member_count].name != NULL) {
        c.members[c.member_count] = route->members[c.member_count];
        c.member_count++;
    }
    code = run_change(route, &c, upload, reply, err);
    for (size_t i = 0; i < c.member_count; i++) {
        mem_free(c.members[i].value);
    }
    return code;
}
