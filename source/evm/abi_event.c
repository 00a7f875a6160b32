/* How an event is made: the reader of types (abi_type.c) takes the parameter list apart; what is
 * computed once here is all that decoding a log needs: which topic or where in the data each parameter
 * stands, how many topics and bytes its logs have, and the columns. */
#include "source/evm/abi_event.h"

#include "source/evm/abi_parse.h"

#include <string.h>
#include <strings.h>

#define COLUMN_NAME_BYTES_MAX                                                                      \
    320 /* a name, and an underscore for each column there may be before it */

_Static_assert(EVM_COLUMN_COUNT + ABI_PARAMS_MAX <= SCHEMA_COLUMNS_MAX,
               "every event fits a stream");
_Static_assert(ABI_NAME_BYTES_MAX + ABI_PARAMS_MAX + EVM_COLUMN_COUNT + 8 < COLUMN_NAME_BYTES_MAX,
               "every name has room for its underscores");

static const struct column common_columns[] = {
#define X(id, name, type) {name, TYPE_##type},
    EVM_COLUMNS(X)
#undef X
};

static const struct column block_columns[] = {
#define X(id, name, type) {name, TYPE_##type},
    EVM_BLOCK_COLUMNS(X)
#undef X
};

/* ---- columns ---- */

/* SQL does not tell Value from value, so neither may the names. The engine's own columns of a batch are
 * in flow/read.c. */
static bool is_taken(const struct column *columns, size_t count, const char *name) {
    static const char *const reserved[] = {"_batch", "_pos", "_partition", "_record"};
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (strcasecmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, columns[i].name) == 0) {
            return true;
        }
    }
    return false;
}

static const char *column_name(struct arena *arena, const struct column *columns, size_t place,
                               const char *param) {
    const char *name =
        param[0] != '\0' ? arena_strdup(arena, param) : arena_printf(arena, "arg%zu", place);
    size_t count = EVM_COLUMN_COUNT + place;
    while (is_taken(columns, count, name)) {
        name = arena_printf(arena, "%s_", name);
        ASSERT(strlen(name) < COLUMN_NAME_BYTES_MAX);
    }
    return name;
}

static enum column_type column_type_of(const struct abi_type *type) {
    switch (type->kind) {
    case ABI_UINT:
        return type->bits <= 56 ? TYPE_INT64 : TYPE_INT256;
    case ABI_INT:
        return type->bits <= 64 ? TYPE_INT64 : TYPE_INT256;
    case ABI_BOOL:
        return TYPE_BOOL;
    case ABI_ADDRESS:
    case ABI_BYTES_N:
    case ABI_BYTES:
        return TYPE_BYTES;
    case ABI_STRING:
        return TYPE_TEXT;
    case ABI_ARRAY:
    case ABI_LIST:
    case ABI_TUPLE:
        return TYPE_JSON;
    }
    ASSERT(false);
}

/* ---- the event ---- */

static void place_param(struct abi_event *event, const struct abi_item *item,
                        struct abi_param *out) {
    bool is_one_word = item->type->kind < ABI_BYTES;
    *out =
        (struct abi_param){.name = item->name, .type = item->type, .is_indexed = item->is_indexed};
    if (item->is_indexed) {
        out->is_hashed = !is_one_word;
        out->topic = event->topic_count++;
    } else {
        out->head = event->data_bytes;
        event->data_bytes += item->type->head_bytes;
        event->is_dynamic = event->is_dynamic || item->type->is_dynamic;
    }
    out->column = out->is_hashed ? TYPE_BYTES : column_type_of(item->type);
}

static void fill_params(struct abi_event *event, const struct abi_parse *p) {
    size_t columns_count = EVM_COLUMN_COUNT + p->item_count;
    struct column *columns = arena_new(p->arena, columns_count * sizeof(*columns));
    struct abi_param *params = arena_new(p->arena, (p->item_count + 1) * sizeof(*params));
    memcpy(columns, common_columns, sizeof(common_columns));
    event->topic_count = event->is_anonymous ? 0 : 1;
    for (size_t i = 0; i < p->item_count; i++) {
        place_param(event, &p->items[i], &params[i]);
        columns[EVM_COLUMN_COUNT + i].name = column_name(p->arena, columns, i, p->items[i].name);
        columns[EVM_COLUMN_COUNT + i].type = params[i].column;
    }
    event->data_bytes += event->is_dynamic ? ABI_WORD_BYTES : 0;
    event->params = params;
    event->param_count = p->item_count;
    event->schema = (struct schema){columns, columns_count};
}

