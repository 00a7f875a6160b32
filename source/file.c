/* Reads files: JSON lines, CSV, or lines matched by a pattern; plain, gzip or zstd.
 *
 * Delivery: every record once, across restarts, renames and any split into batches; the engine
 * commits the cursor with the batch. Each file is a partition with its own cursor: how far it was
 * read, and what its beginning looked like (source/file_part.h). Order within a file is kept; files
 * are read one after the other in bytewise order of their paths, in follow mode in turns.
 *
 * Limits: FILE_GLOB_MAX files, records of record_bytes_max (longer ones are kept by their beginning
 * and their place), CSV headers of 64 KiB, paths of 600 bytes. A file that is copied and truncated
 * by its rotation loses what was written between the last look and the truncation. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "component/component.h"
#include "source/file_reader.h"
#include "source/sources.h"

enum file_format { FORMAT_AUTO, FORMAT_JSONL, FORMAT_CSV, FORMAT_LINES };

struct file_conf {
    const char *path;
    int64_t format; /* enum file_format */
    const char *pattern;
    char delimiter;
    char quote;
    const char *null;    /* text of no value */
    int64_t compression; /* enum file_compression */
    bool verify;
    bool follow;
    int64_t poll; /* us */
};

static const char *const formats[] = {"auto", "jsonl", "csv", "lines", NULL};
static const char *const compressions[] = {"auto", "none", "gzip", "zstd", NULL};

static const struct option options[] = {
    OPTION_STR(struct file_conf, path, .flags = OPTION_REQUIRED,
               .doc = "The files to read: a path or a pattern with `*`, `?`, `[a-z]` and `**` (any "
                      "depth), relative to the flow's directory.",
               .example = "data/orders-*.jsonl"),
    OPTION_ENUM(struct file_conf, format, .def = "auto", .choices = formats, .flags = OPTION_SHAPES,
                .doc =
                    "What a record is: a line of JSON (`jsonl`), a CSV record under a header line "
                    "(`csv`), or a line that a pattern takes apart (`lines`). `auto` goes by the "
                    "name: .jsonl, .ndjson and .json, .csv and .tsv.",
                .example = "csv"),
    OPTION_STR(struct file_conf, pattern, .flags = OPTION_SHAPES,
               .doc =
                   "For `lines`: a PCRE2 pattern; its named groups are the fields of the record.",
               .example = "'^(?<time>\\S+) (?<level>\\w+) (?<message>.*)$'"),
    OPTION_CHAR(struct file_conf, delimiter, .flags = OPTION_SHAPES,
                .doc = "For `csv`: what stands between two cells; a comma, in .tsv files a tab, "
                       "unless given.",
                .example = "';'"),
    OPTION_CHAR(struct file_conf, quote, .def = "\"", .flags = OPTION_SHAPES,
                .doc =
                    "For `csv`: what surrounds cells with delimiters or newlines in them; doubled "
                    "inside it stands for itself.",
                .example = "\"'\""),
    OPTION_STR(struct file_conf, null, .def = "", .flags = OPTION_SHAPES,
               .doc = "For `csv`: an unquoted cell with this text is no value.", .example = "NULL"),
    OPTION_ENUM(struct file_conf, compression, .def = "auto", .choices = compressions,
                .doc = "How the files are compressed; `auto` looks at their first bytes.",
                .example = "gzip"),
    OPTION_BOOL(struct file_conf, verify, .def = "true", .flags = OPTION_ADVANCED,
                .doc =
                    "Read a compressed file to its end for its checksums before a record is taken "
                    "from it, so that a damaged one adds nothing wrong; it costs the time of "
                    "decompressing once more. One that merely ends too early is read as far as "
                    "it goes. With `false` so is a damaged one.",
                .example = "false"),
    OPTION_BOOL(struct file_conf, follow, .def = "false",
                .doc = "The files are logs that other programs are writing: read all of them in "
                       "turns, wait for the end of a line, and take a file that shrank as started "
                       "anew. Without it a file that shrank or changed is left alone and reported.",
                .example = "true"),
    OPTION_DURATION(struct file_conf, poll, .def = "250ms", .min = 1000, .max = 86400000000,
                    .flags = OPTION_ADVANCED,
                    .doc = "How often to look for new files and appended bytes when all is read.",
                    .example = "1s"),
};

struct file_source {
    const struct file_conf *conf; /* borrowed */
    struct file_set set;
    struct file_reader reader;
    char *pattern; /* the path option without "./" */
    size_t turn;   /* index in set.order: whose turn it is */
    bool scanned;  /* the order is worth something */
    bool once;
    bool has_past;   /* there were cursors */
    int64_t scan_us; /* monotonic, of the last scan */
};

