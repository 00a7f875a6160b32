/* How it works: addresses are read by inet_pton after the port was cut off behind the last colon. */
#include "server/access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

#define HOST_BYTES_MAX 64

static enum err_code address_bad(const char *text, struct err *err) {
    return err_set(err, ERR_CONFIG,
                   "'%s' is no address to listen on: write 127.0.0.1:8080, [::1]:8080 or "
                   "localhost:8080",
                   text);
}

/* Host and port of "host:port" or "[host]:port". */
static bool split(struct str text, struct str *host, struct str *port) {
    if (text.len > 0 && text.ptr[0] == '[') {
        const size_t end = str_find(text, ']');
        if (end == text.len) {
            return false;
        }
        *host = (struct str){text.ptr + 1, end - 1};
        *port = (struct str){text.ptr + end + 1, text.len - end - 1};
    } else {
        const size_t colon = str_find(text, ':');
        *host = (struct str){text.ptr, colon};
        *port = (struct str){text.ptr + colon, text.len - colon};
    }
    if (port->len == 0) {
        return true;
    }
    port->ptr++;
    port->len--;
    return port->ptr[-1] == ':' && port->len > 0;
}

static bool host_parse(struct str host, bool bracketed, struct address *out) {
    char text[HOST_BYTES_MAX];
    if (host.len == 0 || host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (bracketed) {
        out->is_v6 = true;
        out->socket.v6.sin6_family = AF_INET6;
        if (inet_pton(AF_INET6, text, &out->socket.v6.sin6_addr) != 1) {
            return false;
        }
        out->is_loopback = IN6_IS_ADDR_LOOPBACK(&out->socket.v6.sin6_addr);
        return true;
    }
    const char *numeric = strcasecmp(text, "localhost") == 0 ? "127.0.0.1" : text;
    out->socket.v4.sin_family = AF_INET;
    if (inet_pton(AF_INET, numeric, &out->socket.v4.sin_addr) != 1) {
        return false;
    }
    out->is_loopback = (ntohl(out->socket.v4.sin_addr.s_addr) >> 24) == 127;
    return true;
}

enum err_code address_parse(const char *text, struct address *out, struct err *err) {
    struct str host;
    struct str port;
    int64_t number = -1;
    struct address found;
    memset(&found, 0, sizeof(found));
    if (!split(str_of(text), &host, &port) || !parse_i64(port, &number) || number < 0 ||
        number > UINT16_MAX || !host_parse(host, text[0] == '[', &found)) {
        return address_bad(text, err);
    }
    found.port = (uint16_t)number;
    if (found.is_v6) {
        found.socket.v6.sin6_port = htons(found.port);
    } else {
        found.socket.v4.sin_port = htons(found.port);
    }
    *out = found;
    return ERR_NONE;
}

void address_url(const struct address *a, uint16_t port, char out[ADDRESS_URL_BYTES]) {
    char host[HOST_BYTES_MAX] = "?";
    if (a->is_v6) {
        (void)inet_ntop(AF_INET6, &a->socket.v6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_URL_BYTES, "http://[%s]:%u", host, (unsigned)port);
    } else {
        (void)inet_ntop(AF_INET, &a->socket.v4.sin_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_URL_BYTES, "http://%s:%u", host, (unsigned)port);
    }
}

bool host_is_local(struct str host) {
    struct str name;
    struct str port;
    struct address found;
    int64_t number = 0;
    memset(&found, 0, sizeof(found));
    if (!split(host, &name, &port) || (port.len > 0 && !parse_i64(port, &number))) {
        return false;
    }
    return host_parse(name, host.len > 0 && host.ptr[0] == '[', &found) && found.is_loopback;
}

bool origin_is_own(struct str origin, struct str host) {
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        const size_t len = schemes[i].len;
        if (host.len > 0 && origin.len == len + host.len && str_starts_with(origin, schemes[i])) {
            return strncasecmp(origin.ptr + len, host.ptr, host.len) == 0;
        }
    }
    return false;
}

bool token_is_right(struct str authorization, const char *token) {
    static const char scheme[] = "Bearer ";
    const size_t scheme_len = sizeof(scheme) - 1;
    const size_t len = strlen(token);
    if (authorization.len < scheme_len || strncasecmp(authorization.ptr, scheme, scheme_len) != 0) {
        return false;
    }
    const struct str given = {authorization.ptr + scheme_len, authorization.len - scheme_len};
    /* Every byte given is looked at, whatever the ones before were. */
    volatile unsigned different = given.len != len;
    for (size_t i = 0; i < given.len; i++) {
        different = different | ((unsigned char)given.ptr[i] ^ (unsigned char)token[i % len]);
    }
    return different == 0;
}
