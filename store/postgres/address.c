/* The URL of a store. libpq reads it; we take our own parameter out before, and keep what may be
 * shown. libpq's complaints quote the part they dislike, which may be in the password, so they are
 * passed on only where there is none. */
#include <libpq-fe.h>
#include <string.h>

#include "store/postgres/postgres.h"

#define SCHEMA_PARAMETER "schema="

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The schema's name: as an identifier without need of quotes, but for its case. */
static enum err_code schema_take(struct pg_address *a, struct str name, struct err *err) {
    bool ok = name.len > 0 && name.len <= PG_NAME_BYTES_MAX &&
              !(name.ptr[0] >= '0' && name.ptr[0] <= '9');
    for (size_t i = 0; ok && i < name.len; i++) {
        ok = is_name_byte(name.ptr[i]);
    }
    if (!ok || str_starts_with(name, STR("pg_")) || str_equal(name, STR("plumb")) ||
        str_equal(name, STR("public")) || str_equal(name, STR("information_schema"))) {
        char shown[PG_NAME_BYTES_MAX + 1];
        str_printable(name, shown, sizeof(shown));
        return err_set(
            err, ERR_CONFIG,
            "store: '%s' cannot be its schema: letters, digits and _, at most %d, and none of "
            "PostgreSQL's own, nor 'public' or 'plumb'",
            shown, PG_NAME_BYTES_MAX);
    }
    a->schema = mem_strndup(name.ptr, name.len);
    return ERR_NONE;
}

/* The URL without ?schema=, which libpq would refuse. */
static enum err_code schema_split(const char *url, struct pg_address *a, struct err *err) {
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    const char *query = strchr(url, '?');
    buf_addstr(&rest, (struct str){url, query != NULL ? (size_t)(query - url) : strlen(url)});
    char separator = '?';
    while (query != NULL) {
        const char *part = query + 1;
        query = strchr(part, '&');
        const size_t len = query != NULL ? (size_t)(query - part) : strlen(part);
        const struct str one = {part, len};
        if (str_starts_with(one, STR(SCHEMA_PARAMETER))) {
            const size_t name = sizeof(SCHEMA_PARAMETER) - 1;
            if (a->schema != NULL) {
                return err_set(err, ERR_CONFIG, "store: schema is named twice");
            }
            enum err_code code = schema_take(a, (struct str){part + name, len - name}, err);
            if (code != ERR_NONE) {
                return code;
            }
        } else if (len > 0) {
            buf_addc(&rest, separator);
            buf_addstr(&rest, one);
            separator = '&';
        }
    }
    a->conninfo = mem_strdup(buf_c(&rest));
    return ERR_NONE;
}

static const char *option_value(const PQconninfoOption *options, const char *name) {
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, name) == 0 && o->val != NULL) {
            return o->val;
        }
    }
    return "";
}

static char *shown_of(const PQconninfoOption *options) {
    const char *user = option_value(options, "user");
    const char *host = option_value(options, "host");
    const char *port = option_value(options, "port");
    return mem_printf("postgres://%s%s%s%s%s/%s", user, user[0] != '\0' ? "@" : "", host,
                      port[0] != '\0' ? ":" : "", port, option_value(options, "dbname"));
}

enum err_code pg_address_parse(const char *url, struct pg_address *out, struct err *err) {
    struct pg_address a = {0};
    const struct str text = str_of(url);
    if (!str_starts_with(text, STR("postgres://")) &&
        !str_starts_with(text, STR("postgresql://"))) {
        return err_set(err, ERR_CONFIG, "store: a PostgreSQL URL begins with postgres://");
    }
    enum err_code code = schema_split(url, &a, err);
    char *complaint = NULL;
    PQconninfoOption *options = code == ERR_NONE ? PQconninfoParse(a.conninfo, &complaint) : NULL;
    if (options != NULL) {
        a.shown = shown_of(options);
        *out = a;
        PQconninfoFree(options);
        return ERR_NONE;
    }
    if (code == ERR_NONE) {
        const bool has_secret = strchr(url, '@') != NULL || strstr(url, "password") != NULL;
        const char *said = has_secret || complaint == NULL ? "" : complaint;
        code = err_set(
            err, ERR_CONFIG,
            "store: this is no URL of PostgreSQL (postgres://user@host:port/database); is there a "
            "character in it that must be written as %%XX?%s%.*s",
            said[0] != '\0' ? " libpq says: " : "", (int)strcspn(said, "\n"), said);
    }
    PQfreemem(complaint);
    pg_address_release(&a);
    return code;
}

void pg_address_release(struct pg_address *a) {
    mem_free(a->conninfo);
    mem_free(a->schema);
    mem_free(a->shown);
    *a = (struct pg_address){0};
}