static enum err_code file_source_check(const void *conf, const struct contract *contract,
                                       const struct node *n, struct err *err);
static enum err_code file_source_open(const void *conf, const struct source_env *env, void **out,
                                      struct err *err);
static void file_source_close(void *source);
static enum err_code file_source_next(void *source, const struct source_limit *limit,
                                      struct source_output *out, enum source_state *state,
                                      struct err *err);
static enum err_code file_source_decoder(const void *conf, const struct contract *contract,
                                         const struct stream *streams, size_t stream_count,
                                         struct decoder **out, struct err *err);

static const struct source_ops ops = {
    .open = file_source_open,
    .close = file_source_close,
    .next = file_source_next,
    .decoder = file_source_decoder,
};

const struct component source_file = {
    .kind = COMPONENT_SOURCE,
    .name = "file",
    .since = "0.1",
    .status = STATUS_STABLE,
    .summary = "Read JSON lines, CSV or log files, also compressed, also while they grow.",
    .doc =
        "Every file is read once, from its start to its end, in the order of the names; the place "
        "reached is kept in the store together with the records, so that a restart goes on exactly "
        "there. A file keeps its identity when it is renamed, when it is compressed or "
        "decompressed where it is (`access.log-1`, `access.log-1.gz`), and when it is copied to "
        "another disk under the same name.\n\n"
        "`run --once` reads what is there and ends. `run` goes on looking for new files and for "
        "appended lines. The last line of a file counts without its newline once nobody has "
        "written "
        "to the file for 5 seconds, with `run --once` at once, with `follow: true` never.\n\n"
        "Something wrong with one file (unreadable, damaged compression, rewritten after it was "
        "read) is reported as trouble of that file; the others go on.",
    .example = "orders:\n"
               "  type: file\n"
               "  path: data/orders-*.jsonl\n"
               "  columns:\n"
               "    id: {type: int64, required: true}\n"
               "    customer: {type: text}\n",
    COMPONENT_OPTIONS(options),
    .conf_size = sizeof(struct file_conf),
    .caps = CAP_RESUMABLE | CAP_ORDERED,
    .check = file_source_check,
    .source = &ops,
};

/* ---- configuration ---- */

static enum file_format conf_format(const struct file_conf *c) {
    if (c->format != FORMAT_AUTO) {
        return (enum file_format)c->format;
    }
    struct str stem = file_name_stem(c->path);
    if (str_ends_with(stem, STR(".jsonl")) || str_ends_with(stem, STR(".ndjson")) ||
        str_ends_with(stem, STR(".json"))) {
        return FORMAT_JSONL;
    }
    if (str_ends_with(stem, STR(".csv")) || str_ends_with(stem, STR(".tsv"))) {
        return FORMAT_CSV;
    }
    return c->pattern != NULL ? FORMAT_LINES : FORMAT_AUTO;
}

static char conf_delimiter(const struct file_conf *c) {
    if (c->delimiter != 0) {
        return c->delimiter;
    }
    return str_ends_with(file_name_stem(c->path), STR(".tsv")) ? '\t' : ',';
}

/* An option that says nothing in this format is a misunderstanding. */
static enum err_code refuse_option(const struct node *n, const char *key, const char *format,
                                   struct err *err) {
    const struct node *value = n != NULL ? node_get(n, key) : NULL;
    if (value == NULL) {
        return ERR_NONE;
    }
    return node_key_error(value, err, "'%s' is only for format: %s; remove it", key, format);
}

static enum err_code check_csv(const struct file_conf *c, const struct node *n, struct err *err) {
    char delimiter = conf_delimiter(c);
    if (delimiter == c->quote || delimiter == '\n' || delimiter == '\r' || c->quote == '\n' ||
        c->quote == '\r' || c->quote == 0) {
        return node_error(n, err,
                          "delimiter and quote must be two different characters, and no newline");
    }
    return refuse_option(n, "pattern", "lines", err);
}

