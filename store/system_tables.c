/* The system's tables, one statement after another, with words.h's words: what changes here changes in
 * every database, and STORE_VERSION says so. */
#include "store/words.h"

/* What came from outside. */
static const char staging[] =
    "CREATE TABLE IF NOT EXISTS _plumb_meta(key {text} PRIMARY KEY, value {text} NOT NULL) "
    "{keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_partitions(id {id}, source {text} NOT NULL, name "
    "{text} NOT NULL, cursor {text}, last_seq {int} NOT NULL, records {int} NOT NULL, settled "
    "{int} NOT NULL DEFAULT 0, updated_us {int} NOT NULL, UNIQUE(source, name)) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_batches(id {id}, partition {int} NOT NULL, seq {int} "
    "NOT NULL, first_record {int} NOT NULL, records {int} NOT NULL, taken_back {int} NOT NULL "
    "DEFAULT 0, decoded {int} NOT NULL, rejected {int} NOT NULL, raw_bytes {int} NOT NULL, "
    "hash {blob} NOT NULL, cursor {text} NOT NULL, staged_us {int} NOT NULL, "
    "UNIQUE(partition, seq)) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_frames(batch {int} PRIMARY KEY, frame {blob} NOT NULL) "
    "{table};"
    "CREATE TABLE IF NOT EXISTS _plumb_streams(batch {int} NOT NULL, stream {text} NOT NULL, "
    "records {int} NOT NULL, PRIMARY KEY(batch, stream)) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_coverage(partition {int} NOT NULL, low {int} NOT NULL, "
    "high {int} NOT NULL, first_record {int} NOT NULL DEFAULT 0, records {int} NOT NULL, how "
    "{text} NOT NULL, origin {text} NOT NULL, batch_seq {int} NOT NULL, updated_us {int} NOT "
    "NULL, PRIMARY KEY(partition, low)) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_notes(id {id}, partition {int} NOT NULL, record {int} "
    "NOT NULL, note {text} NOT NULL) {table};"
    "CREATE INDEX IF NOT EXISTS _plumb_notes_record ON _plumb_notes(partition, record);"
    "CREATE TABLE IF NOT EXISTS _plumb_facts(source {text} PRIMARY KEY, facts {text} NOT "
    "NULL, updated_us {int} NOT NULL) {keyed};";

/* What was made of it. */
static const char work[] =
    "CREATE TABLE IF NOT EXISTS _plumb_marks(transform {text} NOT NULL, partition {int} NOT "
    "NULL, seq {int} NOT NULL, updated_us {int} NOT NULL, PRIMARY KEY(transform, partition)) "
    "{keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_ledger(batch {int} NOT NULL, transform {text} NOT "
    "NULL, rows_in {int} NOT NULL, records_out {int} NOT NULL, rows_out {int} NOT NULL, "
    "filtered {int} NOT NULL, rejected {int} NOT NULL, inserted {int} NOT NULL, updated {int} "
    "NOT NULL, unchanged {int} NOT NULL, deleted {int} NOT NULL, superseded {int} NOT NULL, "
    "taken_back {int} NOT NULL DEFAULT 0, duration_us {int} NOT NULL, version {text} NOT "
    "NULL, applied_us {int} NOT NULL, PRIMARY KEY(batch, transform)) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_rejects(id {id}, batch {int} NOT NULL, pos {int} NOT "
    "NULL, transform {text} NOT NULL, reason {text} NOT NULL, column_name {text}, byte_offset "
    "{int}, message {text} NOT NULL, version {text} NOT NULL, created_us {int} NOT NULL, "
    "taken_back_by {int}, discarded_us {int}, discarded_because {text}, discarded_by {text}, "
    "UNIQUE(batch, pos, transform)) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_fields(source {text} NOT NULL, path {text} NOT NULL, "
    "declared {int} NOT NULL, kinds {int} NOT NULL, records {int} NOT NULL, first_batch {int} "
    "NOT NULL, last_batch {int} NOT NULL, PRIMARY KEY(source, path)) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_schema_events(id {id}, source {text} NOT NULL, path "
    "{text} NOT NULL, event {text} NOT NULL, detail {text} NOT NULL, batch {int} NOT NULL, "
    "at_us {int} NOT NULL) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_troubles(source {text} NOT NULL, partition {text} NOT "
    "NULL, class {text} NOT NULL, place {text} NOT NULL, message {text} NOT NULL, attempts "
    "{int} NOT NULL, since_us {int} NOT NULL, last_us {int} NOT NULL, PRIMARY KEY(source, "
    "partition)) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_transforms(name {text} PRIMARY KEY, kind {text} NOT "
    "NULL, into_table {text} NOT NULL, definition {blob} NOT NULL, version {text} NOT NULL, "
    "since_version_us {int} NOT NULL, attempts {int} NOT NULL, class {text}, message {text}, "
    "since_us {int}) {keyed};";

