"""plumb rejects and plumb status: what was set aside, and how far everything is."""
import json
import os
import signal
import sqlite3
import subprocess

import pytest

FLOW = """\
flow: r
store: sqlite:r.db
sources:
  logs:
    type: file
    path: data/*.jsonl
    record_bytes_max: 8KiB
    columns: {id: {type: int64, required: true}, note: text, amount: int64}
  cells:
    type: file
    path: data/*.csv
    columns: {id: {type: int64, required: true}, note: text}
tables:
  logs: {key: [id], columns: {id: int64, note: text, amount: int64}}
  sums: {key: [note], columns: {note: text, amount: int64}}
  shares: {key: [note], columns: {note: text, share: int64}}
transforms:
  logs: {from: sources.logs, into: logs, sql: "SELECT id, note, abs(amount) AS amount FROM batch"}
  sums: {from: tables.logs, into: sums, sum: "SELECT note, amount FROM change"}
  shares:
    on: [sums]
    into: shares
    derive: SELECT s.note, abs(-9223372036854775807 - (s.amount = 1)) AS share FROM changed k JOIN sums s ON s.note = k.note
"""
WIDE = '{"id": 1, "note": "%s", "amount": "here"}' % ("é" * 150)
LOGS = [
    '{"id": 1, "note": "a", "amount": 5}',
    '{"id": "no", "note": "\\u0007", "amount": 5}',       # type
    '{"id": 3, "note": "a", "amount": -9223372036854775808}',  # abs() fails: transform
    '\x1b[31m{"id": 4\t\x07',                                   # malformed, and hostile
    WIDE,                                                        # type, far to the right
    '{"id": 6, "note": "' + "z" * 9000 + '"}',               # too_large
    '{"note": "b"}',                                            # missing
    '{"id": 8, "note": "c", "amount": 1}',                      # its key fails in the derive
]


@pytest.fixture(name="flow")
def a_flow(plumb, make_flow):
    directory = make_flow({"flow.yaml": FLOW, "data/logs.jsonl": "\n".join(LOGS) + "\n",
                           "data/cells.csv": 'id,note\n1,fine\ntwo,"over\ntwo lines"\n'}, name="r")
    plumb.run("run", directory, "--once", "--batch-rows", "3")
    return directory


def listed(plumb, flow, *options):
    return json.loads(plumb.ok("rejects", "list", flow, "--json", *options).stdout)


def test_list_counts_by_reason_and_lists_the_newest_first(plumb, flow):
    facts = listed(plumb, flow)
    counted = {(group["transform"], group["reason"], group["column"]): group["rows"] for group in facts["groups"]}
    assert counted == {(None, "type", "id"): 1, (None, "type", "amount"): 1, (None, "malformed", None): 1,
                       (None, "missing", "id"): 1, (None, "too_large", None): 1, ("logs", "transform", None): 1}
    assert len(facts["groups"]) == len(facts["rows"]) == 7, "the same reason in two sources is two groups"
    ids = [row["id"] for row in facts["rows"]]
    assert ids == sorted(ids, reverse=True)
    records = {(row["source"], row["record"]): row["reason"] for row in facts["rows"]}
    assert records == {("logs", 1): "type", ("logs", 2): "transform", ("logs", 3): "malformed", ("logs", 4): "type",
                       ("logs", 5): "too_large", ("logs", 6): "missing", ("cells", 1): "type"}


def test_list_can_be_left_out(plumb, flow):
    now = {"PLUMB_CLOCK": "4000000000000000"}  # or a second may pass between the two
    assert plumb.ok("rejects", flow, env=now).stdout == plumb.ok("rejects", "list", flow, env=now).stdout


def test_list_by_reason_transform_and_limit(plumb, flow):
    assert {row["reason"] for row in listed(plumb, flow, "--reason", "type")["rows"]} == {"type"}
    assert [row["record"] for row in listed(plumb, flow, "--transform", "logs")["rows"]] == [2]
    assert len(listed(plumb, flow, "--transform", "")["rows"]) == 6
    newest = listed(plumb, flow, "--limit", "2")
    assert len(newest["rows"]) == 2 and sum(group["rows"] for group in newest["groups"]) == 7


