/* Both are a word of a short list; the place in it is the value. */
#include "cli/logging.h"

#include <string.h>

#include "base/log.h"

static enum err_code find(const struct invocation *call, const char *option,
                          const char *const *words, size_t count, size_t *out, struct err *err) {
    const char *word = invocation_option(call, option);
    if (word == NULL) {
        return ERR_NONE;
    }
    AUTO_BUF known = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return ERR_NONE;
        }
        buf_addf(&known, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    char shown[64];
    str_printable(str_of(word), shown, sizeof shown);
    return err_set(err, ERR_INPUT, "--%s must be %s, not '%s'", option, buf_c(&known), shown);
}

enum err_code logging_set(const struct invocation *call, struct err *err) {
    static const char *const formats[] = {"logfmt", "json"};
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    size_t format = LOG_LOGFMT;
    size_t level = LOG_INFO;
    enum err_code code = find(call, "log-format", formats, ARRAY_COUNT(formats), &format, err);
    if (code == ERR_NONE) {
        code = find(call, "log-level", levels, ARRAY_COUNT(levels), &level, err);
    }
    if (code == ERR_NONE) {
        log_set_format((enum log_format)format);
        log_set_level((enum log_level)level);
    }
    return code;
}
