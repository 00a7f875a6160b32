/* How it works: a pass takes the oldest waiting notice of each route. Those by HTTP are all in flight
 * at once and each outcome is written when it is known, as a death before that tells it again; mails
 * and commands follow one by one. A notice that has to wait keeps the later ones of its route waiting
 * behind it, so that "resolved" never overtakes "firing". The store is asked once more after each
 * pass, of the time that it is then, until no route has a notice that is due or the round took long:
 * a slow receiver with many notices must hold up neither the ping nor the end of the program. */
#include "notify/notify.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/http.h"
#include "net/mail.h"
#include "notify/payload.h"
#include "notify/program.h"

#define RESPONSE_BYTES_MAX ((size_t)1 << 20)
#define SHOWN_BYTES        120 /* of an answer, in last_error */
#define LOOKED_AT          ((size_t)4096)
#define SECRET_BYTES_MIN   6 /* shorter words are no secret */

struct notify {
    const struct flow *flow;
    struct store *store; /* NULL: not open */
    struct http_client *http;
    int64_t again_us; /* monotonic: when open alerts are sent again */
    int64_t ping_us;  /* monotonic: when the ping is due */
    bool ping_failed;
    const atomic_bool *stop; /* borrowed, may be NULL */
    bool *in_trouble;        /* [route]: its last try failed, and that was logged */
};

/* One that is being sent. */
struct sending {
    const struct notice *notice;
    const struct flow_route *route;
    struct http_call *call; /* NULL: not by HTTP, or it could not be sent */
    struct notice_result result;
    bool is_done; /* written down */
    char error[NOTIFY_ERROR_BYTES];
};

bool notify_is_needed(const struct flow *flow) {
    return flow->alerts->route_count > 0 || flow->alerts->ping.url != NULL;
}

enum err_code notify_open(const struct flow *flow, const atomic_bool *stop, struct notify **out,
                          struct err *err) {
    struct notify *n = mem_alloc(sizeof(*n));
    *n = (struct notify){.flow = flow, .stop = stop};
    n->in_trouble = mem_alloc_array(flow->alerts->route_count + 1, sizeof(*n->in_trouble));
    const enum err_code code = http_client_new(&(struct http_options){0}, &n->http, err);
    if (code != ERR_NONE) {
        notify_close(n);
        return code;
    }
    *out = n;
    return ERR_NONE;
}

static bool must_stop(const struct notify *n) {
    return n->stop != NULL && atomic_load(n->stop);
}

void notify_close(struct notify *n) {
    if (n == NULL) {
        return;
    }
    store_close(n->store);
    http_client_free(n->http);
    mem_free(n->in_trouble);
    mem_free(n);
}

/* ---- what an outcome means ---- */

int64_t notify_wait_us(int64_t attempts, uint64_t random) {
    int64_t wait = NOTIFY_WAIT_US_MIN;
    for (int64_t i = 0; i < attempts && wait < NOTIFY_WAIT_US_MAX; i++) {
        wait *= 2;
    }
    wait = wait < NOTIFY_WAIT_US_MAX ? wait : NOTIFY_WAIT_US_MAX;
    return wait / 2 + (int64_t)(random % (uint64_t)(wait / 2 + 1));
}

bool notify_is_final(int http_status) {
    static const int may_change[] = {401, 403, 404, 407, 408, 425, 429};
    for (size_t i = 0; i < ARRAY_COUNT(may_change); i++) {
        if (http_status == may_change[i]) {
            return false;
        }
    }
    return http_status >= 400 && http_status < 500;
}

static void failed(struct sending *s, bool for_good, int64_t wait_us, int64_t now_us,
                   const char *message) {
    const struct notice *n = s->notice;
    const bool given_up =
        now_us >= n->created_us + NOTIFY_GIVE_UP_US && n->attempts + 1 >= NOTIFY_TRIES_MIN;
    (void)snprintf(s->error, sizeof s->error, "%s", message);
    if (wait_us < 0) {
        const int64_t salt[] = {n->id, n->attempts};
        wait_us = notify_wait_us(n->attempts, hash64_of(salt, sizeof salt));
    }
    if (fault_hurry) {
        wait_us /= 100;
    }
    s->result =
        (struct notice_result){.outcome = for_good || given_up ? OUTCOME_FAILED : OUTCOME_LATER,
                               .next_us = now_us + wait_us,
                               .error = s->error};
}

