/* How it works: curl reads the text as it sends it; dots at the beginning of lines are its business. */
#include "net/mail.h"

#include <curl/curl.h>
#include <string.h>

struct reading {
    struct str left;
};

static size_t give(char *out, size_t size, size_t count, void *context) {
    struct reading *r = context;
    const size_t room = size * count;
    const size_t len = r->left.len < room ? r->left.len : room;
    memcpy(out, r->left.ptr, len);
    r->left = (struct str){r->left.ptr + len, r->left.len - len};
    return len;
}

static struct curl_slist *receivers(const struct mail *m) {
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < m->to_count; i++) {
        struct curl_slist *longer = curl_slist_append(list, m->to[i]);
        if (longer == NULL) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

static enum err_code outcome(const struct mail *m, CURL *curl, CURLcode rc, const char *detail,
                             struct err *err) {
    long status = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_OK) {
        return ERR_NONE;
    }
    const bool for_good = status >= 500 && status < 600;
    return err_set(err, for_good ? ERR_INPUT : ERR_UNAVAILABLE,
                   "the mail server %s did not take the mail: %s%s", m->server,
                   detail[0] != '\0' ? detail : curl_easy_strerror(rc),
                   rc == CURLE_LOGIN_DENIED ? "; look at user and password" : "");
}

enum err_code mail_send(const struct mail *m, struct err *err) {
    char detail[CURL_ERROR_SIZE] = "";
    struct reading reading = {m->text};
    struct curl_slist *to = receivers(m);
    CURL *curl = curl_easy_init();
    if (curl == NULL || to == NULL) {
        curl_easy_cleanup(curl);
        curl_slist_free_all(to);
        return err_set(err, ERR_LIMIT, "no memory for a mail");
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, m->server);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(m->deadline_us / 1000));
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, m->from);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, &reading);
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           m->password != NULL ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_TRY);
    if (m->password != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_USERNAME, m->user);
        (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, m->password);
    }
    const CURLcode rc = curl_easy_perform(curl);
    const enum err_code code = outcome(m, curl, rc, detail, err);
    curl_easy_cleanup(curl);
    curl_slist_free_all(to);
    return code;
}