def test_a_reason_or_transform_that_cannot_be_is_a_mistake(plumb, flow):
    done = plumb.run("rejects", "list", flow, "--reason", "typo")
    assert done.code == 2 and "did you mean 'type'?" in done.stderr
    done = plumb.run("rejects", "list", flow, "--transform", "sum")
    assert done.code == 2 and "no transform 'sum'" in done.stderr
    assert plumb.run("rejects", "list", flow, "--limit", "0").code == 2


def test_keys_on_which_a_derive_failed_are_listed(plumb, flow):
    failed = listed(plumb, flow)["failed_keys"]
    assert [(key["transform"], json.loads(key["key"])) for key in failed] == [("shares", {"note": "c"})]
    assert "overflow" in failed[0]["message"]
    assert "Keys on which a derive failed" in plumb.ok("rejects", flow).stdout
    assert listed(plumb, flow, "--reason", "type")["failed_keys"] == []


def id_of(plumb, flow, source, record):
    return [row["id"] for row in listed(plumb, flow)["rows"] if (row["source"], row["record"]) == (source, record)][0]


def caret(text):
    """What stands above the caret."""
    lines = text.splitlines()
    at = [number for number, line in enumerate(lines) if line.strip() == "^"][0]
    return lines[at - 1][lines[at].index("^"):]


def test_show_puts_a_caret_under_the_fault(plumb, flow):
    text = plumb.ok("rejects", "show", flow, id_of(plumb, flow, "logs", 1)).stdout
    assert caret(text).startswith('"no"')
    assert "column    id" in text and "logs.jsonl" in text


def test_show_cuts_a_long_record_around_the_fault(plumb, flow):
    text = plumb.ok("rejects", "show", flow, id_of(plumb, flow, "logs", 4)).stdout
    assert caret(text).startswith('"here"')
    shown = [line for line in text.splitlines() if '"here"' in line and "..." in line]
    assert shown and all(len(line) <= 102 for line in shown)


def test_show_makes_what_is_not_printable_visible(plumb, flow):
    text = plumb.ok("rejects", "show", flow, id_of(plumb, flow, "logs", 3)).stdout
    assert "\x1b" not in text and "\x07" not in text
    assert '\\x1b[31m{"id": 4\\t\\x07' in text


def test_show_of_csv_has_the_header_and_line_ends_visible(plumb, flow):
    text = plumb.ok("rejects", "show", flow, id_of(plumb, flow, "cells", 1)).stdout
    assert "header    id,note" in text and 'two,"over\\ntwo lines"' in text
    assert caret(text).startswith("two")


def test_show_says_when_only_the_beginning_is_kept(plumb, flow):
    number = id_of(plumb, flow, "logs", 5)
    assert "only the beginning is kept" in plumb.ok("rejects", "show", flow, number).stdout
    assert json.loads(plumb.ok("rejects", "show", flow, number, "--json").stdout)["whole"] is False


def test_show_raw_gives_the_very_bytes(plumb, flow):
    for record in (1, 3, 4):
        number = id_of(plumb, flow, "logs", record)
        done = subprocess.run([plumb.path, "rejects", "show", flow, str(number), "--raw"], check=True, capture_output=True)
        assert done.stdout == LOGS[record].encode()
        assert json.loads(plumb.ok("rejects", "show", flow, number, "--json").stdout)["raw"] == LOGS[record]


def test_show_of_a_number_that_is_not_there(plumb, flow):
    done = plumb.run("rejects", "show", flow, 99)
    assert done.code == 1 and "there is no reject 99" in done.stderr


def test_show_of_a_damaged_batch_says_so(plumb, flow):
    connection = sqlite3.connect(flow / "r.db")
    connection.executescript("UPDATE _plumb_batches SET hash = zeroblob(16)")
    connection.close()
    done = plumb.run("rejects", "show", flow, 1)
    assert done.code == 1 and "batch" in done.stderr and done.stdout == ""