/* Words of the text that stand in a secret become "***": some receivers repeat what they were sent. */
static void hide_words(struct buf *text, const char *secret) {
    static const char between[] = " /?&=@:#";
    for (const char *p = secret; p != NULL && *p != '\0';) {
        const size_t len = strcspn(p, between);
        char *word = mem_strndup(p, len);
        for (char *at = len < SECRET_BYTES_MIN || text->data == NULL ? NULL
                                                                     : strstr(text->data, word);
             at != NULL; at = strstr(at + len, word)) { /* a secret may be of stars itself */
            memset(at, '*', len);
        }
        mem_free(word);
        p += len + (p[len] != '\0');
    }
}

static void show_answer(const struct sending *s, struct str body, char said[SHOWN_BYTES]) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    body = str_trim(body);
    buf_addstr(&text, (struct str){body.ptr, body.len < LOOKED_AT ? body.len : LOOKED_AT});
    hide_words(&text, s->route->conf.url);
    hide_words(&text, s->route->conf.key);
    for (size_t i = 0; i < s->route->header_count; i++) {
        hide_words(&text, s->route->headers[i].value);
    }
    str_printable(buf_str(&text), said, SHOWN_BYTES);
}

static void judge_answer(struct sending *s, int64_t now_us) {
    struct http_response *answer = NULL;
    struct err err = ERR_INIT;
    if (http_call_result(s->call, &answer, &err) != ERR_NONE) {
        const int status = http_call_status(s->call); /* what follows a yes is read by nobody */
        if (status >= 200 && status < 300) {
            s->result.outcome = OUTCOME_SENT;
            return;
        }
        failed(s, false, -1, now_us, err.message);
        return;
    }
    if (answer->status >= 200 && answer->status < 300) {
        s->result.outcome = OUTCOME_SENT;
        return;
    }
    char said[SHOWN_BYTES];
    char message[NOTIFY_ERROR_BYTES];
    show_answer(s, buf_str(&answer->body), said);
    (void)snprintf(message, sizeof message, "the answer was %d%s%s", answer->status,
                   said[0] != '\0' ? ": " : "", said);
    failed(s, notify_is_final(answer->status), answer->retry_after_us, now_us, message);
}

/* ---- sending ---- */

#define HEADERS_MAX (ROUTE_TARGETS_MAX + 1)

struct post {
    const struct flow_route *route;
    const char *url;
    const char *id; /* NULL: none */
    uint64_t tag;
};

static enum err_code post(struct notify *n, const struct post *p, struct buf *body,
                          struct http_call **call, struct err *err) {
    const struct flow_route *r = p->route;
    struct http_header headers[HEADERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        headers[count++] = (struct http_header){r->headers[i].name, r->headers[i].value};
    }
    if (p->id != NULL) {
        headers[count++] = (struct http_header){"Idempotency-Key", p->id};
    }
    const struct http_request request = {.url = p->url,
                                         .tag = p->tag,
                                         .headers = headers,
                                         .header_count = count,
                                         .body = body,
                                         .deadline_us = r->conf.timeout_us,
                                         .connect_us = r->conf.timeout_us,
                                         .response_bytes_max = RESPONSE_BYTES_MAX};
    return http_send(n->http, &request, call, err);
}

static char *alertmanager_url(const struct flow_route *r) {
    const size_t len = strlen(r->conf.url);
    const bool slash = len > 0 && r->conf.url[len - 1] == '/';
    return mem_printf("%.*s/api/v2/alerts", (int)(len - slash), r->conf.url);
}

