/* How it works: a route's `type` decides its option table; texts whose form only a sender would find
 * wrong (addresses, header lines, words of a command) are looked at here, so that the mistake has a
 * place and is found before the first alert, not by it. */
#include "flow/alerts.h"

#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "flow/read.h"

static const char *const alert_keys[] = {"routes", "remind", "quiet", "ping"};
static const char *const quiet_keys[] = {"from", "to", "zone", "except"};
static const char *const ping_keys[] = {"url", "every"};
static const char *const level_names[] = {"warn", "error"};

const struct flow_route *flow_find_route(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->alerts->route_count; i++) {
        if (str_equal_c(name, f->alerts->routes[i].name)) {
            return &f->alerts->routes[i];
        }
    }
    return NULL;
}

/* ---- texts that go into other protocols ---- */

static bool is_line(const char *text) {
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == '\x7f') {
            return false;
        }
    }
    return true;
}

static bool is_address(const char *text) {
    const char *at = strchr(text, '@');
    return is_line(text) && strpbrk(text, " <>,;\"") == NULL && at != NULL && at != text &&
           at[1] != '\0' && strchr(at + 1, '@') == NULL;
}

static bool has_scheme(const char *url, const char *const *schemes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len) == 0 && url[len] != '\0' && url[len] != '/') {
            return is_line(url) && strchr(url, ' ') == NULL;
        }
    }
    return false;
}

enum err_code alerts_check_url(const struct node *n, const char *url, struct err *err) {
    static const char *const schemes[] = {"http://", "https://"};
    if (url == NULL || has_scheme(url, schemes, ARRAY_COUNT(schemes))) {
        return ERR_NONE;
    }
    return node_error(n, err, "'%s' must be an address such as https://example.com/alerts", n->key);
}

static enum err_code check_addresses(const struct node *n, const struct option_list *list,
                                     struct err *err) {
    if (list->count == 0 || list->count > ROUTE_TARGETS_MAX) {
        return node_error(n, err, "'to' must be one to %d addresses", ROUTE_TARGETS_MAX);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!is_address(list->items[i])) {
            return node_error(n, err, "'to' must be a list of addresses such as me@example.com");
        }
    }
    return ERR_NONE;
}

static enum err_code check_email(const struct flow_route *r, struct err *err) {
    static const char *const schemes[] = {"smtp://", "smtps://"};
    if (!has_scheme(r->conf.smtp, schemes, ARRAY_COUNT(schemes))) {
        return node_error(node_get(r->node, "smtp"), err,
                          "'smtp' must be a mail server such as smtp://mail.example.com:587");
    }
    if (!is_address(r->conf.from)) {
        return node_error(node_get(r->node, "from"), err,
                          "'from' must be an address such as plumb@example.com");
    }
    if ((r->conf.user == NULL) != (r->conf.password == NULL)) {
        return node_key_error(r->node, err,
                              "route '%s' has a user or a password; give both or none", r->name);
    }
    return check_addresses(node_get(r->node, "to"), &r->conf.to, err);
}

static enum err_code check_command(const struct flow_route *r, struct err *err) {
    if (r->conf.run.count == 0 || r->conf.run.count > ROUTE_TARGETS_MAX ||
        r->conf.run.items[0][0] == '\0') {
        return node_error(node_get(r->node, "run"), err,
                          "'run' must be a program and at most %d arguments, such as "
                          "[/usr/local/bin/page, urgent]",
                          ROUTE_TARGETS_MAX - 1);
    }
    return ERR_NONE;
}

/* ---- routes ---- */

static bool is_header_name(const char *name) {
    return name[0] != '\0' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] ==
               '\0';
}

enum err_code alerts_read_headers(struct loader *l, const struct node *map,
                                  const struct route_header **out, size_t *count, struct err *err) {
    if (map == NULL) {
        return ERR_NONE;
    }
    if (map->kind != NODE_MAP || map->count > ROUTE_TARGETS_MAX) {
        return node_error(map, err, "'headers' must be a map of at most %d names and texts",
                          ROUTE_TARGETS_MAX);
    }
    struct route_header *headers = arena_new(l->arena, (map->count + 1) * sizeof *headers);
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        const char *value = NULL;
        const enum err_code code = read_text(n, &value, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (!is_header_name(n->key) || !is_line(value)) {
            return node_key_error(n, err, "'%s' is no header line", n->key);
        }
        headers[(*count)++] = (struct route_header){n->key, value};
    }
    *out = headers;
    return ERR_NONE;
}

