/* URLs are taken apart by curl's own parser, so that what is checked and shown is what is used. A
 * part of a path is shown only when it is a word of the list below or a version: a key hides in any
 * other. */
#include "net/http_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void release_url(CURLU **url) {
    curl_url_cleanup(*url);
}
static void release_part(char **part) {
    curl_free(*part);
}
#define AUTO_URL  CLEANUP(release_url) CURLU
#define AUTO_PART CLEANUP(release_part) char

/* NULL with the reason in *what, which is static text. */
static CURLU *parse(const char *url, const char **what) {
    *what = NULL;
    if (url == NULL || url[0] == '\0') {
        *what = "it is empty";
        return NULL;
    }
    if (strlen(url) > HTTP_URL_BYTES_MAX) {
        *what = "it is longer than 8192 bytes";
        return NULL;
    }
    CURLU *parsed = curl_url();
    if (parsed == NULL) {
        *what = "there is no memory to read it";
        return NULL;
    }
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) {
        *what = curl_url_strerror(code);
        curl_url_cleanup(parsed);
        return NULL;
    }
    return parsed;
}

static char *part_of(CURLU *url, CURLUPart which) {
    char *part = NULL;
    return curl_url_get(url, which, &part, 0) == CURLUE_OK ? part : NULL;
}

enum err_code http_url_check(const char *url, struct err *err) {
    const char *what = NULL;
    AUTO_URL *parsed = parse(url, &what);
    if (parsed == NULL) {
        return err_set(err, ERR_CONFIG, "not a URL: %s; write https://host/path", what);
    }
    AUTO_PART *scheme = part_of(parsed, CURLUPART_SCHEME);
    if (scheme == NULL || (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)) {
        char shown[32];
        str_printable(str_of(scheme), shown, sizeof shown);
        return err_set(err, ERR_CONFIG, "a URL of http:// or https:// is expected, not of '%s://'",
                       shown);
    }
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7F) {
            return err_set(err, ERR_CONFIG, "the URL of %s has a space or control character in it",
                           http_url_show(url, (char[HTTP_URL_SHOW_BYTES]){""}));
        }
    }
    return ERR_NONE;
}

/* Words that providers put into paths; a key is none of them. */
static bool is_known_word(struct str part) {
    static const char *const words[] = {
        "rpc",     "api",    "eth",    "evm",     "ext",     "bc",      "C",        "main",
        "http",    "https",  "json",   "mainnet", "testnet", "sepolia", "ethereum", "polygon",
        "bsc",     "base",   "gnosis", "arb1",    "one",     "nova",    "optimism", "avalanche",
        "jsonrpc", "public", "node",   "nodes",   "archive", "full",    "chain",    "health",
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (str_equal_c(part, words[i])) {
            return true;
        }
    }
    if (part.len < 2 || part.len > 3 || part.ptr[0] != 'v') {
        return false;
    }
    for (size_t i = 1; i < part.len; i++) {
        if (part.ptr[i] < '0' || part.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

static void show_path(const char *path, struct buf *out) {
    struct str rest = str_of(path);
    while (rest.len > 0) { /* rest begins with '/' */
        struct str part = {rest.ptr + 1, str_find((struct str){rest.ptr + 1, rest.len - 1}, '/')};
        buf_addc(out, '/');
        if (part.len > 0) {
            buf_addstr(out, is_known_word(part) ? part : STR("***"));
        }
        rest = (struct str){rest.ptr + 1 + part.len, rest.len - 1 - part.len};
    }
}

static void add_host(CURLU *parsed, struct buf *out) {
    AUTO_PART *host = part_of(parsed, CURLUPART_HOST);
    AUTO_PART *port = part_of(parsed, CURLUPART_PORT);
    buf_adds(out, host == NULL ? "" : host);
    if (port != NULL) {
        buf_addf(out, ":%s", port);
    }
}

static const char *show(const char *url, bool is_whole, char out[HTTP_URL_SHOW_BYTES]) {
    const char *what = NULL;
    AUTO_URL *parsed = parse(url, &what);
    if (parsed == NULL) {
        (void)snprintf(out, HTTP_URL_SHOW_BYTES, "(not a URL)");
        return out;
    }
    AUTO_BUF text = BUF_INIT(4 * HTTP_URL_BYTES_MAX);
    if (is_whole) {
        AUTO_PART *scheme = part_of(parsed, CURLUPART_SCHEME);
        buf_addf(&text, "%s://", scheme == NULL ? "" : scheme);
    }
    add_host(parsed, &text);
    if (is_whole) {
        AUTO_PART *path = part_of(parsed, CURLUPART_PATH);
        show_path(path == NULL || path[0] != '/' || path[1] == '\0' ? "" : path, &text);
    }
    str_printable(buf_str(&text), out, HTTP_URL_SHOW_BYTES);
    return out;
}

const char *http_url_show(const char *url, char out[HTTP_URL_SHOW_BYTES]) {
    return show(url, true, out);
}

const char *http_url_host(const char *url, char out[HTTP_URL_SHOW_BYTES]) {
    return show(url, false, out);
}

bool http_url_is_local(const char *url) {
    const char *what = NULL;
    AUTO_URL *parsed = parse(url, &what);
    AUTO_PART *host = parsed == NULL ? NULL : part_of(parsed, CURLUPART_HOST);
    return host != NULL && (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                            strncmp(host, "127.", 4) == 0);
}