static enum err_code send_http(struct notify *n, struct sending *s, size_t place, int64_t now_us,
                               struct err *err) {
    struct buf body;
    char *url = mem_strdup(s->route->conf.url);
    char *id = mem_printf("plumb-%s-%lld", n->flow->name, (long long)s->notice->id);
    buf_init(&body, BUF_TEXT_MAX);
    switch (s->route->kind) {
    case ROUTE_SLACK:
        payload_slack(s->notice, &body);
        break;
    case ROUTE_PAGERDUTY:
        payload_pagerduty(s->notice, s->route->conf.key, &body);
        break;
    case ROUTE_ALERTMANAGER:
        mem_free(url);
        url = alertmanager_url(s->route);
        payload_alertmanager(s->notice, 1, now_us, &body);
        break;
    case ROUTE_WEBHOOK:
    case ROUTE_EMAIL:
    case ROUTE_COMMAND:
        payload_webhook(s->notice, &body);
        break;
    }
    const enum err_code code =
        post(n, &(struct post){s->route, url, id, place}, &body, &s->call, err);
    buf_release(&body);
    mem_free(url);
    mem_free(id);
    return code;
}

static enum err_code send_mail(const struct sending *s, int64_t now_us, struct err *err) {
    const struct route_conf *conf = &s->route->conf;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    payload_mail(s->notice, conf, now_us, &text);
    const struct mail mail = {.server = conf->smtp,
                              .user = conf->user,
                              .password = conf->password,
                              .from = conf->from,
                              .to = conf->to.items,
                              .to_count = conf->to.count,
                              .text = buf_str(&text),
                              .deadline_us = conf->timeout_us};
    return mail_send(&mail, err);
}

static enum err_code run_command(const struct sending *s, struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    payload_webhook(s->notice, &text);
    return program_run(s->route->conf.run.items, s->route->conf.run.count, buf_str(&text),
                       s->route->conf.timeout_us, err);
}

/* PagerDuty reminds by itself, and nobody can be told by a route that is gone. */
static bool has_nothing_to_send(struct sending *s, int64_t now_us) {
    if (s->route == NULL) {
        failed(s, true, 0, now_us, "the flow has no such route any more");
        return true;
    }
    return s->route->kind == ROUTE_PAGERDUTY && strcmp(s->notice->event, "reminder") == 0;
}

static void begin(struct notify *n, struct sending *s, size_t place, int64_t now_us) {
    struct err err = ERR_INIT;
    const bool by_http =
        s->route != NULL && s->route->kind != ROUTE_EMAIL && s->route->kind != ROUTE_COMMAND;
    s->result.outcome = OUTCOME_SENT;
    if (has_nothing_to_send(s, now_us) || !by_http) {
        return;
    }
    if (send_http(n, s, place, now_us, &err) != ERR_NONE) {
        failed(s, false, -1, now_us, err.message);
    }
}

static void finish(struct sending *s, int64_t now_us) {
    struct err err = ERR_INIT;
    enum err_code code = ERR_NONE;
    if (s->call != NULL) {
        judge_answer(s, now_us);
    } else if (s->route != NULL && s->route->kind == ROUTE_EMAIL) {
        code = send_mail(s, now_us, &err);
    } else if (s->route != NULL && s->route->kind == ROUTE_COMMAND) {
        code = run_command(s, &err);
    }
    if (code != ERR_NONE) {
        failed(s, code == ERR_INPUT, -1, now_us, err.message);
    }
}

/* ---- a pass ---- */

static void log_outcome(struct notify *n, const struct sending *s) {
    if (s->route == NULL) {
        return;
    }
    bool *trouble = &n->in_trouble[s->route - n->flow->alerts->routes];
    if (s->result.outcome == OUTCOME_SENT) {
        log_info("notify", "route=%s alert=%lld event=%s check=%s sent=true", s->route->name,
                 (long long)s->notice->alert, s->notice->event, s->notice->check);
        *trouble = false;
        return;
    }
    if (!*trouble || s->result.outcome == OUTCOME_FAILED) {
        char shown[LOG_VALUE_BYTES];
        log_warn("notify", "route=%s alert=%lld event=%s sent=false given_up=%s error=%s",
                 s->route->name, (long long)s->notice->alert, s->notice->event,
                 s->result.outcome == OUTCOME_FAILED ? "true" : "false",
                 log_value(str_of(s->error), shown));
    }
    *trouble = true;
}