static void fill_texts(struct abi_event *event, const struct abi_parse *p) {
    AUTO_BUF shape = BUF_INIT(BUF_TEXT_MAX);
    event->signature =
        arena_printf(p->arena, "%s%.*s", event->name, STR_FMT(buf_str(&p->canonical)));
    buf_addf(&shape, "%s(", event->name);
    for (size_t i = 0; i < p->item_count; i++) {
        const struct abi_item *item = &p->items[i];
        buf_adds(&shape, i == 0 ? "" : ",");
        buf_addstr(&shape, (struct str){p->canonical.data + item->canonical_from,
                                        item->canonical_to - item->canonical_from});
        buf_adds(&shape, item->is_indexed ? " indexed" : "");
    }
    buf_adds(&shape, event->is_anonymous ? ") anonymous" : ")");
    event->shape = arena_strdup(p->arena, buf_c(&shape));
    keccak256(str_of(event->signature), event->topic0);
}

/* "event", the name, up to '('. */
static enum err_code read_name(struct abi_parse *p, struct abi_event *event) {
    abi_skip_space(p);
    size_t at = p->at;
    struct str word = abi_take_word(p);
    abi_skip_space(p);
    if (str_equal_c(word, "event")) {
        at = p->at;
        word = abi_take_word(p);
        abi_skip_space(p);
    }
    if (word.len == 0) {
        return abi_parse_fail(p, at,
                              "the name of an event is missing: "
                              "write Transfer(address indexed from, uint256 value)");
    }
    if (abi_peek(p) != '(') {
        return abi_parse_fail(p, p->at, "'(' and the types of the parameters are missing");
    }
    return abi_copy_name(p, word, &event->name);
}

/* Behind ')': "anonymous", a semicolon, nothing else. */
static enum err_code read_end(struct abi_parse *p, struct abi_event *event) {
    abi_skip_space(p);
    size_t at = p->at;
    struct str word = abi_take_word(p);
    event->is_anonymous = str_equal_c(word, "anonymous");
    if (word.len > 0 && !event->is_anonymous) {
        return abi_parse_fail(p, at, "only 'anonymous' may stand behind the parameters");
    }
    abi_skip_space(p);
    p->at += abi_peek(p) == ';';
    abi_skip_space(p);
    return p->at < p->text.len ? abi_parse_fail(p, p->at, "more text behind the event") : ERR_NONE;
}

static enum err_code check_counts(struct abi_parse *p, const struct abi_event *event) {
    size_t indexed = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->item_count; i++) {
        indexed += p->items[i].is_indexed;
        bytes += p->items[i].type->head_bytes;
    }
    size_t indexed_max = event->is_anonymous ? ABI_TOPICS_MAX : ABI_TOPICS_MAX - 1;
    if (p->item_count > ABI_PARAMS_MAX) {
        return err_set(p->err, ERR_CONFIG, "%zu parameters; %d is the most", p->item_count,
                       ABI_PARAMS_MAX);
    }
    if (indexed > indexed_max) {
        return err_set(p->err, ERR_CONFIG, "%zu indexed parameters; %s event has at most %zu",
                       indexed, event->is_anonymous ? "an anonymous" : "an", indexed_max);
    }
    if (bytes > ABI_STATIC_MAX) {
        return err_set(p->err, ERR_CONFIG, "the parameters take more than 64 KiB");
    }
    return ERR_NONE;
}

static enum err_code parse_event(struct abi_parse *p, struct abi_event *event) {
    enum err_code code = read_name(p, event);
    if (code == ERR_NONE) {
        p->is_event = true;
        code = abi_parse_items(p);
    }
    if (code == ERR_NONE) {
        code = read_end(p, event);
    }
    return code == ERR_NONE ? check_counts(p, event) : code;
}

enum err_code abi_event_parse(struct str text, struct arena *arena, const struct abi_event **out,
                              struct err *err) {
    struct abi_parse p;
    struct abi_event *event = arena_new(arena, sizeof(*event));
    enum err_code code = abi_parse_init(&p, text, arena, err);
    if (code == ERR_NONE) {
        code = parse_event(&p, event);
    }
    if (code == ERR_NONE) {
        fill_params(event, &p);
        fill_texts(event, &p);
        *out = event;
    }
    abi_parse_release(&p);
    return code;
}

/* ---- streams ---- */

struct stream evm_event_stream(const struct abi_event *event, const char *name) {
    static const size_t identity[] = {EVM_COLUMN_CHAIN_ID, EVM_COLUMN_BLOCK_NUMBER,
                                      EVM_COLUMN_LOG_INDEX};
    return (struct stream){.name = name,
                           .schema = event->schema,
                           .identity = identity,
                           .identity_count = ARRAY_COUNT(identity)};
}

struct stream evm_block_stream(void) {
    static const size_t identity[] = {EVM_BLOCK_COLUMN_CHAIN_ID, EVM_BLOCK_COLUMN_BLOCK_NUMBER};
    return (struct stream){.name = "blocks",
                           .schema = {block_columns, EVM_BLOCK_COLUMN_COUNT},
                           .identity = identity,
                           .identity_count = ARRAY_COUNT(identity)};
}
