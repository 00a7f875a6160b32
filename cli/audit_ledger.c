/* How it works: each check is a list of SELECTs that give a place and what is wrong there, and a
 * SELECT that counts what they look at. A batch is named by its source, partition and number. */
#include "cli/audit.h"

#define PARTITION_NAME "coalesce(p.source || ' ' || p.name, 'partition ' || b.partition)"
#define BATCH_NAME     PARTITION_NAME " || ', batch ' || b.seq"
#define BATCHES        "_plumb_batches b LEFT JOIN _plumb_partitions p ON p.id = b.partition"

#define LINES                                                                                      \
    "_plumb_ledger l JOIN _plumb_batches b ON b.id = l.batch LEFT JOIN _plumb_partitions p ON "    \
    "p.id = b.partition"

#define SELECTS_MAX 8

static const struct {
    const char *name;
    const char *claim;
    const char *examined;
    const char *selects[SELECTS_MAX];
} checks[] = {
    {"sequence",
     "batches of a partition are numbered 1, 2, 3 ... and none is missing",
     "SELECT count(*) FROM _plumb_batches",
     {"SELECT " BATCH_NAME ", 'expected batch ' || (b.before + 1) FROM (SELECT *, lag(seq, 1, 0) "
      "OVER (PARTITION BY partition ORDER BY seq) AS before FROM _plumb_batches) b LEFT JOIN "
      "_plumb_partitions p ON p.id = b.partition WHERE b.seq <> b.before + 1",
      "SELECT p.source || ' ' || p.name, 'its last batch is number ' || p.last_seq || ', the last "
      "one staged is ' || coalesce(max(b.seq), 0) FROM _plumb_partitions p LEFT JOIN "
      "_plumb_batches b ON b.partition = p.id GROUP BY p.id HAVING p.last_seq <> "
      "coalesce(max(b.seq), 0)",
      "SELECT " BATCH_NAME ", 'its partition is not there' FROM " BATCHES " WHERE p.id IS NULL"}},
    {"records",
     "record numbers go on from batch to batch, and the cursor has moved as far",
     "SELECT coalesce(sum(records), 0) FROM _plumb_batches",
     {"SELECT " BATCH_NAME ", 'begins with record ' || b.first_record || ', expected ' || b.next "
      "FROM (SELECT *, lag(first_record + records, 1, 0) OVER (PARTITION BY partition ORDER BY "
      "seq) - taken_back AS next FROM _plumb_batches) b LEFT JOIN _plumb_partitions p ON p.id = "
      "b.partition "
      "WHERE b.first_record <> b.next",
      "SELECT p.source || ' ' || p.name, 'counts ' || p.records || ' records, its batches hold ' "
      "|| coalesce(sum(b.records - b.taken_back), 0) FROM _plumb_partitions p LEFT JOIN "
      "_plumb_batches b ON b.partition = p.id GROUP BY p.id HAVING p.records <> "
      "coalesce(sum(b.records - b.taken_back), 0)",
      /* Cursors are the connector's own text; those that count records say so in `records`. */
      "SELECT " BATCH_NAME ", 'its cursor stands at record ' || json_extract(b.cursor, "
      "'$.records') || ', its records end at ' || (b.first_record + b.records) FROM " BATCHES
      " WHERE CASE WHEN json_valid(b.cursor) THEN json_type(b.cursor, '$.records') = 'integer' AND "
      "CAST(json_extract(b.cursor, '$.records') AS BIGINT) <> b.first_record + b.records END",
      "SELECT p.source || ' ' || p.name, 'the cursor stands at record ' || json_extract(p.cursor, "
      "'$.records') || ', staged are ' || p.records FROM _plumb_partitions p WHERE CASE WHEN "
      "json_valid(p.cursor) THEN json_type(p.cursor, '$.records') = 'integer' AND "
      "CAST(json_extract(p.cursor, '$.records') AS BIGINT) <> p.records ELSE p.cursor IS NULL AND "
      "p.last_seq > 0 "
      "END"}},
    {"decoding",
     "in each batch, records = decoded + rejected",
     "SELECT count(*) FROM _plumb_batches",
     {"SELECT " BATCH_NAME ", b.records || ' records, but ' || b.decoded || ' decoded + ' || "
      "b.rejected || ' rejected = ' || (b.decoded + b.rejected) FROM " BATCHES
      " WHERE b.records <> b.decoded + b.rejected OR b.records < 0 OR b.decoded < 0 OR b.rejected "
      "< 0 OR b.taken_back < 0",
      "SELECT " BATCH_NAME ", b.decoded || ' decoded, its streams have ' || s.records FROM (SELECT "
      "batch, sum(records) AS records FROM _plumb_streams GROUP BY batch) s, " BATCHES
      " WHERE b.id = s.batch AND s.records <> b.decoded"}},
    {"rejects",
     "as many rejects are kept as batches and ledger lines count, each with its record",
     "SELECT count(*) FROM _plumb_rejects",
     {"SELECT " BATCH_NAME ", b.rejected || ' records were rejected while decoding, kept are ' || "
      "(SELECT count(*) FROM _plumb_rejects r WHERE r.batch = b.id AND r.transform = '') "
      "FROM " BATCHES
      " WHERE b.rejected <> (SELECT count(*) FROM _plumb_rejects r WHERE r.batch = b.id "
      "AND r.transform = '')",
      "SELECT " BATCH_NAME " || ', transform ' || l.transform, l.rejected || ' rows were rejected, "
      "kept are ' || (SELECT count(*) FROM _plumb_rejects r WHERE r.batch = l.batch AND "
      "r.transform = l.transform) FROM " LINES
      " WHERE l.rejected <> (SELECT count(*) FROM _plumb_rejects r WHERE "
      "r.batch = l.batch AND r.transform = l.transform)",
      "SELECT 'reject ' || r.id, CASE WHEN b.id IS NULL THEN 'its batch is not there' WHEN r.pos < "
      "0 OR r.pos >= b.records THEN 'its batch has no record at ' || r.pos ELSE 'transform ' || "
      "r.transform || ' has no ledger line for its batch' END FROM _plumb_rejects r LEFT JOIN "
      "_plumb_batches b ON b.id = r.batch LEFT JOIN _plumb_ledger l ON l.batch = r.batch AND "
      "l.transform = r.transform WHERE b.id IS NULL OR r.pos < 0 OR r.pos >= b.records OR "
      "(r.transform <> '' AND l.batch IS NULL)"}},
    {"ledger",
     "rows in = records out + filtered + rejected; rows out = inserted + updated + unchanged + "
     "deleted + superseded",
     "SELECT count(*) FROM _plumb_ledger",
     {"SELECT " BATCH_NAME " || ', transform ' || l.transform, l.rows_in || ' rows in, but ' || "
      "l.records_out || ' records out + ' || l.filtered || ' filtered + ' || l.rejected || "
      "' rejected' FROM " LINES " WHERE l.rows_in <> "
      "l.records_out + l.filtered + l.rejected OR l.records_out < 0 OR l.filtered < 0 OR "
      "l.rejected < 0",
      "SELECT " BATCH_NAME " || ', transform ' || l.transform, l.rows_out || ' rows out, but ' || "
      "l.inserted || ' inserted + ' || l.updated || ' updated + ' || l.unchanged || ' unchanged + "
      "' || l.deleted || ' deleted + ' || l.superseded || ' superseded' FROM " LINES
      " WHERE l.rows_out <> l.inserted + l.updated + l.unchanged + "
      "l.deleted + l.superseded OR l.inserted < 0 OR l.updated < 0 OR l.unchanged < 0 OR "
      "l.deleted < 0 OR l.superseded < 0",
      "SELECT " BATCH_NAME " || ', transform ' || l.transform, l.rows_in || ' rows in, but the "
      "batch has ' || b.decoded || ' decoded rows' FROM " LINES " WHERE l.rows_in <> b.decoded AND "
      "NOT EXISTS (SELECT 1 FROM _plumb_streams s WHERE s.batch = l.batch)",
      "SELECT 'batch id ' || l.batch || ', transform ' || l.transform, 'the batch is not there' "
      "FROM _plumb_ledger l LEFT JOIN _plumb_batches b ON b.id = l.batch WHERE b.id IS NULL"}},
    {"orphans",
     "nothing points at a batch, partition or transform that is not there",
     "SELECT (SELECT count(*) FROM _plumb_marks) + (SELECT count(*) FROM _plumb_streams) + (SELECT "
     "count(*) FROM _plumb_coverage) + (SELECT count(*) FROM _plumb_notes)",
     {"SELECT 'mark of transform ' || m.transform, 'partition ' || m.partition || ' is not there' "
      "FROM _plumb_marks m LEFT JOIN _plumb_partitions p ON p.id = m.partition WHERE p.id IS NULL",
      "SELECT 'mark of transform ' || m.transform, 'its transform is not there' FROM _plumb_marks "
      "m LEFT JOIN _plumb_transforms t ON t.name = m.transform WHERE t.name IS NULL",
      "SELECT 'stream ' || s.stream || ' of batch id ' || s.batch, 'the batch is not there' FROM "
      "_plumb_streams s LEFT JOIN _plumb_batches b ON b.id = s.batch WHERE b.id IS NULL",
      "SELECT 'coverage of partition ' || c.partition, 'from ' || c.low || ' to ' || c.high || ': "
      "the partition is not there' FROM _plumb_coverage c LEFT JOIN _plumb_partitions p ON p.id = "
      "c.partition WHERE p.id IS NULL",
      "SELECT 'note ' || n.id, 'partition ' || n.partition || ' is not there' FROM _plumb_notes n "
      "LEFT JOIN _plumb_partitions p ON p.id = n.partition WHERE p.id IS NULL",
      "SELECT 'reject ' || r.id, 'the batch that took its record back is not there' FROM "
      "_plumb_rejects r LEFT JOIN _plumb_batches b ON b.id = r.taken_back_by WHERE "
      "r.taken_back_by IS NOT NULL AND b.id IS NULL",
      "SELECT DISTINCT 'ledger of transform ' || l.transform, 'its transform is not there' FROM "
      "_plumb_ledger l LEFT JOIN _plumb_transforms t ON t.name = l.transform WHERE t.name IS "
      "NULL"}},
};