static enum err_code record(struct notify *n, const struct sending *s, int64_t now_us,
                            struct notify_summary *sum, struct err *err) {
    sum->sent += s->result.outcome == OUTCOME_SENT;
    sum->failed += s->result.outcome == OUTCOME_FAILED;
    sum->waiting += s->result.outcome == OUTCOME_LATER;
    log_outcome(n, s);
    fault_step("notice sent");
    return notice_record(n->store, s->notice, &s->result, now_us, err);
}

static void take(struct notify *n, struct sending *s, int64_t now_us, struct notify_summary *sum,
                 struct err *err) {
    if (s->is_done) {
        return;
    }
    s->is_done = true;
    finish(s, now_us);
    http_call_free(s->call);
    s->call = NULL;
    if (err->code == ERR_NONE) { /* after an error of the store the others are sent again */
        (void)record(n, s, now_us, sum, err); /* err says it */
    }
}

static enum err_code send_all(struct notify *n, struct sending *all, size_t count, int64_t now_us,
                              struct notify_summary *sum, struct err *err) {
    for (size_t i = 0; i < count; i++) {
        begin(n, &all[i], i, now_us);
    }
    struct http_call *call = NULL;
    while (http_in_flight(n->http) > 0 || (call = http_wait(n->http, 0)) != NULL) {
        call = call != NULL ? call : http_wait(n->http, NOTIFY_EVERY_US);
        if (call != NULL) {
            take(n, &all[http_call_tag(call)], now_us, sum, err);
            call = NULL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        take(n, &all[i], now_us, sum, err);
    }
    return err->code;
}

static enum err_code pass(struct notify *n, int64_t now_us, bool *any, struct notify_summary *sum,
                          struct err *err) {
    struct notices waiting;
    enum err_code code = notices_first(n->store, n->flow, &waiting, err);
    struct sending *all = mem_alloc_array(waiting.count + 1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < waiting.count; i++) {
        if (waiting.items[i].next_us <= now_us) {
            all[count++] =
                (struct sending){.notice = &waiting.items[i],
                                 .route = flow_find_route(n->flow, str_of(waiting.items[i].route))};
        }
    }
    *any = count > 0;
    if (code == ERR_NONE && count > 0) {
        code = send_all(n, all, count, now_us, sum, err);
    }
    mem_free(all);
    notices_release(&waiting);
    return code;
}

/* ---- what is said again and again ---- */

static enum err_code say_again(struct notify *n, int64_t now_us, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < n->flow->alerts->route_count; i++) {
        const struct flow_route *r = &n->flow->alerts->routes[i];
        struct notices standing;
        if (r->kind != ROUTE_ALERTMANAGER) {
            continue;
        }
        code =
            notices_standing(n->store, n->flow, r->name, now_us - NOTIFY_ENDS_US, &standing, err);
        if (code == ERR_NONE && standing.count > 0) {
            struct buf body;
            struct err ignored = ERR_INIT; /* it is said again in a minute */
            struct http_call *call = NULL;
            char *url = alertmanager_url(r);
            buf_init(&body, BUF_TEXT_MAX);
            payload_alertmanager(standing.items, standing.count, now_us, &body);
            if (post(n, &(struct post){r, url, NULL, 0}, &body, &call, &ignored) == ERR_NONE) {
                (void)http_wait(n->http, r->conf.timeout_us);
                http_call_free(call);
            }
            buf_release(&body);
            mem_free(url);
        }
        notices_release(&standing);
    }
    return code;
}

