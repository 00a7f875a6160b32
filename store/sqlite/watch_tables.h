/* Tables of checks and alerts, as SQL; docs/store.md says what they hold. Part of the catalog. */
#ifndef PLUMB_STORE_SQLITE_WATCH_TABLES_H
#define PLUMB_STORE_SQLITE_WATCH_TABLES_H

static const char watch_tables[] =
    "CREATE TABLE IF NOT EXISTS _plumb_checks(name TEXT PRIMARY KEY, kind TEXT NOT NULL, subject "
    "TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL, value REAL, value_text TEXT, "
    "message TEXT NOT NULL, state_since_us INTEGER NOT NULL, pending_since_us INTEGER, bad_us "
    "INTEGER, first_us INTEGER NOT NULL, evaluated_us INTEGER NOT NULL, definition TEXT NOT "
    "NULL, memory TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS _plumb_alerts(id INTEGER PRIMARY KEY, check_name TEXT NOT NULL, "
    "severity TEXT NOT NULL, state TEXT NOT NULL, root TEXT NOT NULL, parent INTEGER, summary "
    "TEXT NOT NULL, detail TEXT NOT NULL, value_text TEXT, opened_us INTEGER NOT NULL, "
    "changed_us INTEGER NOT NULL, resolved_us INTEGER, acknowledged_us INTEGER, acknowledged_by "
    "TEXT, note TEXT, reminded_us INTEGER, reminders INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX IF NOT EXISTS _plumb_alerts_check ON _plumb_alerts(check_name, state);"
    "CREATE TABLE IF NOT EXISTS _plumb_silences(id INTEGER PRIMARY KEY, matcher TEXT NOT NULL, "
    "since_us INTEGER NOT NULL, until_us INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT "
    "NULL, ended_us INTEGER) STRICT;"
    "CREATE TABLE IF NOT EXISTS _plumb_deliveries(id INTEGER PRIMARY KEY, alert INTEGER NOT "
    "NULL, route TEXT NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT "
    "NULL DEFAULT 0, next_us INTEGER NOT NULL, last_error TEXT, created_us INTEGER NOT NULL, "
    "sent_us INTEGER) STRICT;"
    "CREATE INDEX IF NOT EXISTS _plumb_deliveries_due ON _plumb_deliveries(state, next_us);"
    "CREATE INDEX IF NOT EXISTS _plumb_deliveries_alert ON _plumb_deliveries(alert);"
    "CREATE TABLE IF NOT EXISTS _plumb_quarantine(at_us INTEGER NOT NULL, number INTEGER NOT NULL, "
    "reason TEXT NOT NULL, of_table TEXT NOT NULL, \"row\" TEXT NOT NULL, content BLOB, PRIMARY "
    "KEY(at_us, number)) STRICT;"
    "CREATE TABLE IF NOT EXISTS _plumb_extractions(batch INTEGER PRIMARY KEY, asked_us INTEGER "
    "NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS _plumb_http(source TEXT NOT NULL, at_us INTEGER NOT NULL, status "
    "TEXT NOT NULL, answers INTEGER NOT NULL, PRIMARY KEY(source, at_us, status)) STRICT, "
    "WITHOUT ROWID;";

#endif
