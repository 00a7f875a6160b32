/* SQL that SQLite and PostgreSQL both understand: conflicts name their key, columns of the row that is
 * there are qualified, bindings are plain. */
#include "store/driver.h"

static const char *const fixed_sql[FIXED_COUNT] = {
    [FIXED_PARTITION_GET] = "SELECT id, last_seq, records, settled FROM _plumb_partitions WHERE "
                            "source = ?1 AND name = ?2",
    [FIXED_PARTITION_ADD] =
        "INSERT INTO _plumb_partitions(source, name, last_seq, records, updated_us) "
        "VALUES (?1, ?2, 0, 0, ?3) RETURNING id",
    [FIXED_PARTITION_MOVE] =
        "UPDATE _plumb_partitions SET cursor = ?2, last_seq = ?3, records = ?4, "
        "settled = coalesce(?6, settled), updated_us = ?5 WHERE id = ?1",
    [FIXED_BATCH_ADD] =
        "INSERT INTO _plumb_batches(partition, seq, first_record, records, decoded, rejected, "
        "raw_bytes, hash, cursor, staged_us, taken_back) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, "
        "?10, ?11) RETURNING id",
    [FIXED_FRAME_ADD] = "INSERT INTO _plumb_frames(batch, frame) VALUES (?1, ?2)",
    [FIXED_BATCH_GET] = "SELECT b.id, b.first_record, b.decoded, b.rejected, b.raw_bytes, b.hash, "
                        "f.frame, b.records, "
                        "b.taken_back "
                        "FROM _plumb_batches b LEFT JOIN _plumb_frames f ON f.batch = b.id "
                        "WHERE b.partition = ?1 AND b.seq = ?2",
    [FIXED_LIVE_BEFORE] =
        "SELECT seq, first_record, records, taken_back FROM _plumb_batches WHERE partition = ?1 "
        "AND seq = ?2",
    [FIXED_COVERAGE_CUT] = "DELETE FROM _plumb_coverage WHERE partition = ?1 AND low >= ?2",
    [FIXED_COVERAGE_TRIM] = "UPDATE _plumb_coverage SET high = ?2 - 1, records = ?3 - first_record "
                            "WHERE partition = ?1 AND low = (SELECT max(low) "
                            "FROM _plumb_coverage WHERE partition = ?1) AND high >= ?2",
    [FIXED_COVERAGE_EXTEND] =
        "UPDATE _plumb_coverage SET high = ?3, records = records + ?4, batch_seq = ?7, updated_us "
        "= ?8 WHERE partition = ?1 AND low = (SELECT max(low) FROM _plumb_coverage WHERE partition "
        "= ?1) AND high = ?2 - 1 AND how = ?5 AND origin = ?6 AND ?3 - low < ?9",
    [FIXED_COVERAGE_ADD] =
        "INSERT INTO _plumb_coverage(partition, low, high, records, how, origin, batch_seq, "
        "updated_us, first_record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON "
        "CONFLICT(partition, low) DO "
        "UPDATE SET high = "
        "excluded.high, records = excluded.records, how = excluded.how, origin = excluded.origin, "
        "batch_seq = excluded.batch_seq, updated_us = excluded.updated_us, first_record = "
        "excluded.first_record",
    [FIXED_NOTES_CUT] = "DELETE FROM _plumb_notes WHERE partition = ?1 AND record >= ?2",
    [FIXED_NOTE_ADD] = "INSERT INTO _plumb_notes(partition, record, note) VALUES (?1, ?2, ?3)",
    [FIXED_FACTS_SET] = "INSERT INTO _plumb_facts(source, facts, updated_us) VALUES (?1, ?2, ?3) "
                        "ON CONFLICT(source) DO UPDATE SET facts = excluded.facts, updated_us = "
                        "excluded.updated_us",
    [FIXED_STREAM_SET] = "INSERT INTO _plumb_streams(batch, stream, records) VALUES (?1, ?2, ?3) "
                         "ON CONFLICT(batch, stream) DO "
                         "UPDATE SET records = excluded.records",
    [FIXED_REJECTS_TAKE_BACK] =
        "UPDATE _plumb_rejects AS r SET taken_back_by = ?5 FROM (SELECT id, first_record FROM "
        "_plumb_batches WHERE partition = ?1 AND seq = ?2) AS b WHERE r.batch = b.id AND r.pos >= "
        "?3 - b.first_record AND r.pos < ?4 - b.first_record",
    [FIXED_MARK_GET] = "SELECT seq FROM _plumb_marks WHERE transform = ?1 AND partition = ?2",
    [FIXED_MARK_SET] =
        "INSERT INTO _plumb_marks(transform, partition, seq, updated_us) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT(transform, partition) DO UPDATE SET seq = excluded.seq, updated_us = "
        "excluded.updated_us",
    [FIXED_LEDGER_ADD] =
        "INSERT INTO _plumb_ledger(batch, transform, rows_in, records_out, rows_out, filtered, "
        "rejected, "
        "inserted, updated, unchanged, deleted, superseded, taken_back, duration_us, version, "
        "applied_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [FIXED_REJECT_ADD] =
        "INSERT INTO _plumb_rejects(batch, pos, transform, reason, column_name, byte_offset, "
        "message, version, "
        "created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
        "ON CONFLICT(batch, pos, transform) DO UPDATE SET reason = excluded.reason, "
        "column_name = excluded.column_name, byte_offset = excluded.byte_offset, message = "
        "excluded.message, "
        "version = excluded.version, "
        /* what a person decided holds for this reason only */
        "discarded_us = CASE WHEN _plumb_rejects.reason = excluded.reason THEN "
        "_plumb_rejects.discarded_us END, "
        "discarded_because = CASE WHEN _plumb_rejects.reason = excluded.reason THEN "
        "_plumb_rejects.discarded_because END, "
        "discarded_by = CASE WHEN _plumb_rejects.reason = excluded.reason THEN "
        "_plumb_rejects.discarded_by END",
    [FIXED_FIELD_GET] = "SELECT kinds FROM _plumb_fields WHERE source = ?1 AND path = ?2",
    [FIXED_FIELD_SET] =
        "INSERT INTO _plumb_fields(source, path, declared, kinds, records, "
        "first_batch, last_batch) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT(source, path) DO UPDATE SET kinds = "
        "(CASE WHEN excluded.records > 0 THEN _plumb_fields.kinds & ~128 ELSE _plumb_fields.kinds "
        "END) | "
        "excluded.kinds, " /* 128: FIELD_MISSING of ledger.c */
        "records = _plumb_fields.records + excluded.records, last_batch = excluded.last_batch",
    [FIXED_EVENT_ADD] =
        "INSERT INTO _plumb_schema_events(source, path, event, detail, batch, at_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [FIXED_TROUBLE_SET] =
        "INSERT INTO _plumb_troubles(source, partition, class, place, message, attempts, since_us, "
        "last_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT(source, partition) DO UPDATE SET class "
        "= excluded.class, "
        "place = excluded.place, message = excluded.message, attempts = _plumb_troubles.attempts + "
        "1, last_us = "
        "excluded.last_us",
    [FIXED_TROUBLE_CLEAR] = "DELETE FROM _plumb_troubles WHERE source = ?1 AND partition = ?2",
    [FIXED_STATE_OK] =
        "UPDATE _plumb_transforms SET attempts = 0, class = NULL, message = NULL, since_us = NULL "
        "WHERE name = ?1 AND attempts > 0",
    [FIXED_STATE_FAILED] =
        "UPDATE _plumb_transforms SET attempts = attempts + 1, class = ?2, message = ?3, "
        "since_us = coalesce(since_us, ?4) WHERE name = ?1",
};

enum err_code store_fixed(struct store *s, enum fixed_statement which, struct store_statement **out,
                          struct err *err) {
    if (s->fixed[which] == NULL) {
        enum err_code code = store_prepare(s, fixed_sql[which], &s->fixed[which], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    *out = s->fixed[which];
    store_reset(*out);
    store_clear(*out);
    return ERR_NONE;
}
