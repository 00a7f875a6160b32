/* How it works: a reject points to its raw record; the batch is loaded and checked as for a replay.
 * The record is given in two pieces, before and from the fault, because bytes that are not UTF-8 are
 * replaced in JSON and an offset into the text would then be wrong. */
#include "server/listing.h"

#include "base/parse.h"

#define RAW_BYTES_MAX ((size_t)256 << 10) /* of each piece */

static const struct listing_column columns[] = {{"id", LISTING_NUMBER},
                                                {"source", LISTING_TEXT},
                                                {"partition", LISTING_TEXT},
                                                {"batch", LISTING_NUMBER},
                                                {"record", LISTING_NUMBER},
                                                {"transform", LISTING_TEXT},
                                                {"reason", LISTING_TEXT},
                                                {"column", LISTING_TEXT},
                                                {"byte_offset", LISTING_NUMBER},
                                                {"message", LISTING_TEXT},
                                                {"version", LISTING_TEXT},
                                                {"at", LISTING_TIME},
                                                {"taken_back", LISTING_NUMBER},
                                                {"state", LISTING_TEXT},
                                                {"discarded", LISTING_TIME},
                                                {"discarded_by", LISTING_TEXT},
                                                {"discarded_because", LISTING_TEXT}};

#define REJECT_STATE                                                                               \
    "CASE WHEN r.taken_back_by IS NOT NULL THEN 'taken back' WHEN r.discarded_us IS NOT NULL "     \
    "THEN 'discarded' ELSE 'open' END"
#define REJECT_FIELDS                                                                              \
    "SELECT r.id, p.source, p.name, b.seq, b.first_record + r.pos, nullif(r.transform, ''), "      \
    "r.reason, r.column_name, r.byte_offset, r.message, r.version, r.created_us, "                 \
    "r.taken_back_by IS NOT NULL, " REJECT_STATE                                                   \
    ", r.discarded_us, r.discarded_by, r.discarded_because FROM _plumb_rejects r JOIN "            \
    "_plumb_batches b ON b.id = r.batch "                                                          \
    "JOIN _plumb_partitions p ON p.id = b.partition "

enum err_code route_rejects(struct request *r, struct reply *reply, struct err *err) {
    struct listing l = {
        REJECT_FIELDS
        "WHERE r.id < ?1 AND (CAST(?2 AS TEXT) IS NULL OR p.source = ?2) AND (CAST(?3 AS TEXT) IS "
        "NULL OR "
        "r.transform = ?3) AND (CAST(?4 AS TEXT) IS NULL OR r.reason = ?4) AND (?5 = 'all' OR "
        "?5 = " REJECT_STATE ") ORDER BY r.id DESC LIMIT ?6",
        columns,
        ARRAY_COUNT(columns),
        {{0}},
        0,
        NULL,
        NULL};
    int64_t limit = 0;
    int64_t before = 0;
    enum err_code code = listing_page(r, &limit, &before, err);
    if (code != ERR_NONE) {
        return code;
    }
    listing_bind_number(&l, before);
    listing_bind_text(&l, request_get(r, "source"));
    listing_bind_text(&l, request_get(r, "transform"));
    listing_bind_text(&l, request_get(r, "reason"));
    const struct str state = request_get(r, "state");
    listing_bind_text(&l, state.ptr != NULL ? state : STR("open"));
    listing_bind_number(&l, limit);
    return listing_reply(&l, r, reply, err);
}

/* ---- one, with its record ---- */

struct place {
    int64_t partition, seq, pos, offset;
};

static enum err_code find_place(struct store *s, int64_t id, struct place *out, bool *found,
                                struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s,
                      "SELECT b.partition, b.seq, r.pos, coalesce(r.byte_offset, -1) FROM "
                      "_plumb_rejects r JOIN _plumb_batches b ON b.id = r.batch WHERE r.id = ?1",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, id);
        code = store_step(st, found, err);
    }
    if (code == ERR_NONE && *found) {
        *out = (struct place){store_column_i64(st, 0), store_column_i64(st, 1),
                              store_column_i64(st, 2), store_column_i64(st, 3)};
    }
    store_statement_free(st);
    return code;
}

/* The last bytes of a piece before the fault, the first ones of what follows. */
static void write_record(struct str record, int64_t offset, struct json_writer *w) {
    size_t at = offset > 0 ? (size_t)offset : 0;
    at = at > record.len ? record.len : at;
    const size_t from = at > RAW_BYTES_MAX ? at - RAW_BYTES_MAX : 0;
    const size_t rest = record.len - at > RAW_BYTES_MAX ? RAW_BYTES_MAX : record.len - at;
    json_kv_bool(w, "cut_before", from > 0);
    json_kv_str(w, "raw_before", (struct str){record.ptr + from, at - from});
    json_kv_str(w, "raw_from", (struct str){record.ptr + at, rest});
    json_kv_bool(w, "cut_after", rest < record.len - at);
    json_kv_i64(w, "raw_bytes", (int64_t)record.len);
}

static enum err_code write_raw(struct store *s, const struct place *place, struct json_writer *w,
                               struct err *err) {
    CLEANUP(batch_release) struct batch b;
    batch_init(&b);
    struct store_batch info;
    enum err_code code = store_load(s, place->partition, place->seq, &b, &info, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (place->pos < 0 || place->pos >= b.count) {
        return err_set(err, ERR_CORRUPT, "the reject points to no record of its batch");
    }
    const struct record record = batch_record(&b, (uint32_t)place->pos);
    json_kv_str(w, "header", batch_meta(&b)); /* of CSV: its first line */
    json_kv_bool(w, "whole", record.kind != RECORD_TOO_LARGE);
    write_record(record.bytes, place->offset, w);
    return ERR_NONE;
}

static enum err_code write_reject(struct store *s, int64_t id, struct reply *reply,
                                  struct err *err) {
    struct place place = {0};
    bool found = false;
    enum err_code code = find_place(s, id, &place, &found, err);
    if (code == ERR_NONE && !found) {
        return reply_refuse(reply, 404, err, "there is no reject %lld", (long long)id);
    }
    struct listing l = {
        REJECT_FIELDS "WHERE r.id = ?1", columns, ARRAY_COUNT(columns), {{0}}, 0, NULL, NULL};
    listing_bind_number(&l, id);
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_key(&w, "reject");
    if (code == ERR_NONE) {
        code = listing_write(&l, s, reply, &w, err);
    }
    if (code == ERR_NONE) {
        struct err unread = ERR_INIT;
        const size_t before = reply->body.len;
        json_key(&w, "record");
        json_begin_object(&w);
        code = write_raw(s, &place, &w, &unread);
        if (code == ERR_CONFIG) { /* retention let the raw bytes go; the reject still says why */
            ASSERT(reply->body.len >= before);
            json_kv_c(&w, "gone", unread.message);
            code = ERR_NONE;
        } else if (code != ERR_NONE) {
            *err = unread;
        }
        json_end_object(&w);
    }
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    return code;
}

enum err_code route_reject(struct request *r, struct reply *reply, struct err *err) {
    static const struct str before = {"/api/v1/rejects/", 16};
    int64_t id = 0;
    if (!parse_i64((struct str){r->path.ptr + before.len, r->path.len - before.len}, &id)) {
        return reply_refuse(reply, 404, err, "write /api/v1/rejects/NUMBER");
    }
    struct reader reader = {NULL, 0};
    enum err_code code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        code = write_reject(reader.store, id, reply, err);
    }
    readers_return(&r->server->readers, &reader);
    return code;
}
