/* Checks of a transform's SQL against the real schema, before anything runs. */
#include <string.h>
#include <strings.h>

#include "base/parse.h"

#include "transform/internal.h"

struct probe {
    struct store *store;
    const struct flow *flow;
    const struct flow_transform *def;
    const struct node *node; /* where the SQL stands */
    struct sql_facts *facts;
    const struct schema *columns; /* of the relation the SQL reads */
};

static enum err_code at_sql(const struct probe *p, struct err *err, int64_t offset) {
    int line = p->node->line;
    int column = p->node->column;
    if (offset >= 0 && (size_t)offset <= p->node->text.len) {
        node_text_position(p->node, (size_t)offset, &line, &column);
    }
    err_where(err, "%s:%d:%d", p->node->file, line, column);
    return err_wrap(err, "transform '%s'", p->def->name);
}

static enum err_code analyse(const struct probe *p, const char *relation, const char *body,
                             const char *user_sql, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    size_t prefix = 0;
    int64_t offset = -1;
    if (body != NULL) {
        sql_wrap_bare(&sql, relation, body, user_sql, &prefix);
    } else {
        buf_adds(&sql, user_sql); /* the relation is a table of that name */
    }
    enum err_code code = lint_statement(user_sql, p->node, err);
    if (code == ERR_NONE) {
        code = lint_sql(p->flow, p->def, user_sql, p->node, err);
    }
    if (code != ERR_NONE) {
        return err_wrap(err, "transform '%s'", p->def->name);
    }
    code = store_analyse(p->store, buf_c(&sql), p->facts, &offset, err);
    if (code == ERR_NONE) {
        return ERR_NONE;
    }
    offset = offset < (int64_t)prefix ? -1 : offset - (int64_t)prefix;
    const struct sql_scope scope = {user_sql, relation, p->columns};
    hint_sql(p->flow, p->def, &scope, &offset, err);
    return at_sql(p, err, offset);
}

static enum err_code fault(const struct probe *p, struct err *err) {
    err->code = ERR_CONFIG;
    return at_sql(p, err, 0);
}

