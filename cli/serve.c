/* How it works: options become server_options; the status document is the one `status --json`
 * prints. */
#include "cli/serve.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/status.h"
#include "cli/trace.h"

#define TOKEN_FILE_BYTES_MAX 4096

/* The first line of the option's file, or the variable, heap; NULL when neither is given. */
static enum err_code read_token(const struct invocation *call, const char *option,
                                const char *variable, char **out, struct err *err) {
    const char *path = invocation_option(call, option);
    const char *given = getenv(variable); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    if (path == NULL) {
        *out = given != NULL && given[0] != '\0' ? mem_strdup(given) : NULL;
        return ERR_NONE;
    }
    AUTO_BUF text = BUF_INIT(TOKEN_FILE_BYTES_MAX);
    enum err_code code = file_read_all(path, &text, err);
    if (code != ERR_NONE) {
        return err_wrap(err, "--%s", option);
    }
    const struct str all = buf_str(&text);
    const struct str line = str_trim((struct str){all.ptr, str_find(all, '\n')});
    *out = mem_strndup(line.ptr, line.len);
    return ERR_NONE;
}

enum err_code serve_start(const struct invocation *call, const struct flow *flow,
                          struct server **out, struct err *err) {
    char *token = NULL;
    char *write_token = NULL;
    *out = NULL;
    const char *listen = invocation_option(call, "listen");
    if (listen == NULL) {
        return ERR_NONE;
    }
    enum err_code code = read_token(call, "token-file", "PLUMB_TOKEN", &token, err);
    if (code == ERR_NONE) {
        code = read_token(call, "write-token-file", "PLUMB_WRITE_TOKEN", &write_token, err);
    }
    if (code == ERR_NONE) {
        const struct server_options options = {.flow = flow,
                                               .listen = listen,
                                               .token = token,
                                               .write_token = write_token,
                                               .version = PLUMB_VERSION,
                                               .status = status_document,
                                               .trace = trace_document};
        code = server_start(&options, out, err);
    }
    if (code == ERR_NONE) {
        log_info("listen", "url=%s token=%s writes=%s", server_url(*out),
                 token != NULL ? "yes" : "no", write_token != NULL ? "yes" : "no");
    }
    mem_free(token);
    mem_free(write_token);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "--listen");
}
