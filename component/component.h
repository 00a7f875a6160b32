/* Descriptors: what a connector is, from which everything about it is derived. */
#ifndef PLUMB_COMPONENT_COMPONENT_H
#define PLUMB_COMPONENT_COMPONENT_H

#include "component/option.h"
#include "component/source.h"

enum component_kind { COMPONENT_SOURCE, COMPONENT_SINK };
enum component_status { STATUS_STABLE, STATUS_BETA };

#define CAP_RESUMABLE 1u  /* starts again from its cursor */
#define CAP_ACKS      2u  /* tells the upstream what is durable */
#define CAP_ORDERED   4u  /* records of a partition come in one order, always the same */
#define CAP_COVERS    16u /* says what it has covered of its own axis (blocks) */
#define CAP_HTTP      32u /* asks by HTTP, and counts the answers in its facts */
#define CAP_TAKES_BACK                                                                             \
    8u /* may take records back: its streams have identities, and maps keep to them */

struct component {
    enum component_kind kind;
    const char *name;
    const char *since;
    enum component_status status;
    const char *summary; /* one line */
    const char *doc;     /* Markdown paragraphs */
    const char
        *example; /* YAML of one entry under sources:, starting with its name; passes `check` */
    const struct option *options;
    size_t option_count;
    size_t conf_size;
    unsigned caps;
    /* Pure, across fields; n is the component's map, for positions. Optional. */
    enum err_code (*check)(const void *conf, const struct contract *contract, const struct node *n,
                           struct err *err);
    /* The streams its options name, in the arena; then a flow gives it no `columns`. NULL: one
     * stream, of the columns. */
    enum err_code (*streams)(const void *conf, const struct node *n, struct arena *arena,
                             struct stream **out, size_t *count, struct err *err);
    const struct source_ops *source; /* when kind is COMPONENT_SOURCE */
};

#define COMPONENT_OPTIONS(table) .options = (table), .option_count = ARRAY_COUNT(table)

/* Everything that can be named in a flow. Passed down from main; component/ and flow/ never name a
 * connector. */
struct registry {
    const struct component *const *components;
    size_t count;
};
const struct component *registry_find(const struct registry *r, enum component_kind kind,
                                      struct str name);

/* Options every source has besides its own (parsed by flow/): type, columns, unknown,
 * batch_rows_max, batch_bytes_max, record_bytes_max. Declared as a table so that help, schema and
 * reference show them. */
struct source_common {
    int64_t unknown; /* enum unknown_policy */
    int64_t batch_rows_max;
    int64_t batch_bytes_max;
    int64_t record_bytes_max;
};
extern const struct option source_common_options[];
extern const size_t source_common_option_count;

/* ---- generated texts (component/help.c, component/json_schema.c, component/reference.c) ---- */
/* `plumb help NAME`: options with type, default, limits, doc, example; for a terminal. */
void component_help(const struct component *c, struct buf *out);
/* The Markdown page docs/reference/<kind>-<name>.md. */
void component_reference(const struct component *c, struct buf *out);
/* The member "rejects" of a source's or a map's properties: a limit. */
struct json_writer;
/* Members of "properties", one for each option. */
void options_json_schema(const struct option *options, size_t count, struct json_writer *w);
/* A Markdown table of options, for pages of other things than components. */
void options_reference_rows(const struct option *options, size_t count, struct buf *out);
void component_rejects_schema(const char *doc, struct json_writer *w);
/* JSON Schema (draft 2020-12) of the component's map: an object schema into w. */
void component_json_schema(const struct component *c, struct json_writer *w);

#endif