static enum err_code read_kind(const struct node *n, enum route_kind *out, struct err *err) {
    const char *names[ROUTE_KINDS];
    for (size_t i = 0; i < ROUTE_KINDS; i++) {
        names[i] = route_kinds[i].name;
    }
    const struct node *type = node_get(n, "type");
    if (type == NULL || type->kind != NODE_SCALAR) {
        return node_key_error(n, err,
                              "route '%s' needs its type: webhook, alertmanager, slack, pagerduty, "
                              "email or command",
                              n->key);
    }
    for (size_t i = 0; i < ROUTE_KINDS; i++) {
        if (str_equal_c(type->text, names[i])) {
            *out = (enum route_kind)i;
            return ERR_NONE;
        }
    }
    return read_unknown(type, "type of route", type->text, names, ROUTE_KINDS, err);
}

static enum err_code read_route(struct loader *l, const struct node *n, struct flow_route *r,
                                struct err *err) {
    static const char *const handled[] = {"type", NULL};
    enum err_code code = read_name(n, "route", true, err);
    if (code == ERR_NONE && n->kind != NODE_MAP) {
        return node_error(n, err, "a route is a map such as {type: slack, url: ...}, not %s",
                          node_kind_name(n));
    }
    *r = (struct flow_route){.name = n->key, .node = n};
    if (code == ERR_NONE) {
        code = read_kind(n, &r->kind, err);
    }
    if (code == ERR_NONE) {
        code = options_parse(route_kinds[r->kind].options, route_kinds[r->kind].option_count, n,
                             handled, l->arena, &r->conf, err);
    }
    r->level = r->conf.severity == 0 ? LEVEL_WARN : LEVEL_ERROR;
    if (code == ERR_NONE && r->conf.url != NULL && node_get(n, "url") != NULL) {
        code = alerts_check_url(node_get(n, "url"), r->conf.url, err);
    }
    if (code == ERR_NONE) {
        code = alerts_read_headers(l, r->conf.headers, &r->headers, &r->header_count, err);
    }
    if (code == ERR_NONE && r->kind == ROUTE_EMAIL) {
        code = check_email(r, err);
    }
    return code == ERR_NONE && r->kind == ROUTE_COMMAND ? check_command(r, err) : code;
}

static enum err_code read_routes(struct loader *l, const struct node *section,
                                 struct flow_alerts *a, struct err *err) {
    if (section->kind != NODE_MAP || section->count > FLOW_ITEMS_MAX) {
        return node_error(section, err, "'routes' must be a map of at most %d names",
                          FLOW_ITEMS_MAX);
    }
    struct flow_route *routes = arena_new(l->arena, (section->count + 1) * sizeof *routes);
    enum err_code code = ERR_NONE;
    for (const struct node *n = section->first; code == ERR_NONE && n != NULL; n = n->next) {
        code = read_route(l, n, &routes[a->route_count++], err);
    }
    a->routes = routes;
    return code;
}

/* ---- quiet hours, reminders, the ping ---- */

/* "22:00" to minutes of the day. */
static bool parse_clock(struct str text, int *out) {
    if (text.len != 5 || text.ptr[2] != ':') {
        return false;
    }
    int digits[4];
    static const size_t places[] = {0, 1, 3, 4};
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        const char c = text.ptr[places[i]];
        if (c < '0' || c > '9') {
            return false;
        }
        digits[i] = c - '0';
    }
    const int hours = digits[0] * 10 + digits[1];
    const int minutes = digits[2] * 10 + digits[3];
    *out = hours * 60 + minutes;
    return hours < 24 && minutes < 60;
}

static enum err_code read_clock(const struct node *map, const char *key, int *out,
                                struct err *err) {
    const struct node *n = node_get(map, key);
    if (n == NULL || n->kind != NODE_SCALAR || !parse_clock(n->text, out)) {
        return node_error(n != NULL ? n : map, err, "'quiet' needs '%s', a time such as \"22:00\"",
                          key);
    }
    return ERR_NONE;
}

