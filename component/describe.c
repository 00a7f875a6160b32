/* How it works: each function adds one phrase to a buffer; the callers put phrases into lines. */
#include "component/describe.h"

#include <inttypes.h>

struct unit {
    int64_t amount;
    const char *name;
};

static void describe_unit(int64_t value, const struct unit *units, size_t count, struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        if (value != 0 && value % units[i].amount == 0) {
            buf_addf(out, "%" PRId64 "%s", value / units[i].amount, units[i].name);
            return;
        }
    }
    buf_addf(out, "%" PRId64 "%s", value, units[count - 1].name);
}

void describe_duration(int64_t us, struct buf *out) {
    static const struct unit units[] = {{86400000000, "d"}, {3600000000, "h"}, {60000000, "m"},
                                        {1000000, "s"},     {1000, "ms"},      {1, "us"}};
    describe_unit(us, units, ARRAY_COUNT(units), out);
}

void describe_size(int64_t bytes, struct buf *out) {
    static const struct unit units[] = {
        {(int64_t)1 << 30, "GiB"}, {(int64_t)1 << 20, "MiB"}, {(int64_t)1 << 10, "KiB"}, {1, ""}};
    describe_unit(bytes, units, ARRAY_COUNT(units), out);
}

void describe_bound(const struct option *o, int64_t value, struct buf *out) {
    if (o->type == OPTION_TYPE_DURATION) {
        describe_duration(value, out);
    } else if (o->type == OPTION_TYPE_SIZE) {
        describe_size(value, out);
    } else {
        buf_addf(out, "%" PRId64, value);
    }
}

void describe_type(const struct option *o, struct buf *out) {
    switch (o->type) {
    case OPTION_TYPE_STRING:
        buf_adds(out, "string");
        return;
    case OPTION_TYPE_BOOL:
        buf_adds(out, "true or false");
        return;
    case OPTION_TYPE_INT:
        buf_adds(out, "integer");
        return;
    case OPTION_TYPE_FLOAT:
        buf_adds(out, "number");
        return;
    case OPTION_TYPE_DURATION:
        buf_adds(out, "duration");
        return;
    case OPTION_TYPE_SIZE:
        buf_adds(out, "size");
        return;
    case OPTION_TYPE_ENUM:
        buf_adds(out, "one of ");
        for (size_t i = 0; o->choices[i] != NULL; i++) {
            buf_addf(out, "%s%s", i == 0 ? "" : ", ", o->choices[i]);
        }
        return;
    case OPTION_TYPE_CHAR:
        buf_adds(out, "one character");
        return;
    case OPTION_TYPE_LIST:
        buf_adds(out, "list of strings");
        return;
    case OPTION_TYPE_NODE:
        buf_adds(out, "map or list");
        return;
    }
}

bool option_has_bounds(const struct option *o) {
    const bool counts = o->type == OPTION_TYPE_INT || o->type == OPTION_TYPE_DURATION ||
                        o->type == OPTION_TYPE_SIZE;
    return counts && (o->min != 0 || o->max != 0);
}

bool option_has_upper_bound(const struct option *o) {
    return option_has_bounds(o) && o->max >= o->min;
}

void describe_bounds(const struct option *o, struct buf *out) {
    if (!option_has_bounds(o)) {
        return;
    }
    const bool has_upper = option_has_upper_bound(o);
    buf_adds(out, has_upper ? "from " : "at least ");
    describe_bound(o, o->min, out);
    if (has_upper) {
        buf_adds(out, " to ");
        describe_bound(o, o->max, out);
    }
}

const char *describe_status(const struct component *c) {
    return c->status == STATUS_BETA ? "beta" : "stable";
}

const char *describe_kind(const struct component *c) {
    return c->kind == COMPONENT_SINK ? "sink" : "source";
}

static int option_rank(const struct option *o) {
    if ((o->flags & OPTION_DEPRECATED) != 0) {
        return 3;
    }
    if ((o->flags & OPTION_ADVANCED) != 0) {
        return 2;
    }
    return (o->flags & OPTION_REQUIRED) != 0 ? 0 : 1;
}

void describe_each(const struct option *options, size_t count, option_visit visit, void *context) {
    for (int rank = 0; rank <= 3; rank++) {
        for (size_t i = 0; i < count; i++) {
            if (option_rank(&options[i]) == rank) {
                visit(&options[i], context);
            }
        }
    }
}

const struct described_key describe_source_keys[3] = {
    {"type", "the component's name, required", "Which kind of source this is."},
    {"columns", "map of columns, required",
     "What every record promises: column names with a type, or with a map of rules. A record that "
     "breaks a rule is set aside with the reason; nothing is dropped."},
    {"rejects", "map: max, of",
     "How many rejects of decoding may be open before the source stops: `{max: 100}`, or `{max: "
     "1%, "
     "of: 10000}` of the last records. Without it the source never stops for them."},
};

const struct described_key describe_column_keys[7] = {
    {"type", "int64, float64, bool, text, bytes, timestamp, json or int256, required",
     "Type of the column; `id: int64` is short for `id: {type: int64}`."},
    {"required", "true or false, default false", "Absent and null values are rejected."},
    {"path", "string, default the column's name",
     "Where the value is: a JSON pointer such as /customer/id, or the name of a field."},
    {"min", "a value of the type", "Smallest value; smallest length of text and bytes."},
    {"max", "a value of the type", "Largest value; largest length of text and bytes."},
    {"one_of", "list", "The values that are allowed; for every type but json."},
    {"unit", "us, ms or s",
     "A timestamp may be a number counting these since 1970; without it only RFC 3339 is read."},
};
