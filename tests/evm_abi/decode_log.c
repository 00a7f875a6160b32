/* Decodes raw records of the evm source for test_evm_logs.py: evm_decode_log CHAIN_ID NAME=EVENT ... reads one
 * record a line from standard input and prints one JSON object a line: every row of every stream (its cells,
 * "_stream" and "_record", the number of its line), then every reject ("_reject", "_record", "message").
 * How it works: all lines are one batch, so logs stand behind their blocks as in the source. */
#include "source/evm/decoder.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_BYTES_MAX ((size_t)128 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define READ_BYTES      65536

static enum err_code read_input(struct buf *input, struct err *err) {
    char part[READ_BYTES];
    ssize_t got = 0;
    while ((got = read(STDIN_FILENO, part, sizeof(part))) > 0) {
        if (buf_add(input, part, (size_t)got, err) != ERR_NONE) {
            return err->code;
        }
    }
    return ERR_NONE;
}

static enum err_code fill_batch(struct batch *b, const char *chain_id, struct str rest,
                                struct err *err) {
    enum err_code code = batch_begin(b, str_of(chain_id), err);
    while (code == ERR_NONE && rest.len > 0) {
        size_t end = str_find(rest, '\n');
        size_t used = end < rest.len ? end + 1 : end;
        code = batch_add(b, (struct str){rest.ptr, end}, RECORD_WHOLE, err);
        rest = (struct str){rest.ptr + used, rest.len - used};
    }
    return code == ERR_NONE ? batch_seal(b, 1, err) : code;
}

static void print_line(struct buf *line) {
    (void)printf("%s\n", buf_c(line));
    buf_clear(line);
}

static void print_rows(const struct stream *stream, const struct rows *rows, struct buf *line) {
    for (size_t i = 0; i < rows->count; i++) {
        struct json_writer w;
        json_writer_init(&w, line);
        json_begin_object(&w);
        json_kv_c(&w, "_stream", stream->name);
        json_kv_i64(&w, "_record", rows->pos[i]);
        for (size_t column = 0; column < rows->schema->count; column++) {
            struct value v;
            rows_get(rows, i, column, &v);
            json_key(&w, rows->schema->columns[column].name);
            value_write_json(&w, &v);
        }
        json_end_object(&w);
        print_line(line);
    }
}

static void print_decoded(const struct stream *streams, const struct decoded *out) {
    struct buf line = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < out->stream_count; i++) {
        print_rows(&streams[i], &out->streams[i], &line);
    }
    for (size_t i = 0; i < out->rejects.count; i++) {
        struct json_writer w;
        const struct reject *r = &out->rejects.items[i];
        json_writer_init(&w, &line);
        json_begin_object(&w);
        json_kv_c(&w, "_reject", reject_reason_name(r->reason));
        json_kv_i64(&w, "_record", r->pos);
        json_kv_str(&w, "message", r->message);
        json_end_object(&w);
        print_line(&line);
    }
    buf_release(&line);
}

static enum err_code parse_events(char **texts, size_t count, struct arena *arena,
                                  struct evm_event *events, struct err *err) {
    enum err_code code =
        count <= EVM_EVENTS_MAX ? ERR_NONE : err_set(err, ERR_CONFIG, "too many events");
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        struct str text = str_of(texts[i]);
        size_t name = str_find(text, '=');
        size_t skip = name < text.len ? name + 1 : name;
        events[i] = (struct evm_event){.name = arena_strndup(arena, text.ptr, name)};
        code = abi_event_parse((struct str){text.ptr + skip, text.len - skip}, arena,
                               &events[i].abi, err);
    }
    return code;
}

static enum err_code run(const char *chain_id, char **texts, size_t count, struct arena *arena,
                         struct err *err) {
    struct evm_event events[EVM_EVENTS_MAX];
    struct stream *streams = NULL;
    size_t stream_count = 0;
    struct decoder *d = NULL;
    struct decoded out;
    struct batch b;
    struct buf input = BUF_INIT(INPUT_BYTES_MAX);
    batch_init(&b);
    enum err_code code = parse_events(texts, count, arena, events, err);
    if (code == ERR_NONE) {
        code = evm_streams(events, count, arena, &streams, &stream_count, err);
    }
    if (code == ERR_NONE) {
        code = evm_decoder_new(events, count, streams, stream_count, &d, err);
    }
    if (code == ERR_NONE) {
        code = read_input(&input, err);
    }
    if (code == ERR_NONE) {
        code = fill_batch(&b, chain_id, buf_str(&input), err);
    }
    if (code == ERR_NONE) {
        code = decoder_run(d, &b, arena, &out, err);
    }
    if (code == ERR_NONE) {
        print_decoded(streams, &out);
    }
    decoder_free(d);
    batch_release(&b);
    buf_release(&input);
    return code;
}

int main(int argc, char **argv) {
    struct arena arena;
    struct err err = ERR_INIT;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: evm_decode_log CHAIN_ID NAME=EVENT ...\n");
        return 2;
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    enum err_code code = run(argv[1], argv + 2, (size_t)argc - 2, &arena, &err);
    if (code != ERR_NONE) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    arena_release(&arena);
    return code == ERR_NONE ? 0 : 1;
}
