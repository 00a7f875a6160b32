/* Options in words: shared by the terminal help, the Markdown page and error messages. */
#ifndef PLUMB_COMPONENT_DESCRIBE_H
#define PLUMB_COMPONENT_DESCRIBE_H

#include "component/component.h"

/* "5s", "250ms", "1h30m" is never written: the largest unit that divides it. */
void describe_duration(int64_t us, struct buf *out);
/* "4MiB", "1000B": the largest unit that divides it. */
void describe_size(int64_t bytes, struct buf *out);
/* A bound of the option in its own unit. */
void describe_bound(const struct option *o, int64_t value, struct buf *out);
/* "string", "duration", "one of a, b", ... */
void describe_type(const struct option *o, struct buf *out);
/* "from 1 to 10", "at least 1"; nothing when there are no bounds. */
void describe_bounds(const struct option *o, struct buf *out);
bool option_has_bounds(const struct option *o);
bool option_has_upper_bound(const struct option *o);
/* "stable" or "beta"; "source" or "sink". */
const char *describe_status(const struct component *c);
const char *describe_kind(const struct component *c);

/* Calls visit for the options in the order of help: required, usual, advanced, deprecated. */
typedef void (*option_visit)(const struct option *o, void *context);
void describe_each(const struct option *options, size_t count, option_visit visit, void *context);

/* The keys every source has that are not options: type and columns. */
struct described_key {
    const char *name;
    const char *type;
    const char *doc;
};
extern const struct described_key describe_source_keys[3];
/* The keys of one column of `columns`. */
extern const struct described_key describe_column_keys[7];

#endif