/* Checks are looked at: the last round is not older than two of them should be. */
static enum err_code is_alive(struct notify *n, int64_t now_us, bool *out, struct err *err) {
    int64_t last = 0;
    bool found = false;
    const enum err_code code = store_get_i64(
        n->store, "SELECT CAST(value AS BIGINT) FROM _plumb_meta WHERE key = 'watched'", &last,
        &found, err);
    *out = n->flow->check_count == 0 ||
           now_us - last <= 2 * n->flow->checks_every_us + n->flow->alerts->ping.every_us;
    return code;
}

static enum err_code ping(struct notify *n, int64_t now_us, struct err *err) {
    const struct flow_ping *p = &n->flow->alerts->ping;
    struct err problem = ERR_INIT;
    struct http_call *call = NULL;
    struct http_response *answer = NULL;
    bool alive = false;
    enum err_code code = is_alive(n, now_us, &alive, err);
    if (code != ERR_NONE || !alive) {
        return code;
    }
    const struct http_request request = {.url = p->url,
                                         .deadline_us = ROUTE_TIMEOUT_US,
                                         .connect_us = ROUTE_TIMEOUT_US,
                                         .response_bytes_max = RESPONSE_BYTES_MAX};
    code = http_send(n->http, &request, &call, &problem);
    if (code == ERR_NONE) {
        (void)http_wait(n->http, ROUTE_TIMEOUT_US + NOTIFY_EVERY_US);
        code = http_call_done(call) ? http_call_result(call, &answer, &problem)
                                    : err_set(&problem, ERR_UNAVAILABLE, "no answer");
    }
    if (code == ERR_NONE && answer != NULL && (answer->status < 200 || answer->status >= 300)) {
        code = err_set(&problem, ERR_UNAVAILABLE, "the answer was %d", answer->status);
    }
    if (code != ERR_NONE && !n->ping_failed) {
        log_error("ping", &problem);
    }
    n->ping_failed = code != ERR_NONE;
    http_call_free(call);
    return ERR_NONE;
}

/* ---- a round ---- */

static enum err_code open_store(struct notify *n, bool *exists, struct err *err) {
    *exists = n->store != NULL;
    if (*exists) {
        return ERR_NONE;
    }
    enum err_code code = store_exists(n->flow, exists, err);
    if (code == ERR_NONE && *exists) {
        code = store_open(n->flow, STORE_NOTE, &n->store, err);
    }
    return code;
}

static enum err_code work(struct notify *n, int64_t now_us, struct notify_summary *out,
                          struct err *err) {
    bool any = n->flow->alerts->route_count > 0;
    enum err_code code = ERR_NONE;
    const int64_t began = clock_monotonic_us();
    int64_t took = 0;
    for (int i = 0; code == ERR_NONE && any && i < NOTIFY_PASSES_MAX && took < NOTIFY_ROUND_US &&
                    !must_stop(n);
         i++) {
        code = pass(n, now_us + took, &any, out, err);
        took = clock_monotonic_us() - began;
    }
    out->is_cut = any;
    now_us += took;
    const int64_t clock = began + took;
    if (must_stop(n)) {
        return code;
    }
    if (code == ERR_NONE && clock >= n->again_us) {
        n->again_us = clock + NOTIFY_AGAIN_US;
        code = say_again(n, now_us, err);
    }
    if (code == ERR_NONE && n->flow->alerts->ping.url != NULL && clock >= n->ping_us) {
        n->ping_us = clock + n->flow->alerts->ping.every_us;
        code = ping(n, now_us, err);
    }
    return code;
}

enum err_code notify_round(struct notify *n, int64_t now_us, struct notify_summary *out,
                           struct err *err) {
    bool exists = false;
    *out = (struct notify_summary){.sent = 0};
    enum err_code code = open_store(n, &exists, err);
    if (code == ERR_NONE && exists) {
        code = work(n, now_us, out, err);
    }
    if (code != ERR_NONE) { /* another connection next time */
        store_close(n->store);
        n->store = NULL;
    }
    return code;
}