/* Names of queues go "_plumb_q_TRANSFORM" or "_plumb_q_TRANSFORM.rest". */
static enum err_code find_queues(struct audit *a, struct err *err) {
    char *sql = mem_printf(
        "SELECT 'queue ' || q.name, 'its transform is not there' FROM (SELECT name, substr(name, "
        "10) || '.' AS rest FROM %s AS n) q LEFT JOIN _plumb_transforms t ON t.name = "
        "substr(q.rest, 1, CAST(instr(q.rest, '.') AS INTEGER) - 1) WHERE t.name IS NULL",
        store_queues_sql(a->opened->store));
    enum err_code code = audit_find_rows(a, sql, err);
    mem_free(sql);
    return code;
}

enum err_code audit_ledger(struct audit *a, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(checks); i++) {
        audit_begin(a, checks[i].name, checks[i].claim);
        code = audit_examine(a, checks[i].examined, err);
        for (size_t k = 0; code == ERR_NONE && k < SELECTS_MAX; k++) {
            if (checks[i].selects[k] != NULL) {
                code = audit_find_rows(a, checks[i].selects[k], err);
            }
        }
        if (code == ERR_NONE && i + 1 == ARRAY_COUNT(checks)) {
            code = find_queues(a, err);
        }
        audit_end(a);
    }
    return code;
}
