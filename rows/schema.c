/* Schemas have few columns and are searched only while a flow is prepared: a linear scan is enough.
 */
#include "rows/schema.h"

int schema_find(const struct schema *s, struct str name) {
    for (size_t i = 0; i < s->count; i++) {
        if (str_equal_c(name, s->columns[i].name)) {
            return (int)i;
        }
    }
    return -1;
}