/* Checks, alerts, and what else is looked at. */
static const char watch[] =
    "CREATE TABLE IF NOT EXISTS _plumb_checks(name {text} PRIMARY KEY, kind {text} NOT NULL, "
    "subject {text} NOT NULL, severity {text} NOT NULL, state {text} NOT NULL, value {real}, "
    "value_text {text}, message {text} NOT NULL, state_since_us {int} NOT NULL, "
    "pending_since_us {int}, bad_us {int}, first_us {int} NOT NULL, evaluated_us {int} NOT "
    "NULL, definition {text} NOT NULL, memory {text} NOT NULL) {keyed};"
    "CREATE TABLE IF NOT EXISTS _plumb_alerts(id {id}, check_name {text} NOT NULL, severity "
    "{text} NOT NULL, state {text} NOT NULL, root {text} NOT NULL, parent {int}, summary "
    "{text} NOT NULL, detail {text} NOT NULL, value_text {text}, opened_us {int} NOT NULL, "
    "changed_us {int} NOT NULL, resolved_us {int}, acknowledged_us {int}, acknowledged_by "
    "{text}, note {text}, reminded_us {int}, reminders {int} NOT NULL DEFAULT 0) {table};"
    "CREATE INDEX IF NOT EXISTS _plumb_alerts_check ON _plumb_alerts(check_name, state);"
    "CREATE TABLE IF NOT EXISTS _plumb_silences(id {id}, matcher {text} NOT NULL, since_us "
    "{int} NOT NULL, until_us {int} NOT NULL, author {text} NOT NULL, reason {text} NOT NULL, "
    "ended_us {int}) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_deliveries(id {id}, alert {int} NOT NULL, route {text} "
    "NOT NULL, event {text} NOT NULL, state {text} NOT NULL, attempts {int} NOT NULL DEFAULT "
    "0, next_us {int} NOT NULL, last_error {text}, created_us {int} NOT NULL, sent_us {int}) "
    "{table};"
    "CREATE INDEX IF NOT EXISTS _plumb_deliveries_due ON _plumb_deliveries(state, next_us);"
    "CREATE INDEX IF NOT EXISTS _plumb_deliveries_alert ON _plumb_deliveries(alert);"
    "CREATE TABLE IF NOT EXISTS _plumb_quarantine(at_us {int} NOT NULL, number {int} NOT "
    "NULL, reason {text} NOT NULL, of_table {text} NOT NULL, \"row\" {text} NOT NULL, content "
    "{blob}, PRIMARY KEY(at_us, number)) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_extractions(batch {int} PRIMARY KEY, asked_us {int} "
    "NOT NULL) {table};"
    "CREATE TABLE IF NOT EXISTS _plumb_http(source {text} NOT NULL, at_us {int} NOT NULL, "
    "status {text} NOT NULL, answers {int} NOT NULL, PRIMARY KEY(source, at_us, status)) "
    "{keyed};";

void store_system_tables(const struct store_word *words, size_t count, struct buf *out) {
    static const char *const parts[] = {staging, work, watch};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        store_words(words, count, parts[i], out);
    }
}
