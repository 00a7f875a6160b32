/* Sending one mail by SMTP (RFC 5321), through libcurl. Blocks until it is sent or the deadline passed;
 * any thread. TLS is used where the server offers it, and required when there is a password. */
#ifndef PLUMB_NET_MAIL_H
#define PLUMB_NET_MAIL_H

#include "base/str.h"

struct mail {
    const char *server; /* smtp://host[:port] or smtps://host[:port] */
    const char *user;   /* NULL: none; with password */
    const char *password;
    const char *from;      /* bare address */
    const char *const *to; /* bare addresses */
    size_t to_count;
    struct str text; /* header and body, CRLF lines */
    int64_t deadline_us;
};
/* UNAVAILABLE: not reached, or refused for now (4xx); INPUT: refused for good (5xx). The message names
 * the server, never the password. */
MUST_CHECK enum err_code mail_send(const struct mail *m, struct err *err);

#endif
