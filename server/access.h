/* Who may ask: the address listened on, the Host header, the token. Pure functions. */
#ifndef PLUMB_SERVER_ACCESS_H
#define PLUMB_SERVER_ACCESS_H

#include <netinet/in.h>

#include "base/str.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    bool is_v6;
    bool is_loopback;
    uint16_t port;
};

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "0.0.0.0:80"; names other than localhost are not
 * looked up. CONFIG otherwise. */
MUST_CHECK enum err_code address_parse(const char *text, struct address *out, struct err *err);
/* Text of the address with another port (what the system gave), as a URL. */
#define ADDRESS_URL_BYTES 80
void address_url(const struct address *a, uint16_t port, char out[ADDRESS_URL_BYTES]);
/* True for a Host header that names this machine's loopback, with any port. A page of another site
 * that makes its name point here (DNS rebinding) sends that name. */
bool host_is_local(struct str host);
/* True when an Origin header is http or https at just what the Host header says: a page of this
 * server. What a page may not say of itself comes as "null", which is not. */
bool origin_is_own(struct str origin, struct str host);
/* True when the Authorization header is "Bearer TOKEN". Takes as long for a wrong token as for the
 * right one. */
bool token_is_right(struct str authorization, const char *token);

#endif
