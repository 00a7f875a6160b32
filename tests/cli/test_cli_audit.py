"""plumb audit: a sound store passes, and every check finds the fault it is there for, seeded here with sqlite3."""
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

FLOW = """\
flow: small
sources:
  events:
    type: file
    path: data/*.jsonl
    columns:
      id: {type: int64, required: true}
      who: {type: text, required: true}
      amount: {type: int64, required: true}
tables:
  events: {key: [id], columns: {id: int64, who: text, amount: int64}}
  totals: {key: [who], columns: {who: text, amount: int64}}
  ranks: {key: [who], columns: {who: text, rank: text}}
transforms:
  events:
    from: sources.events
    into: events
    sql: SELECT id, who, abs(amount) AS amount FROM batch
  totals:
    from: tables.events
    into: totals
    sum: SELECT who, amount FROM change
  ranks:
    on: [totals]
    into: ranks
    derive: SELECT t.who, CASE WHEN t.amount > 50 THEN 'high' ELSE 'low' END AS rank FROM changed k JOIN totals t ON t.who = k.who
"""
STORE = "store: sqlite:small.db\n"
OVERFLOW = -2**63  # abs() of it fails: the map rejects the row


SELECTS_WITH_TWINS, CALLS_WITH_TWINS = 31, 11  # of cli/audit_*.c


