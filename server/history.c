/* How it works: newest first over the primary keys of the system's tables, which grow with time, so
 * that the last minutes of a store of years are read without looking at the years. */
#include "server/listing.h"

#include "base/clock.h"

#define HISTORY_MINUTES     60
#define HISTORY_MINUTES_MAX (7 * 24 * 60)
#define HISTORY_POINTS      120
#define HISTORY_ROWS_MAX    50000 /* batches or ledger lines looked at */
#define COVERAGE_ROWS_MAX   20000

enum err_code route_batches(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"id", LISTING_NUMBER},           {"source", LISTING_TEXT},
        {"partition", LISTING_TEXT},      {"batch", LISTING_NUMBER},
        {"first_record", LISTING_NUMBER}, {"records", LISTING_NUMBER},
        {"decoded", LISTING_NUMBER},      {"rejected", LISTING_NUMBER},
        {"taken_back", LISTING_NUMBER},   {"raw_bytes", LISTING_NUMBER},
        {"staged", LISTING_TIME}};
    struct listing l = {
        "SELECT b.id, p.source, p.name, b.seq, b.first_record, b.records, b.decoded, b.rejected, "
        "b.taken_back, b.raw_bytes, b.staged_us FROM _plumb_batches b JOIN _plumb_partitions p ON "
        "p.id = b.partition WHERE b.id < ?1 AND (CAST(?2 AS TEXT) IS NULL OR p.source = ?2) AND "
        "(CAST(?3 AS TEXT) IS NULL OR "
        "p.name = ?3) ORDER BY b.id DESC LIMIT ?4",
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
    listing_bind_text(&l, request_get(r, "partition"));
    listing_bind_number(&l, limit);
    return listing_reply(&l, r, reply, err);
}

enum err_code route_ledger(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"batch", LISTING_NUMBER},      {"transform", LISTING_TEXT},
        {"rows_in", LISTING_NUMBER},    {"records_out", LISTING_NUMBER},
        {"rows_out", LISTING_NUMBER},   {"filtered", LISTING_NUMBER},
        {"rejected", LISTING_NUMBER},   {"inserted", LISTING_NUMBER},
        {"updated", LISTING_NUMBER},    {"unchanged", LISTING_NUMBER},
        {"deleted", LISTING_NUMBER},    {"superseded", LISTING_NUMBER},
        {"taken_back", LISTING_NUMBER}, {"duration_us", LISTING_NUMBER},
        {"version", LISTING_TEXT},      {"applied", LISTING_TIME}};
    struct listing l = {
        "SELECT batch, transform, rows_in, records_out, rows_out, filtered, rejected, inserted, "
        "updated, unchanged, deleted, superseded, taken_back, duration_us, version, applied_us "
        "FROM _plumb_ledger WHERE batch < ?1 AND (CAST(?2 AS TEXT) IS NULL OR transform = ?2) "
        "ORDER BY batch "
        "DESC, transform LIMIT ?3",
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
    listing_bind_text(&l, request_get(r, "transform"));
    listing_bind_number(&l, limit);
    return listing_reply(&l, r, reply, err);
}

enum err_code route_coverage(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"source", LISTING_TEXT}, {"partition", LISTING_TEXT}, {"low", LISTING_NUMBER},
        {"high", LISTING_NUMBER}, {"records", LISTING_NUMBER}, {"how", LISTING_TEXT},
        {"origin", LISTING_TEXT}, {"updated", LISTING_TIME}};
    struct listing l = {
        "SELECT p.source, p.name, c.low, c.high, c.records, c.how, c.origin, c.updated_us FROM "
        "_plumb_coverage c JOIN _plumb_partitions p ON p.id = c.partition ORDER BY p.source, "
        "p.name, c.low LIMIT ?1",
        columns,
        ARRAY_COUNT(columns),
        {{0}},
        0,
        NULL,
        NULL};
    listing_bind_number(&l, COVERAGE_ROWS_MAX);
    return listing_reply(&l, r, reply, err);
}

/* ---- history ---- */

static enum err_code write_history(struct store *s, struct reply *reply, int64_t since_us,
                                   int64_t bucket_us, struct json_writer *w, struct err *err) {
    static const struct listing_column of_sources[] = {
        {"at", LISTING_TIME},        {"source", LISTING_TEXT},     {"batches", LISTING_NUMBER},
        {"records", LISTING_NUMBER}, {"rejected", LISTING_NUMBER}, {"raw_bytes", LISTING_NUMBER}};
    static const struct listing_column of_transforms[] = {
        {"at", LISTING_TIME},          {"transform", LISTING_TEXT},
        {"batches", LISTING_NUMBER},   {"rows_in", LISTING_NUMBER},
        {"rejected", LISTING_NUMBER},  {"duration_us", LISTING_NUMBER},
        {"longest_us", LISTING_NUMBER}};
    struct listing lists[] = {
        {"SELECT b.staged_us / ?1 * ?1 AS at, p.source, count(*), sum(b.records), sum(b.rejected), "
         "sum(b.raw_bytes) FROM (SELECT * FROM _plumb_batches ORDER BY id DESC LIMIT ?3) b JOIN "
         "_plumb_partitions p ON p.id = b.partition WHERE b.staged_us >= ?2 GROUP BY 1, 2 ORDER BY "
         "1, 2",
         of_sources,
         ARRAY_COUNT(of_sources),
         {{0}},
         0,
         NULL,
         NULL},
        {"SELECT applied_us / ?1 * ?1 AS at, transform, count(*), sum(rows_in), sum(rejected), "
         "sum(duration_us), max(duration_us) FROM (SELECT * FROM _plumb_ledger ORDER BY batch DESC "
         "LIMIT ?3) AS l WHERE applied_us >= ?2 GROUP BY 1, 2 ORDER BY 1, 2",
         of_transforms,
         ARRAY_COUNT(of_transforms),
         {{0}},
         0,
         NULL,
         NULL}};
    static const char *const keys[] = {"sources", "transforms"};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(lists); i++) {
        listing_bind_number(&lists[i], bucket_us);
        listing_bind_number(&lists[i], since_us);
        listing_bind_number(&lists[i], HISTORY_ROWS_MAX);
        json_key(w, keys[i]);
        code = listing_write(&lists[i], s, reply, w, err);
    }
    return code;
}

enum err_code route_history(struct request *r, struct reply *reply, struct err *err) {
    int64_t minutes = HISTORY_MINUTES;
    enum err_code code = request_number(r, "minutes", 1, HISTORY_MINUTES_MAX, &minutes, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t second = 1000000;
    int64_t bucket_us = minutes * 60 * second / HISTORY_POINTS;
    bucket_us = bucket_us < second ? second : bucket_us / second * second;
    const int64_t now_us = clock_now_us();
    const int64_t since_us = (now_us - minutes * 60 * second) / bucket_us * bucket_us;
    struct reader reader = {NULL, 0};
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_time(&w, "from", since_us);
    json_kv_time(&w, "to", now_us);
    json_kv_i64(&w, "bucket_seconds", bucket_us / second);
    code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        code = write_history(reader.store, reply, since_us, bucket_us, &w, err);
    }
    readers_return(&r->server->readers, &reader);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    return code;
}