/* UTC, or "+02:00": names of zones change their meaning twice a year. */
static enum err_code read_zone(const struct node *n, int64_t *out, struct err *err) {
    int minutes = 0;
    if (n == NULL || str_equal_c(n->text, "UTC")) {
        return ERR_NONE;
    }
    const bool is_signed = n->kind == NODE_SCALAR && n->text.len == 6 &&
                           (n->text.ptr[0] == '+' || n->text.ptr[0] == '-');
    if (!is_signed || !parse_clock((struct str){n->text.ptr + 1, 5}, &minutes) ||
        minutes > ZONE_MINUTES_MAX) {
        return node_error(n, err, "'zone' must be UTC or a distance from it such as \"+02:00\"");
    }
    *out = (n->text.ptr[0] == '-' ? -1 : 1) * (int64_t)minutes * 60 * 1000000;
    return ERR_NONE;
}

static enum err_code read_quiet(const struct node *n, struct flow_quiet *q, struct err *err) {
    enum err_code code = read_map(n, "'quiet'", quiet_keys, ARRAY_COUNT(quiet_keys), err);
    if (code == ERR_NONE) {
        code = read_clock(n, "from", &q->from, err);
    }
    if (code == ERR_NONE) {
        code = read_clock(n, "to", &q->to, err);
    }
    if (code == ERR_NONE) {
        code = read_zone(node_get(n, "zone"), &q->zone_us, err);
    }
    const struct node *except = node_get(n, "except");
    if (code != ERR_NONE || except == NULL) {
        return code;
    }
    if (str_equal_c(except->text, level_names[1])) {
        q->except = LEVEL_ERROR;
        return ERR_NONE;
    }
    return read_unknown(except, "level", except->text, &level_names[1], 1, err);
}

static enum err_code read_duration(const struct node *n, int64_t least, int64_t *out,
                                   struct err *err) {
    if (n->kind != NODE_SCALAR || !clock_parse_duration(n->text, out) || *out < least) {
        return node_error(n, err, "'%s' must be a duration of at least %lld s, such as 4h", n->key,
                          (long long)(least / 1000000));
    }
    return ERR_NONE;
}

static enum err_code read_remind(const struct node *n, int64_t *out, struct err *err) {
    if (str_equal_c(n->text, "never")) {
        *out = 0;
        return ERR_NONE;
    }
    return read_duration(n, 60000000, out, err);
}

static enum err_code read_ping(const struct node *n, struct flow_ping *p, struct err *err) {
    enum err_code code = read_map(n, "'ping'", ping_keys, ARRAY_COUNT(ping_keys), err);
    const struct node *url = node_get(n, "url");
    const struct node *every = node_get(n, "every");
    p->every_us = 60000000;
    if (code == ERR_NONE && url == NULL) {
        return node_key_error(n, err, "'ping' needs 'url', the address to call");
    }
    if (code == ERR_NONE) {
        code = read_text(url, &p->url, err);
    }
    if (code == ERR_NONE) {
        code = alerts_check_url(url, p->url, err);
    }
    return code == ERR_NONE && every != NULL
               ? read_duration(every, PING_EVERY_US_MIN, &p->every_us, err)
               : code;
}

enum err_code alerts_load(struct loader *l, const struct node *section, struct err *err) {
    struct flow_alerts *a = arena_new(l->arena, sizeof *a);
    *a = (struct flow_alerts){.remind_us = ALERTS_REMIND_US};
    l->flow->alerts = a;
    if (section == NULL) {
        return ERR_NONE;
    }
    enum err_code code = read_map(section, "'alerts'", alert_keys, ARRAY_COUNT(alert_keys), err);
    const struct node *n = node_get(section, "routes");
    if (code == ERR_NONE && n != NULL) {
        code = read_routes(l, n, a, err);
    }
    n = node_get(section, "remind");
    if (code == ERR_NONE && n != NULL) {
        code = read_remind(n, &a->remind_us, err);
    }
    n = node_get(section, "quiet");
    if (code == ERR_NONE && n != NULL) {
        code = read_quiet(n, &a->quiet, err);
    }
    n = node_get(section, "ping");
    return code == ERR_NONE && n != NULL ? read_ping(n, &a->ping, err) : code;
}