def lines(first, count):
    records = [{"id": i, "who": f"w{i % 3}", "amount": i} for i in range(first, first + count)]
    records[1]["amount"] = "many"
    records[2]["amount"] = OVERFLOW
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture(scope="module", name="sound")
def sound_store(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("audit") / "small"
    (directory / "data").mkdir(parents=True)
    (directory / "flow.yaml").write_text(FLOW + STORE)
    (directory / "data" / "a.jsonl").write_text(lines(0, 30))
    (directory / "data" / "b.jsonl").write_text(lines(100, 8))
    plumb.ok("run", directory, "--once", "--batch-rows", "10")
    return directory


@pytest.fixture(name="flow")
def own_copy(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "small")
    return tmp_path / "small"


def change(flow, sql):
    connection = sqlite3.connect(flow / "small.db")
    connection.executescript(sql)
    connection.commit()
    connection.close()


def dump_of(flow):
    connection = sqlite3.connect(flow / "small.db")
    text = list(connection.iterdump())
    connection.close()
    return text


def audit(plumb, flow, *options):
    done = plumb.run("audit", flow, "--json", *options)
    facts = json.loads(done.stdout)
    assert facts["ok"] == (done.code == 0)
    return done.code, facts


def test_a_sound_store_passes_and_every_check_looked_at_something(plumb, flow):
    code, facts = audit(plumb, flow)
    assert code == 0 and facts["findings"] == []
    assert all(check["findings"] == 0 for check in facts["checks"])
    assert all(check["examined"] > 0 for check in facts["checks"]), facts["checks"]
    looked_at = {check["check"]: check["examined"] for check in facts["checks"]}
    assert looked_at["records"] == 38 and looked_at["sequence"] == 4 and looked_at["rejects"] == 4
    assert {name: table["rows"] for name, table in facts["tables"].items()} == {"events": 34, "totals": 3, "ranks": 3}


# check, a word of the message, SQL that breaks it. Partition 1 is a.jsonl with three batches, ids 1 to 3.
FAULTS = {
    "a batch is gone": ("sequence", "expected batch 2", "DELETE FROM _plumb_batches WHERE id = 2"),
    "the newest batch is gone": ("sequence", "the last one staged is 2", "DELETE FROM _plumb_batches WHERE id = 3"),
    "a partition counts a batch too many": ("sequence", "its last batch is number 4",
                                            "UPDATE _plumb_partitions SET last_seq = 4 WHERE id = 1"),
    "a partition is gone": ("sequence", "its partition is not there", "DELETE FROM _plumb_partitions WHERE id = 2"),
    "records overlap": ("records", "begins with record 9, expected 10",
                        "UPDATE _plumb_batches SET first_record = 9 WHERE id = 2"),
    "the first record is not the first": ("records", "begins with record 1, expected 0",
                                          "UPDATE _plumb_batches SET first_record = 1 WHERE id = 1"),
    "a partition counts a record less": ("records", "counts 29 records",
                                         "UPDATE _plumb_partitions SET records = 29 WHERE id = 1"),
    "a batch's cursor is elsewhere": ("records", "its cursor stands at record 21",
                                      "UPDATE _plumb_batches SET cursor = json_set(cursor, '$.records', 21) WHERE id = 2"),
    "the cursor is ahead": ("records", "the cursor stands at record 31",
                            "UPDATE _plumb_partitions SET cursor = json_set(cursor, '$.records', 31) WHERE id = 1"),
    "a decoded row is not counted": ("decoding", "10 records, but 8 decoded + 1 rejected",
                                     "UPDATE _plumb_batches SET decoded = 8 WHERE id = 1"),
    "a negative count evens out": ("decoding", "-1 rejected",
                                   "UPDATE _plumb_batches SET decoded = 11, rejected = -1 WHERE id = 1"),
    "a reject of decoding is lost": ("rejects", "1 records were rejected while decoding, kept are 0",
                                     "DELETE FROM _plumb_rejects WHERE transform = '' AND batch = 1"),
    "a reject of a map is lost": ("rejects", "1 rows were rejected, kept are 0",
                                  "DELETE FROM _plumb_rejects WHERE transform = 'events' AND batch = 1"),
    "a reject came from nowhere": ("rejects", "kept are 2",
                                   "INSERT INTO _plumb_rejects SELECT 900, batch, 7, transform, reason, NULL, NULL, '', "
                                   "version, 0, NULL, NULL, NULL, NULL FROM _plumb_rejects WHERE transform = '' AND batch = 1"),
    "a reject points past its batch": ("rejects", "has no record at 10",
                                       "UPDATE _plumb_rejects SET pos = 10 WHERE transform = '' AND batch = 1"),
    "a reject of no batch": ("rejects", "its batch is not there",
                             "INSERT INTO _plumb_rejects VALUES (901, 77, 0, '', 'type', NULL, NULL, '', '', 0, NULL, NULL, NULL, NULL)"),
    "a reject of no ledger line": ("rejects", "has no ledger line",
                                   "INSERT INTO _plumb_rejects VALUES (902, 1, 5, 'other', 'type', NULL, NULL, '', '', 0, NULL, NULL, NULL, NULL)"),
    "a row got lost in a map": ("ledger", "9 rows in, but 7 records out",
                                "UPDATE _plumb_ledger SET records_out = 7 WHERE batch = 1"),
    "a row got lost on its way into the table": ("ledger", "8 rows out, but 7 inserted",
                                                 "UPDATE _plumb_ledger SET inserted = 7 WHERE batch = 1"),
    "a ledger line is of other rows": ("ledger", "but the batch has 9 decoded rows",
                                       "UPDATE _plumb_ledger SET rows_in = 10, filtered = 1 WHERE batch = 1"),
    "a ledger line evens out below zero": ("ledger", "-1 filtered",
                                           "UPDATE _plumb_ledger SET records_out = 9, filtered = -1 WHERE batch = 1"),
    "a ledger line of no batch": ("ledger", "the batch is not there", "UPDATE _plumb_ledger SET batch = 55 WHERE batch = 3"),
    "raw bytes changed": ("staging", "batch 1",
                          "UPDATE _plumb_frames SET frame = CAST(substr(frame, 1, 30) || x'ff' || substr(frame, 32) AS BLOB) WHERE batch = 1"),
    "raw bytes of another batch": ("staging", "batch 1",
                                   "UPDATE _plumb_frames SET frame = (SELECT frame FROM _plumb_frames WHERE batch = 2) WHERE batch = 1"),
    "a checksum changed": ("staging", "batch 2", "UPDATE _plumb_batches SET hash = zeroblob(16) WHERE id = 2"),
    "raw bytes are gone": ("staging", "its raw records are gone", "DELETE FROM _plumb_frames WHERE batch = 2"),
    "raw bytes of no batch": ("staging", "its batch is not there",
                              "INSERT INTO _plumb_frames SELECT 77, frame FROM _plumb_frames WHERE batch = 1"),
    "more records are counted than kept": ("staging", "holds 10 records, the store says 11",
                                           "UPDATE _plumb_batches SET records = 11 WHERE id = 1"),
    "a map is behind": ("marks", "1 of 3 batches are not applied yet",
                        "UPDATE _plumb_marks SET seq = 2 WHERE partition = 1"),
    "a map's line beyond its mark": ("marks", "has a ledger line, but is not applied by the mark",
                                     "UPDATE _plumb_marks SET seq = 2 WHERE partition = 1"),
    "a map has no mark": ("marks", "3 of 3 batches are not applied yet", "DELETE FROM _plumb_marks WHERE partition = 1"),
    "a mark is ahead": ("marks", "its mark is batch 4", "UPDATE _plumb_marks SET seq = 4 WHERE partition = 1"),
    "a ledger line is gone": ("marks", "has no ledger line", "DELETE FROM _plumb_ledger WHERE batch = 2"),
    "a change was not summed": ("queues", "1 changes wait",
                                "INSERT INTO _plumb_q_totals(_sign, who, amount) VALUES (1, 'w1', 5)"),
    "a key was not derived": ("queues", "1 changes wait", "INSERT INTO _plumb_q_ranks(who) VALUES ('w1')"),
    "a key failed": ("queues", "1 keys failed",
                     "INSERT INTO _plumb_q_ranks(who, _failed, _error) VALUES ('w1', 1, 'division by zero')"),
    "a transform is held": ("transforms", "waits with its input kept: overflow",
                            "UPDATE _plumb_transforms SET attempts = 3, class = 'input', message = 'overflow' WHERE name = 'totals'"),
    "a transform was another": ("transforms", "is not what made table 'totals'",
                                "UPDATE _plumb_transforms SET definition = zeroblob(16) WHERE name = 'totals'"),
    "a transform never ran": ("transforms", "has never run", "DELETE FROM _plumb_transforms WHERE name = 'ranks'"),
    "a row was deleted by hand": ("tables", "changed by hand?", "DELETE FROM events WHERE id = 5"),
    "a row was inserted by hand": ("tables", "has 35 rows", "INSERT INTO events(id, who, amount) VALUES (900, 'x', 1)"),
    "a table is gone": ("tables", "is not in the store", "DROP TABLE ranks"),
    "a repair was cut short": ("repair", "goes on", "INSERT INTO _plumb_meta VALUES ('repair', 'tables are to be rebuilt')"),
    "a mark of no partition": ("orphans", "partition 77 is not there", "INSERT INTO _plumb_marks VALUES ('events', 77, 1, 0)"),
    "a mark of no transform": ("orphans", "its transform is not there", "UPDATE _plumb_marks SET transform = 'gone' WHERE partition = 2"),
    "a stream of no batch": ("orphans", "stream x of batch id 77", "INSERT INTO _plumb_streams VALUES (77, 'x', 1)"),
    "coverage of no partition": ("orphans", "from 1 to 9: the partition is not there",
                                 "INSERT INTO _plumb_coverage VALUES (77, 1, 9, 0, 1, 'x', 'x', 1, 0)"),
    "a note of no partition": ("orphans", "note 5: partition 77", "INSERT INTO _plumb_notes VALUES (5, 77, 1, 'x')"),
    "taken back by no batch": ("orphans", "the batch that took its record back is not there",
                               "UPDATE _plumb_rejects SET taken_back_by = 77 WHERE batch = 1"),
    "a ledger of no transform": ("orphans", "ledger of transform gone", "UPDATE _plumb_ledger SET transform = 'gone' WHERE batch = 1"),
    "a queue of no transform": ("orphans", "queue _plumb_q_gone.orders", 'CREATE TABLE "_plumb_q_gone.orders"(x)'),
    "a sum counts nothing": ("tables", "count no contribution", "UPDATE totals SET _n = 0 WHERE who = 'w1'"),
}


# Found only when everything is recomputed; the queues that would carry a correction on are emptied.
DEEP_FAULTS = {
    "a row of a map was changed by hand": ("recomputed", "id 4: amount is 900, should be 4",
                                           "UPDATE events SET amount = 900 WHERE id = 4; DELETE FROM _plumb_q_totals"),
    "a row of a map went and another came": ("recomputed", "1 missing, 1 too much",
                                             "UPDATE events SET id = 900 WHERE id = 4; DELETE FROM _plumb_q_totals"),
    "a sum was changed by hand": ("evaluated", "'totals' gives for its input: 1 different (who w1: amount is 1, should be",
                                  "UPDATE totals SET amount = 1 WHERE who = 'w1'; DELETE FROM _plumb_q_ranks"),
    "a hidden count is wrong": ("evaluated", "_n is 900, should be", "UPDATE totals SET _n = 900 WHERE who = 'w1'"),
    "a row of a derive is missing": ("evaluated", "1 missing (who w1 (rank high) is missing)", "DELETE FROM ranks WHERE who = 'w1'"),
    "a row of a derive is too much": ("evaluated", "1 too much (who x (rank y) is too much)", "INSERT INTO ranks VALUES ('x', 'y')"),
}


def spoil_page(flow):
    """The page of a table is overwritten, as a disk may do."""
    change(flow, "PRAGMA wal_checkpoint(TRUNCATE)")
    connection = sqlite3.connect(flow / "small.db")
    page, = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ranks'").fetchone()
    size, = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with open(flow / "small.db", "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)


def test_a_page_of_the_file_is_not_in_order(plumb, flow):
    spoil_page(flow)
    code, facts = audit(plumb, flow)
    assert code == 3 and any(found["check"] == "database" for found in facts["findings"]), facts["findings"]


def test_every_check_has_a_fault_that_it_is_shown_to_find(plumb, flow):
    _, facts = audit(plumb, flow, "--deep")
    twins = {check for check, _, _ in [*FAULTS.values(), *DEEP_FAULTS.values()]} | {"database"}
    assert {check["check"] for check in facts["checks"]} == twins


def test_every_question_of_the_audit_is_asked_by_a_fault():
    """The SELECTs and the findings in the program's own text, counted: one more wants a twin here."""
    cli = Path(__file__).resolve().parents[2] / "cli"
    text = "".join((cli / name).read_text() for name in ("audit_ledger.c", "audit_progress.c", "audit_staging.c", "audit_tables.c"))
    selects = len(re.findall(r'^\s+\{?"SELECT (?:DISTINCT )?(?:" BATCH_NAME|p\.source \|\||\'[a-z])', text, re.M))
    selects += len(re.findall(r'^\s+"SELECT place', text, re.M))
    calls = len(re.findall(r"\baudit_find\(", text))
    assert (selects, calls) == (SELECTS_WITH_TWINS, CALLS_WITH_TWINS), "a check was added or taken away: seed its fault in FAULTS, then count it"


@pytest.mark.parametrize("fault", DEEP_FAULTS)
def test_it_is_found_by_recomputing_that(plumb, flow, fault):
    check, words, sql = DEEP_FAULTS[fault]
    change(flow, sql)
    code, facts = audit(plumb, flow, "--deep")
    found = [one["check"] for one in facts["findings"]]
    assert code == 3 and check in found, facts["findings"]
    assert any(words in one["message"] for one in facts["findings"] if one["check"] == check), facts["findings"]
    quick = audit(plumb, flow)[1]["findings"]
    assert not quick, "the quick checks would do"


# What a repair leaves: {fault: the check that still finds it, or None when `plumb run` brings back what went}.
NOT_REPAIRED = {"a batch's cursor is elsewhere": "records", "a change was not summed": "queues", "a key was not derived": "queues",
                "a key failed": "queues", "a transform is held": "transforms", "a transform was another": "transforms",
                "a transform never ran": "transforms", "a partition is gone": None}


@pytest.mark.parametrize("fault", {**FAULTS, **DEEP_FAULTS})
def test_a_repair_mends_that(plumb, sound, flow, fault):
    deep = ["--deep"] if fault in DEEP_FAULTS else []
    change(flow, {**FAULTS, **DEEP_FAULTS}[fault][2])
    before = dump_of(flow)
    planned = plumb.run("audit", flow, "--repair", "--json", *deep)
    assert planned.code == 3 and dump_of(flow) == before, "a plan changes nothing"
    done = plumb.run("audit", flow, "--repair", "--yes", "--json", *deep)
    steps = json.loads(done.stdout)
    assert steps["steps"] == json.loads(planned.stdout)["steps"], "the plan was another"
    code, facts = audit(plumb, flow, "--deep")
    if fault not in NOT_REPAIRED:
        assert done.code == code == 0 and facts["tables"] == audit(plumb, sound)[1]["tables"]
    elif NOT_REPAIRED[fault] is not None:
        assert done.code == code == 3 and NOT_REPAIRED[fault] in {one["check"] for one in steps["findings"]}
    else:
        assert done.code == 0 and steps["extracts"]
        plumb.ok("run", flow, "--once")
        assert audit(plumb, flow, "--deep")[1]["tables"] == audit(plumb, sound)[1]["tables"]


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_found_that(plumb, flow, fault):
    check, words, sql = FAULTS[fault]
    change(flow, sql)
    code, facts = audit(plumb, flow)
    messages = [f"{found['where']}: {found['message']}" for found in facts["findings"] if found["check"] == check]
    assert code == 3
    assert any(words in message for message in messages), facts["findings"]


def test_the_text_names_the_place_and_what_is_off(plumb, flow):
    change(flow, "UPDATE _plumb_ledger SET inserted = 7 WHERE batch = 2")
    done = plumb.run("audit", flow)
    assert done.code == 3
    assert "events data/a.jsonl, batch 2, transform events" in done.stdout
    assert "finding" in done.stdout.splitlines()[-1]


def test_one_check_lists_at_most_a_hundred_findings_and_counts_all(plumb, flow):
    rows = ", ".join(f"({1000 + i}, {2000 + i}, 0, '', 'type', NULL, NULL, '', '', 0, NULL, NULL, NULL, NULL)" for i in range(150))
    change(flow, f"INSERT INTO _plumb_rejects VALUES {rows}")
    code, facts = audit(plumb, flow)
    rejects = [check for check in facts["checks"] if check["check"] == "rejects"][0]
    assert code == 3 and rejects["findings"] == 150
    assert len(facts["findings"]) == 100
    assert "150 findings." in plumb.run("audit", flow).stdout


def test_digests_do_not_depend_on_how_records_were_split(plumb, sound, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(sound, other, ignore=shutil.ignore_patterns("*.db*"))
    plumb.ok("run", other, "--once", "--batch-rows", "3")
    assert audit(plumb, other)[1]["tables"] == audit(plumb, sound)[1]["tables"]


def test_digests_tell_apart_tables_that_differ_in_one_value(plumb, flow):
    before = audit(plumb, flow)[1]["tables"]
    change(flow, "UPDATE ranks SET rank = 'none' WHERE who = 'w1'")
    after = audit(plumb, flow)[1]["tables"]
    assert before["ranks"] != after["ranks"] and before["events"] == after["events"]


def test_retention_may_drop_raw_records(plumb, flow):
    (flow / "flow.yaml").write_text(FLOW + STORE + "staging: {keep: 30d}\n")
    change(flow, "DELETE FROM _plumb_frames WHERE batch = 1")
    code, facts = audit(plumb, flow)
    assert code == 0, facts["findings"]
    assert [check["examined"] for check in facts["checks"] if check["check"] == "staging"] == [3]


def test_a_correction_by_hand_flows_on_and_is_said(plumb, flow):
    change(flow, "UPDATE events SET amount = 1000 WHERE id = 4")
    plumb.ok("run", flow, "--once")
    code, _ = audit(plumb, flow)
    assert code == 0, "an update keeps the number of rows"
    change(flow, "DELETE FROM events WHERE id = 4")
    plumb.ok("run", flow, "--once")
    code, facts = audit(plumb, flow)
    assert code == 3 and [found["check"] for found in facts["findings"]] == ["tables"]


def test_without_a_store_it_says_how_to_get_one(plumb, sound, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(sound, other, ignore=shutil.ignore_patterns("*.db*"))
    done = plumb.run("audit", other)
    assert done.code == 78 and "`plumb run` creates it" in done.stderr


def test_a_store_that_fails_while_being_read_is_an_error_and_never_a_sound_audit(plumb, flow):
    for command in (["audit"], ["status"], ["rejects", "list"]):
        failed = 0
        for operation in range(1, 400, 13):
            done = plumb.run(*command, flow, env={"PLUMB_FAULT": f"store:{operation}"})
            assert done.code in (0, 1), done.stderr
            assert (done.code == 1) == (done.stderr != "") == (done.stdout == "")
            failed += done.code
        assert failed > 0
