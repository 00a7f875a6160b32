/* Loading with all that `plumb check` does, before anything that runs is touched. */
#include "cli/reload.h"

#include "transform/transform.h"
#include "watch/watch.h"

enum err_code reload_load(const char *path, const struct registry *registry, struct flow **out,
                          struct err *err) {
    struct flow *flow = NULL;
    struct store *scratch = NULL;
    struct plan *plan = NULL;
    enum err_code code = flow_load(path, registry, &flow, err);
    if (code == ERR_NONE) {
        code = store_open(flow, STORE_SCRATCH, &scratch, err);
    }
    if (code == ERR_NONE) {
        code = plan_open(scratch, flow, &plan, err);
    }
    if (code == ERR_NONE) {
        code = watch_compile(flow, scratch, err);
    }
    plan_close(plan);
    store_close(scratch);
    if (code != ERR_NONE) {
        flow_free(flow);
        return code;
    }
    *out = flow;
    return ERR_NONE;
}