static enum err_code file_source_check(const void *conf, const struct contract *contract,
                                       const struct node *n, struct err *err) {
    const struct file_conf *c = conf;
    if (c->path[0] == '\0') {
        return node_error(n, err, "path is empty; give a file or a pattern like 'data/*.jsonl'");
    }
    enum file_format format = conf_format(c);
    if (format == FORMAT_AUTO) {
        return node_error(n, err,
                          "the name '%s' does not tell the format; add format: jsonl, csv or lines",
                          c->path);
    }
    if (format == FORMAT_CSV) {
        return check_csv(c, n, err);
    }
    static const char *const csv_keys[] = {"delimiter", "quote", "null"};
    for (size_t i = 0; i < ARRAY_COUNT(csv_keys); i++) {
        enum err_code code = refuse_option(n, csv_keys[i], "csv", err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (format == FORMAT_JSONL) {
        return refuse_option(n, "pattern", "lines", err);
    }
    if (c->pattern == NULL) {
        return node_error(n, err,
                          "format: lines needs a pattern with a named group for every field, such "
                          "as '^(?<time>\\S+) (?<message>.*)$'");
    }
    if (contract == NULL) {
        return ERR_NONE;
    }
    struct decoder *decoder = NULL;
    if (decoder_new_regex(contract, c->pattern, &decoder, err) != ERR_NONE) {
        struct err cause = *err;
        const struct node *at = node_get(n, "pattern");
        return node_error(at != NULL ? at : n, err, "%s", cause.message);
    }
    decoder_free(decoder);
    return ERR_NONE;
}

static enum err_code file_source_decoder(const void *conf, const struct contract *contract,
                                         const struct stream *streams, size_t stream_count,
                                         struct decoder **out, struct err *err) {
    (void)streams;
    (void)stream_count;
    const struct file_conf *c = conf;
    switch (conf_format(c)) {
    case FORMAT_JSONL:
        return decoder_new_json(contract, out, err);
    case FORMAT_CSV: {
        const struct csv_options csv = {
            .delimiter = conf_delimiter(c), .quote = c->quote, .null_text = str_of(c->null)};
        return decoder_new_csv(contract, &csv, out, err);
    }
    case FORMAT_LINES:
        return decoder_new_regex(contract, c->pattern, out, err);
    case FORMAT_AUTO:
        break;
    }
    return err_set(err, ERR_CONFIG, "the name '%s' does not tell the format; add format:", c->path);
}

/* ---- reading ---- */

static enum err_code file_source_open(const void *conf, const struct source_env *env, void **out,
                                      struct err *err) {
    const struct file_conf *c = conf;
    struct file_source *s = mem_alloc(sizeof(*s));
    s->conf = c;
    s->once = env->once;
    s->has_past = env->cursor_count > 0;
    const char *path = c->path;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    s->pattern = mem_strdup(path);
    file_set_init(&s->set);
    s->set.pattern = s->pattern;
    s->set.directory = env->directory;
    s->set.once = env->once;
    s->set.follow = c->follow;
    const bool csv = conf_format(c) == FORMAT_CSV;
    file_reader_init(&s->reader, &s->set, env->record_bytes_max, csv ? conf_delimiter(c) : '\0',
                     c->quote);
    s->set.compression = (enum file_compression)c->compression;
    s->reader.verify = c->verify;
    for (size_t i = 0; i < env->cursor_count; i++) {
        enum err_code code = file_set_add_cursor(&s->set, &env->cursors[i], err);
        if (code != ERR_NONE) {
            file_source_close(s);
            return code;
        }
    }
    *out = s;
    return ERR_NONE;
}

static void file_source_close(void *source) {
    struct file_source *s = source;
    if (s == NULL) {
        return;
    }
    file_reader_release(&s->reader);
    file_set_release(&s->set);
    mem_free(s->pattern);
    mem_free(s);
}

/* A file that was begun is read on: going back to a compressed one means reading it from its
 * beginning. */
static void stay_with_active(struct file_source *s) {
    const struct file_part *active = s->reader.active;
    if (active == NULL || !active->news ||
        (s->conf->follow && active->compression == COMPRESSION_NONE)) {
        return;
    }
    for (size_t i = 0; i < s->set.order_count; i++) {
        if (s->set.order[i] == active) {
            s->turn = i;
            return;
        }
    }
}

static enum err_code tell_nothing_found(const struct file_source *s, struct err *err) {
    char *full = file_set_full_path(&s->set, s->pattern);
    struct file_info info = {0};
    struct err ignored = ERR_INIT;
    bool is_directory = file_info_of(full, &info, &ignored) == ERR_NONE && info.is_directory;
    mem_free(full);
    if (is_directory) {
        return err_set(err, ERR_CONFIG,
                       "'%s' in '%s' is a directory, not a file; to read the files in it, write "
                       "path: '%s/*'",
                       s->conf->path, s->set.directory, s->pattern);
    }
    return err_set(err, ERR_CONFIG,
                   "no file matches '%s' in '%s'; correct the path option, or bring the files",
                   s->conf->path, s->set.directory);
}

static enum err_code scan(struct file_source *s, struct err *err) {
    enum err_code code = file_set_scan(&s->set, err);
    if (code != ERR_NONE) {
        return code;
    }
    s->scanned = true;
    s->set.stale = false;
    s->scan_us = clock_monotonic_us();
    if (!s->conf->follow || s->turn >= s->set.order_count) {
        s->turn = 0;
    }
    stay_with_active(s);
    return s->once && s->set.matched == 0 && !s->has_past ? tell_nothing_found(s, err) : ERR_NONE;
}

/* The next partition, from the one whose turn it is on, with something to tell or to read. */
static struct file_part *choose_part(struct file_source *s) {
    for (size_t i = 0; i < s->set.order_count; i++) {
        size_t at = (s->turn + i) % s->set.order_count;
        struct file_part *p = s->set.order[at];
        if (p->trouble != NULL || p->news) {
            s->turn = at;
            return p;
        }
    }
    return NULL;
}

static void give_trouble(struct file_part *p, struct source_output *out) {
    (void)snprintf(out->partition, sizeof(out->partition), "%s", p->name);
    out->trouble = *p->trouble;
    mem_free(p->trouble);
    p->trouble = NULL;
}

/* The batch is whole: what was read becomes where the partition stands. */
static void give_batch(struct file_source *s, struct file_part *p, const struct file_mark *mark,
                       struct source_output *out) {
    (void)snprintf(out->partition, sizeof(out->partition), "%s", p->name);
    file_part_write_cursor(p, mark, &out->cursor);
    out->first_record = p->mark.records;
    p->mark = *mark;
    p->has_cursor = true;
    p->moved = false;
    if (p->trouble == NULL && out->batch.count > 0) {
        p->told = 0;
    }
    bool more = file_reader_has_more(&s->reader);
    bool packed = p->compression != COMPRESSION_NONE;
    if (s->conf->follow && !packed) {
        s->turn = (s->turn + 1) % s->set.order_count;
    }
    file_set_note_unread(&s->set, p, p->news ? p->size - file_reader_taken(&s->reader, p) : 0);
    out->lag_bytes = s->set.unread;
    out->behind = more || choose_part(s) != NULL;
}

/* A renamed file: only the cursor moves, so that the new name is known after a restart on another
 * disk, too. */
static enum err_code give_moved(struct file_source *s, struct file_part *p,
                                struct source_output *out, enum source_state *state,
                                struct err *err) {
    enum err_code code = batch_begin(&out->batch, STR(""), err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct file_mark mark = p->mark;
    p->news = p->verdict == FILE_SAME && (file_part_has_unread(p) || (p->tail && p->settled));
    give_batch(s, p, &mark, out);
    *state = SOURCE_BATCH;
    return ERR_NONE;
}

static enum err_code file_source_next(void *source, const struct source_limit *limit,
                                      struct source_output *out, enum source_state *state,
                                      struct err *err) {
    struct file_source *s = source;
    ASSERT(limit->rows_max > 0);
    out->behind = false;
    out->wait_us = 0;
    buf_clear(&out->cursor);
    for (;;) {
        bool due = !s->once && s->scanned && clock_monotonic_us() - s->scan_us >= s->conf->poll;
        if (!s->scanned || due || s->set.stale) {
            enum err_code code = scan(s, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
        struct file_part *p = choose_part(s);
        if (p == NULL && !s->set.stale) {
            s->scanned = s->once; /* the next call looks again */
            out->lag_bytes = s->set.unread;
            out->wait_us = s->conf->poll;
            *state = s->once ? SOURCE_END : SOURCE_IDLE;
            return ERR_NONE;
        }
        if (p == NULL) {
            continue;
        }
        if (p->trouble != NULL) {
            give_trouble(p, out);
            *state = SOURCE_TROUBLE;
            return ERR_NONE;
        }
        struct file_mark mark = p->mark;
        if (p->moved) {
            return give_moved(s, p, out, state, err);
        }
        enum err_code code = file_reader_read(&s->reader, p, limit, &out->batch, &mark, err);
        if (code != ERR_NONE) {
            return err_wrap(err, "file '%s'", p->path);
        }
        if (out->batch.count > 0) {
            give_batch(s, p, &mark, out);
            *state = SOURCE_BATCH;
            return ERR_NONE;
        }
        if (p->has_cursor && mark.raw_size != p->mark.raw_size) {
            p->moved = p->news = true; /* known to be read to its end after a restart, too */
        }
        p->mark = mark; /* no records, but a newline may have been passed */
    }
}
