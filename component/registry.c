/* How it works: the list is short and fixed when the program is built, so finding walks it. */
#include "component/component.h"

const struct component *registry_find(const struct registry *r, enum component_kind kind,
                                      struct str name) {
    for (size_t i = 0; i < r->count; i++) {
        const struct component *c = r->components[i];
        if (c->kind == kind && str_equal_c(name, c->name)) {
            return c;
        }
    }
    return NULL;
}
