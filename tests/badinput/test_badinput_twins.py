"""Each assertion of badinput.py fails on an outcome, or on a store, that is not what it should be."""
import sqlite3

import pytest

pytest.register_assert_rewrite("badinput")
# pylint: disable=wrong-import-position
from badinput import (GOOD_AFTER, GOOD_BEFORE, Trouble, assert_audit, assert_good_rows, assert_memory,
                      assert_nothing_lost, assert_rejects, assert_same, assert_trouble, flow_text, json_lines,
                      measured_run, read_audit, run, tables_of)

IDS = GOOD_BEFORE + [10] + GOOD_AFTER
BAD = "data/2-bad.jsonl"


@pytest.fixture
def flow(make_flow):
    return make_flow({"flow.yaml": flow_text(), "data/1-before.jsonl": json_lines(GOOD_BEFORE),
                      BAD: json_lines([10]) + b"broken\n", "data/3-after.jsonl": json_lines(GOOD_AFTER)})


@pytest.fixture
def outcome(plumb, flow):
    return run(plumb, flow)


def change(flow, *statements):
    connection = sqlite3.connect(flow / "bad.db", isolation_level=None)
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, f"{statement} changed nothing"
    connection.close()


def look_again(outcome, plumb, flow):
    log, table, counts = tables_of(flow)
    return outcome._replace(log=log, table=table, counts=counts, audit=read_audit(plumb, flow))


def fails(function, *arguments):
    with pytest.raises(AssertionError):
        function(*arguments)


def test_the_assertions_hold_where_nothing_is_doctored(outcome):
    assert_nothing_lost(outcome, IDS)
    assert_good_rows(outcome, IDS)
    assert_rejects(outcome, BAD, [(1, "malformed", "not JSON")])
    assert_trouble(outcome, None, None)
    assert_audit(outcome)


@pytest.mark.parametrize("statement", [
    'DELETE FROM "log" WHERE id = 10', 'UPDATE "log" SET id = 11 WHERE id = 10', 'DELETE FROM "t" WHERE id = 2',
    'INSERT INTO "log" (_partition, _record, id, v) SELECT _partition, _record + 100, id, v FROM "log" WHERE id = 1',
    'UPDATE "t" SET id = 77 WHERE id = 3', 'UPDATE "counts" SET records = 2 WHERE v = \'good 1\'',
    'DELETE FROM "counts" WHERE v = \'good 1\''])
def test_lost_doubled_and_changed_records_are_seen(plumb, flow, outcome, statement):
    change(flow, statement)
    fails(assert_nothing_lost, look_again(outcome, plumb, flow), IDS)


@pytest.mark.parametrize("statement", ['UPDATE "t" SET v = \'bad\' WHERE id = 9001', 'UPDATE "t" SET n = 0 WHERE id = 1'])
def test_changed_values_are_seen(plumb, flow, outcome, statement):
    change(flow, statement)
    fails(assert_good_rows, look_again(outcome, plumb, flow), IDS)


def test_rejects_of_another_kind_place_or_number_are_seen(outcome):
    for expected in ([], [(1, "type", "")], [(0, "malformed", "")], [(1, "malformed", "no such text")],
                     [(1, "malformed", ""), (2, "malformed", "")]):
        fails(assert_rejects, outcome, BAD, expected)
    fails(assert_rejects, outcome, "data/1-before.jsonl", [(1, "malformed", "")])


def test_troubles_untold_or_told_otherwise_are_seen(outcome):
    message = "it is cut. Put the whole file in its place"
    told = outcome._replace(code=1, troubles=[Trouble(BAD, BAD, message)], text=f"plumb: {BAD}: {message}",
                            error={"message": message})
    assert_trouble(told, BAD, "cut.*Put")
    fails(assert_trouble, outcome, BAD, "cut")
    fails(assert_trouble, told, None, None)
    fails(assert_trouble, told, BAD, "no such text")
    fails(assert_trouble, told, "data/other.jsonl", "cut")
    fails(assert_trouble, told._replace(code=0), BAD, "cut")
    fails(assert_trouble, told._replace(text=""), BAD, "cut")
    fails(assert_trouble, told._replace(error={"message": ""}), BAD, "cut")
    fails(assert_trouble, told._replace(troubles=told.troubles * 2), BAD, "cut")


@pytest.mark.parametrize("statement, finding", [
    ("DELETE FROM _plumb_rejects", "rejects"),
    ("UPDATE _plumb_batches SET decoded = decoded + 1 WHERE id = 1", "decoding"),
    ("DELETE FROM _plumb_ledger WHERE transform = 'log' AND batch = 1", "marks"),
    ("UPDATE _plumb_frames SET frame = zeroblob(length(frame)) WHERE batch = 1", None)])
def test_a_doctored_store_does_not_pass_the_audit(plumb, flow, outcome, statement, finding):
    change(flow, statement)
    doctored = look_again(outcome, plumb, flow)
    fails(assert_audit, doctored)
    if finding is not None:
        assert finding in {check for check, _, _ in doctored.audit[1]}


def test_an_audit_that_finds_must_be_expected_to(outcome):
    fails(assert_audit, outcome, [("rejects", "s data/2-bad.jsonl, batch 1")])
    fails(assert_audit, outcome._replace(audit=(3, [])))
    fails(assert_audit, outcome._replace(audit=(0, [("rejects", "x", "y")])))


def test_a_second_run_that_did_something_is_seen(plumb, flow, outcome):
    again = run(plumb, flow)
    assert_same(again, outcome)
    fails(assert_same, again._replace(code=1), outcome)
    fails(assert_same, again._replace(rejects=again.rejects * 2), outcome)
    fails(assert_same, again._replace(log=again.log[1:]), outcome)
    fails(assert_same, again._replace(summary={"records": 1}), outcome)
    (flow / "data" / "4.jsonl").write_bytes(json_lines([50]))
    fails(assert_same, run(plumb, flow), outcome)


def test_the_measure_sees_the_programs_memory_and_not_ours(plumb, flow):
    ours = bytearray(400 << 20)
    code, mib, _ = measured_run(plumb, flow)
    assert code == 0 and 3 < mib < 400 and len(ours) > 0
    fails(assert_memory, mib, 3)