/* As SQL does, names are compared without regard to case. */
static bool facts_have(const struct sql_facts *f, const char *name) {
    for (size_t i = 0; i < f->column_count; i++) {
        if (strcasecmp(f->columns[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* True when name occurs in text as a word. */
static bool mentions(const char *text, const char *name) {
    size_t len = strlen(name);
    for (const char *at = strcasestr(text, name); at != NULL; at = strcasestr(at + 1, name)) {
        bool left = at == text || !(at[-1] == '_' || (at[-1] >= 'a' && at[-1] <= 'z') ||
                                    (at[-1] >= 'A' && at[-1] <= 'Z'));
        char after = at[len];
        bool right = !(after == '_' || (after >= 'a' && after <= 'z') ||
                       (after >= 'A' && after <= 'Z') || (after >= '0' && after <= '9'));
        if (left && right) {
            return true;
        }
    }
    return false;
}

/* SQLite tells columns of one name apart as "x" and "x:1". */
static bool is_repeated(const struct sql_facts *f, size_t index,
                        char out[FLOW_NAME_BYTES_MAX + 1]) {
    const char *colon = strrchr(f->columns[index], ':');
    if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0') {
        return false;
    }
    size_t len = (size_t)(colon - f->columns[index]);
    memcpy(out, f->columns[index], len);
    out[len] = '\0';
    return facts_have(f, out);
}

/* Columns that are taken over as they are must have a type the table's column can hold. What an expression gives is known
 * only when it runs: a value of another type is then a reject. */
static enum err_code check_types(const struct probe *p, const struct schema *schema, const char *of,
                                 struct err *err) {
    const struct sql_facts *f = p->facts;
    for (size_t i = 0; i < f->column_count; i++) {
        const int index = schema_find(schema, str_of(f->columns[i]));
        if (index < 0 || f->decltypes[i][0] == '\0') {
            continue;
        }
        const struct column *c = &schema->columns[index];
        if (p->def->kind == TRANSFORM_SUM && c->type == TYPE_INT256) {
            continue; /* the sum reads amounts with i256() */
        }
        const char *wanted = store_sql_type(p->store, c->type);
        const char *given = f->decltypes[i];
        if (strcmp(given, wanted) == 0 ||
            (strcmp(given, "INTEGER") == 0 && strcmp(wanted, "REAL") == 0)) {
            continue;
        }
        err_set(err, ERR_CONFIG,
                "column '%s' of %s is %s, but the SELECT gives it a column of SQL type %s; convert "
                "it (%s), or change "
                "the type in the flow",
                c->name, of, type_name(c->type), given,
                c->type == TYPE_INT256           ? "i256(...)"
                : strcmp(given, "BLOB") == 0     ? "i256_to_int(...), i256_text(...)"
                : strcmp(wanted, "INTEGER") == 0 ? "CAST(... AS INTEGER)"
                : strcmp(wanted, "REAL") == 0    ? "CAST(... AS REAL)"
                                                 : "CAST(... AS TEXT)");
        return fault(p, err);
    }
    return ERR_NONE;
}

static enum err_code missing_column(const struct probe *p, const struct schema *schema,
                                    bool is_changed, const char *name, const char *of,
                                    struct err *err) {
    const int index = schema_find(schema, str_of(name));
    const struct flow_table *into = p->def->into;
    const bool is_key = is_changed || (!into->key_auto && schema == &into->schema &&
                                       sql_is_in(into->key, into->key_count, (size_t)index));
    err_set(err, ERR_CONFIG,
            "the SELECT gives no column '%s', which %s has%s; write `... AS %s`%s%s", name, of,
            is_key ? " in its key" : "", name, is_key ? "" : ", or NULL AS ", is_key ? "" : name);
    return fault(p, err);
}

/* Names that must come out of the SELECT against those that do. */
static enum err_code check_columns(const struct probe *p, const struct schema *schema,
                                   const size_t *only, size_t only_count, const char *of,
                                   struct err *err) {
    const struct sql_facts *f = p->facts;
    const char *names[SCHEMA_COLUMNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->count; i++) {
        if (only == NULL || sql_is_in(only, only_count, i)) {
            names[count++] = schema->columns[i].name;
        }
    }
    for (size_t i = 0; i < f->column_count; i++) {
        char repeated[FLOW_NAME_BYTES_MAX + 1];
        if (is_repeated(f, i, repeated)) {
            err_set(err, ERR_CONFIG, "the SELECT gives column '%s' twice", repeated);
            return fault(p, err);
        }
        bool wanted = false;
        for (size_t k = 0; k < count; k++) {
            wanted = wanted || strcasecmp(names[k], f->columns[i]) == 0;
        }
        if (!wanted &&
            !(p->def->delete_when != NULL && mentions(p->def->delete_when, f->columns[i]))) {
            const char *near = parse_nearest(str_of(f->columns[i]), names, count);
            err_set(err, ERR_CONFIG, "the SELECT gives a column '%s' that %s does not have%s%s%s",
                    f->columns[i], of, near != NULL ? "; did you mean '" : "",
                    near != NULL ? near : "", near != NULL ? "'?" : "");
            return fault(p, err);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!facts_have(f, names[i])) {
            return missing_column(p, schema, only != NULL, names[i], of, err);
        }
    }
    return check_types(p, schema, of, err);
}

static const struct flow_table *find_table(const struct flow *flow, const char *name) {
    for (size_t i = 0; i < flow->table_count; i++) {
        if (strcasecmp(flow->tables[i].name, name) == 0) {
            return &flow->tables[i];
        }
    }
    return NULL;
}

/* What may be read without being a table of the flow: a table-valued function, or the user's own
 * WITH, whose name alone is told when none of its columns is read. */
static bool is_no_table(const char *name, const char *column) {
    bool engine = strncasecmp(name, "_plumb", 6) == 0 || strncasecmp(name, "sqlite_", 7) == 0;
    return !engine &&
           (column[0] == '\0' || strcmp(name, "json_each") == 0 || strcmp(name, "json_tree") == 0);
}

/* Every table read must be the probe's relation, a reference table, or on the list. */
static enum err_code check_reads(const struct probe *p, const char *relation, struct err *err) {
    for (size_t i = 0; i < p->facts->read_count; i++) {
        const char *name = p->facts->reads[i].table;
        const char *column = p->facts->reads[i].column;
        const struct flow_table *table = find_table(p->flow, name);
        if (column[0] == '_' && table != NULL) {
            err_set(
                err, ERR_CONFIG,
                "'%s.%s' depends on how records were batched; only your own columns may be read",
                name, column);
            return fault(p, err);
        }
        if (strcmp(name, relation) == 0 || (table != NULL && table->is_reference)) {
            continue;
        }
        bool listed = false;
        for (size_t k = 0; k < p->def->on_count; k++) {
            listed = listed || p->def->on[k].table == table;
        }
        if (table == NULL ? is_no_table(name, column) : listed) {
            continue;
        }
        if (table == NULL) {
            err_set(err, ERR_CONFIG,
                    "'%s' is no table of the flow (or belongs to the engine); what is read must "
                    "be declared under tables",
                    name);
        } else if (table == p->def->into) {
            err_set(
                err, ERR_CONFIG,
                "reads its own table '%s'; what it makes must not depend on what it made before",
                name);
        } else if (table == p->def->from) {
            err_set(err, ERR_CONFIG,
                    "reads table '%s' itself; its rows that changed are called `change` here",
                    name);
        } else if (p->def->kind == TRANSFORM_DERIVE) {
            err_set(err, ERR_CONFIG, "reads table '%s', which changes, but `on` does not name it",
                    name);
        } else {
            err_set(err, ERR_CONFIG,
                    "reads table '%s', which changes: its rows would depend on when they were "
                    "read. Only reference tables "
                    "may be read here; join in a `derive` instead",
                    name);
        }
        return fault(p, err);
    }
    return ERR_NONE;
}

/* Whether result column `index` is a column of the relation or of a table, of this type, as it is. */
static bool is_plain(const struct probe *p, const char *relation, size_t index,
                     enum column_type type) {
    const char *table = p->facts->origins[index].table;
    const struct flow_table *known = find_table(p->flow, table);
    const struct schema *schema = strcmp(table, relation) == 0 ? p->columns
                                  : known != NULL              ? &known->schema
                                                               : NULL;
    int column = schema != NULL ? schema_find(schema, str_of(p->facts->origins[index].column)) : -1;
    return column >= 0 && schema->columns[column].type == type;
}

static void note_computed(const struct probe *p, const char *relation, struct transform *t) {
    const struct schema *into = &t->def->into->schema;
    t->computed = mem_alloc_array(into->count, sizeof(*t->computed));
    for (size_t i = 0; i < into->count; i++) {
        t->computed[i] = true;
        for (size_t k = 0; k < p->facts->column_count; k++) {
            if (strcasecmp(p->facts->columns[k], into->columns[i].name) == 0) {
                t->computed[i] = !is_plain(p, relation, k, into->columns[i].type);
            }
        }
    }
}

static enum err_code check_row_by_row(const struct probe *p, struct err *err) {
    const struct sql_facts *f = p->facts;
    const char *why = NULL;
    if (f->batch_scans == 0) {
        why = "does not read `batch`";
    } else if (f->has_aggregate) {
        why = "aggregates rows: its result would depend on where a batch ends. Use a `sum` or a "
              "`derive` over the table";
    } else if (f->has_sorter || f->has_compound) {
        why = "sorts, groups, or combines selects: its result would depend on where a batch ends. "
              "A map works row by row";
    } else if (f->batch_scans > 1) {
        why = "reads `batch` more than once; a map works row by row";
    } else if (f->has_limit) {
        why = "has a LIMIT over `batch`: its result would depend on where a batch ends";
    } else if (f->is_mixed || !f->batch_is_outer) {
        why = "does not read `batch` first, so the order of records would be lost; write FROM "
              "batch CROSS JOIN other";
    }
    if (why == NULL) {
        return ERR_NONE;
    }
    err_set(err, ERR_CONFIG, "%s", why);
    return fault(p, err);
}

static enum err_code check_delete_when(const struct probe *p, const char *relation,
                                       const char *body, struct err *err) {
    if (p->def->delete_when == NULL) {
        return ERR_NONE;
    }
    AUTO_BUF inner = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    size_t prefix = 0;
    sql_wrap_bare(&inner, "batch", body, p->def->sql, &prefix);
    buf_adds(&sql, "SELECT (");
    size_t start = sql.len;
    /* The line break ends a comment. */
    buf_addf(&sql, "%s\n) FROM (%s) AS s", p->def->delete_when, buf_c(&inner));
    int64_t offset = -1;
    struct probe q = *p;
    q.node = p->def->delete_when_node;
    enum err_code code = lint_sql(p->flow, p->def, p->def->delete_when, q.node, err);
    if (code != ERR_NONE) {
        return err_wrap(err, "transform '%s'", p->def->name);
    }
    code = store_analyse(p->store, buf_c(&sql), p->facts, &offset, err);
    if (code != ERR_NONE) {
        offset = offset < (int64_t)start ? -1 : offset - (int64_t)start;
        const struct sql_scope scope = {p->def->delete_when, NULL, &p->def->into->schema};
        hint_sql(p->flow, p->def, &scope, &offset, err);
        return at_sql(&q, err, offset);
    }
    if (p->facts->column_count != 1) {
        err_set(err, ERR_CONFIG, "delete_when must be one condition");
        return fault(&q, err);
    }
    code = check_reads(&q, relation, err);
    return code == ERR_NONE ? check_row_by_row(&q, err) : code;
}

/* Which tombstones hold for the table, and that all its maps mean the same by "older" then. */
static enum err_code find_graves(const struct flow *flow, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    for (size_t i = 0; t->graves == NULL && i < flow->transform_count; i++) {
        const struct flow_transform *other = &flow->transforms[i];
        if (other->into == def->into && other->delete_when != NULL && other->latest_by_count > 0) {
            t->graves = other;
        }
    }
    const struct flow_transform *graves = t->graves;
    if (graves == NULL || (graves->latest_by_count == def->latest_by_count &&
                           memcmp(graves->latest_by, def->latest_by,
                                  def->latest_by_count * sizeof(def->latest_by[0])) == 0)) {
        return ERR_NONE;
    }
    return node_error(def->node, err,
                      "transform '%s' writes table '%s' like '%s', which deletes rows, but its "
                      "latest_by is another one: say the same in all maps into a table, or it "
                      "would depend on the order of arrival what is deleted",
                      def->name, def->into->name, graves->name);
}

/* Two maps over one source meet batch by batch: which of two rows of one key comes later depends on
 * where batches end, and with key: auto all rows of a record have the same key. */
static enum err_code check_twins(const struct flow *flow, const struct transform *t,
                                 struct err *err) {
    const struct flow_transform *def = t->def;
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *other = &flow->transforms[i];
        bool apart = t->identity != NULL && other->stream != def->stream; /* no row of both */
        if (other == def || other->into != def->into || other->source != def->source || apart ||
            (def->latest_by_count > 0 && other->latest_by_count > 0)) {
            continue;
        }
        return node_error(def->node, err,
                          "transforms '%s' and '%s' both bring source '%s' into table '%s'%s; make "
                          "it one map (`many: true` if a record gives several rows)%s",
                          other->name, def->name, def->source->name, def->into->name,
                          def->into->key_auto
                              ? ", and with key: auto a record has one row"
                              : ": which row of a key is the last would depend on where a batch "
                                "ends",
                          def->into->key_auto ? ", or a table each" : ", or say latest_by in both");
    }
    return ERR_NONE;
}

enum err_code check_map(struct store *s, const struct flow *flow, struct transform *t,
                        struct err *err) {
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    struct probe p = {s, flow, t->def, t->def->sql_node, facts, &t->def->stream->spec->schema};
    const char *relation = t->def->stream->relation;
    char *body = mem_printf("SELECT * FROM temp.\"%s\"", relation);
    char *of = mem_printf("table '%s'", t->def->into->name);
    enum err_code code = find_graves(flow, t, err);
    if (code == ERR_NONE) {
        code = analyse(&p, "batch", body, t->def->sql, err);
    }
    if (code == ERR_NONE) {
        code = check_reads(&p, relation, err);
    }
    if (code == ERR_NONE) {
        code = check_row_by_row(&p, err);
    }
    if (code == ERR_NONE) {
        code = check_columns(&p, &t->def->into->schema, NULL, 0, of, err);
    }
    t->tracked = facts->has_join || t->def->many;
    note_computed(&p, relation, t);
    if (code == ERR_NONE && (t->def->source->component->caps & CAP_TAKES_BACK) != 0) {
        code = take_back_check(facts, relation, t, err);
    }
    if (code == ERR_NONE) {
        code = check_twins(flow, t, err);
    }
    if (code == ERR_NONE) {
        code = check_delete_when(&p, relation, body, err);
    }
    mem_free(of);
    mem_free(body);
    mem_free(facts);
    return code;
}

/* A table with the columns of `schema` that only the checked SQL sees. */
static enum err_code probe_table(struct store *s, const char *name, const struct schema *schema,
                                 struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "CREATE TEMP TABLE \"%s\"(", name);
    sql_column_types(&sql, s, schema);
    buf_adds(&sql, ")");
    return store_execute(s, buf_c(&sql), err);
}

static enum err_code check_amounts(const struct probe *p, struct err *err) {
    for (size_t i = 0; i < p->facts->column_count; i++) {
        if (strcmp(p->facts->decltypes[i], "REAL") == 0) {
            err_set(err, ERR_CONFIG,
                    "amount '%s' is a float64: floats do not add up to the same thing twice. Use "
                    "an int64 of the smallest "
                    "unit (cents), or int256",
                    p->facts->columns[i]);
            return fault(p, err);
        }
    }
    const struct sql_facts *f = p->facts;
    const char *why = NULL;
    if (f->batch_scans == 0) {
        why = "does not read `change`";
    } else if (f->is_mixed) {
        why = "does not add up: each row must come from one row of `change`. Read it once per "
              "SELECT, not in a subquery of an expression, and not as the side of an outer join "
              "that may be missing";
    } else if (f->has_aggregate || f->has_sorter || f->has_limit) {
        why = "groups or aggregates, sorts or limits; give one row of amounts per changed row, the "
              "engine adds them";
    }
    if (why == NULL) {
        return ERR_NONE;
    }
    err_set(err, ERR_CONFIG, "%s", why);
    return fault(p, err);
}

enum err_code check_sum(struct store *s, const struct flow *flow, struct transform *t,
                        struct err *err) {
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    struct probe p = {s, flow, t->def, t->def->sql_node, facts, &t->def->from->schema};
    /* A table and not a WITH, so that only the columns the SELECT names count as read: the queue holds just those. */
    static const char relation[] = "change";
    char *of = mem_printf("table '%s'", t->def->into->name);
    enum err_code code = probe_table(s, relation, &t->def->from->schema, err);
    if (code == ERR_NONE) {
        code = analyse(&p, relation, NULL, t->def->sql, err);
    }
    if (code == ERR_NONE) {
        code = check_reads(&p, relation, err);
    }
    t->reads = mem_alloc_array(t->def->from->schema.count, sizeof(*t->reads));
    for (size_t i = 0; code == ERR_NONE && i < facts->read_count; i++) {
        int index = schema_find(&t->def->from->schema, str_of(facts->reads[i].column));
        if (strcmp(facts->reads[i].table, relation) == 0 && index >= 0) {
            t->reads[index] = true;
        }
    }
    /* And a WITH, as it will run: an alias then does not hide the relation in the plan. */
    if (code == ERR_NONE) {
        code = analyse(&p, relation, "SELECT * FROM temp.\"change\"", t->def->sql, err);
    }
    if (code == ERR_NONE) {
        code = check_amounts(&p, err);
    }
    if (code == ERR_NONE) {
        code = check_columns(&p, &t->def->into->schema, NULL, 0, of, err);
    }
    if (code == ERR_NONE) {
        code = store_execute(s, "DROP TABLE temp.\"change\"", err);
    }
    mem_free(of);
    mem_free(facts);
    return code;
}

static enum err_code check_mapping(struct store *s, const struct flow *flow,
                                   const struct transform *t, const struct flow_on *on,
                                   struct sql_facts *facts, struct err *err) {
    struct probe p = {s, flow, t->def, on->node, facts, &on->table->schema};
    char *relation = mem_printf("_plumb_change_%s.%s", t->def->name, on->table->name);
    char *body = mem_printf("SELECT * FROM temp.\"%s\"", relation);
    enum err_code code = probe_table(s, relation, &on->table->schema, err);
    if (code == ERR_NONE) {
        code = analyse(&p, "change", body, on->sql, err);
    }
    if (code == ERR_NONE) {
        code = check_reads(&p, relation, err);
    }
    if (code == ERR_NONE && (facts->batch_scans == 0 || facts->has_limit || facts->has_aggregate)) {
        err_set(err, ERR_CONFIG,
                facts->batch_scans == 0
                    ? "does not read `change`"
                    : "aggregates or limits rows of `change`: keys would be missed; give one row "
                      "per key");
        code = fault(&p, err);
    }
    if (code == ERR_NONE) {
        code = check_columns(&p, &t->def->into->schema, t->def->changed, t->def->changed_count,
                             "`changed`", err);
    }
    mem_free(body);
    mem_free(relation);
    return code;
}

enum err_code check_derive(struct store *s, const struct flow *flow, struct transform *t,
                           struct err *err) {
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    struct probe p = {s, flow, t->def, t->def->sql_node, facts, NULL};
    struct column columns[SCHEMA_COLUMNS_MAX];
    for (size_t i = 0; i < t->def->changed_count; i++) {
        columns[i] = t->def->into->schema.columns[t->def->changed[i]];
    }
    struct schema keys = {columns, t->def->changed_count};
    p.columns = &keys;
    char *relation = mem_printf("_plumb_keys_%s", t->def->name);
    char *body = mem_printf("SELECT * FROM temp.\"%s\"", relation);
    char *of = mem_printf("table '%s'", t->def->into->name);
    enum err_code code = probe_table(s, relation, &keys, err);
    if (code == ERR_NONE) {
        code = analyse(&p, "changed", body, t->def->sql, err);
    }
    if (code == ERR_NONE) {
        code = check_reads(&p, relation, err);
    }
    bool reads_changed = false;
    for (size_t i = 0; i < facts->read_count; i++) {
        reads_changed = reads_changed || strcmp(facts->reads[i].table, relation) == 0;
    }
    if (code == ERR_NONE && !reads_changed) {
        err_set(err, ERR_CONFIG,
                "does not read `changed`: it would compute every key again each time");
        code = fault(&p, err);
    }
    if (code == ERR_NONE) {
        code = check_columns(&p, &t->def->into->schema, NULL, 0, of, err);
    }
    note_computed(&p, relation, t);
    for (size_t i = 0; code == ERR_NONE && i < t->def->on_count; i++) {
        if (t->def->on[i].sql != NULL) {
            code = check_mapping(s, flow, t, &t->def->on[i], facts, err);
        }
    }
    mem_free(of);
    mem_free(body);
    mem_free(relation);
    mem_free(facts);
    return code;
}