def test_hostile_text_in_messages_is_shown_harmless(plumb, flow):
    for command in (["rejects", "list"], ["status"], ["audit"]):
        assert "\x1b" not in plumb.run(*command, flow).stdout


# ---- status ----

def status(plumb, flow):
    return json.loads(plumb.ok("status", flow, "--json").stdout)


def test_status_counts_what_the_tables_hold(plumb, flow, query):
    facts = status(plumb, flow)
    logs = [source for source in facts["sources"] if source["source"] == "logs"][0]
    assert (logs["records"], logs["decoded"], logs["rejected"], logs["batches"]) == (8, 3, 5, 3)
    made = {transform["transform"]: transform for transform in facts["transforms"]}
    assert made["logs"]["rows"] == query(flow / "r.db", "SELECT count(*) FROM logs")[0][0] == 2
    assert made["logs"]["rejected"] == 1 and made["logs"]["batches_behind"] == 0
    assert made["shares"]["failed_keys"] == 1 and made["shares"]["waiting"] == 0
    assert sum(reject["rows"] for reject in facts["rejects"]) == 7
    assert [made[name]["state"] for name in ("logs", "sums", "shares")] == ["ok", "ok", "some keys failed"]
    assert [(mark["batch"], mark["last_batch"]) for mark in facts["marks"]] == [(3, 3)]


def test_status_shows_what_is_behind_and_what_is_held(plumb, flow):
    connection = sqlite3.connect(flow / "r.db")
    connection.executescript(
        "UPDATE _plumb_marks SET seq = 1; INSERT INTO _plumb_q_sums(_sign, note, amount) VALUES (1, 'a', 1), (1, 'a', 1);"
        "UPDATE _plumb_transforms SET attempts = 2, class = 'input', message = 'integer overflow', since_us = 1 WHERE name = 'sums'")
    connection.close()
    facts = status(plumb, flow)
    made = {transform["transform"]: transform for transform in facts["transforms"]}
    assert made["logs"]["batches_behind"] == 2 and made["sums"]["waiting"] == 2
    assert made["sums"]["state"] == "waits" and made["sums"]["message"] == "integer overflow" and made["sums"]["since"] == "1970-01-01T00:00:00.000001Z"
    assert [s["batches_behind"] for s in facts["sources"]] == [2, 0]
    assert "integer overflow" in plumb.ok("status", flow).stdout


def test_status_shows_troubles_and_changes_of_schema(plumb, flow):
    (flow / "data" / "logs.jsonl").write_text('{"id": 1}\n')
    (flow / "data" / "more.jsonl").write_text('{"id": 70, "colour": "red"}\n')
    plumb.run("run", flow, "--once")
    facts = status(plumb, flow)
    assert ("new_field", "/colour") in [(event["event"], event["path"]) for event in facts["schema_events"]]
    assert [trouble["partition"] for trouble in facts["troubles"]] == ["data/logs.jsonl"]
    assert "Troubles" in plumb.ok("status", flow).stdout


def test_status_of_a_store_that_a_run_is_writing(plumb, flow):
    running = plumb.start("run", flow)
    try:
        assert status(plumb, flow)["flow"] == "r"
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)


def test_status_before_the_first_run(plumb, make_flow):
    done = plumb.run("status", make_flow({"flow.yaml": FLOW}, name="fresh"))
    assert done.code == 78 and "`plumb run` creates it" in done.stderr


def test_status_watch_goes_on_until_it_is_stopped(plumb, flow):
    read_end, write_end = os.pipe()
    running = subprocess.Popen([plumb.path, "status", flow, "--watch"], stdout=write_end, env=plumb.environment())
    os.close(write_end)
    with os.fdopen(read_end) as text:
        titles = 0
        while titles < 2:
            line = text.readline()
            assert line != ""
            titles += line.startswith("Sources")
        running.terminate()
    running.wait(timeout=30)
