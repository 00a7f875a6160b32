"""audit --repair: what a source can give again goes back to its place; what it gives otherwise is extracted anew; what nobody has
any more is told, and kept as it is until it is written off; nothing is thrown away. Every single fault: tests/cli/test_cli_audit.py."""
import gzip
import json
import shutil
import sqlite3

import pytest
from conftest import rows_of

FLOW = """flow: f
store: sqlite:f.db
sources:
  orders: {type: file, path: "orders-*", @FORMAT@columns: {id: {type: int64, required: true}, customer: {type: text, required: true}, cents: {type: int64, required: true}}}
tables:
  orders: {key: [id], columns: {id: int64, customer: text, cents: int64}}
  log: {key: auto, columns: {id: int64}}
  customers: {key: [customer], columns: {customer: text, orders: int64, cents: int64}}
transforms:
  orders: {from: sources.orders, into: orders, sql: "SELECT id, customer, cents FROM batch"}
  log: {from: sources.orders, into: log, sql: "SELECT id FROM batch"}
  customers: {from: tables.orders, into: customers, sum: "SELECT customer, 1 AS orders, cents FROM change"}
"""
FIRST, SECOND = 60, 30  # records of the two files, in batches of 10


def jsonl(first, count, cents=1):
    return "".join(json.dumps({"id": i, "customer": f"c{i % 5}", "cents": i * cents}) + "\n" for i in range(first, first + count)).encode()


def csv(first, count):
    return ("id,customer,cents\n" + "".join(f'{i},"c{i % 5}",{i}\n' for i in range(first, first + count))).encode()


FORMS = {"orders-{}.jsonl": jsonl, "orders-{}.csv": csv, "orders-{}.jsonl.gz": lambda *a: gzip.compress(jsonl(*a), mtime=0)}


def make(plumb, place, form="orders-{}.jsonl"):
    place.mkdir()
    (place / "flow.yaml").write_text(FLOW.replace("@FORMAT@", "format: csv, " if "csv" in form else "format: jsonl, "))
    (place / form.format(0)).write_bytes(FORMS[form](0, FIRST))
    (place / form.format(1)).write_bytes(FORMS[form](100, SECOND))
    plumb.ok("run", place, "--once", "--batch-rows", "10")
    return place


@pytest.fixture(scope="module", name="sound")
def sound_place(plumb, tmp_path_factory):
    return make(plumb, tmp_path_factory.mktemp("repair") / "sound")


@pytest.fixture(name="place")
def own_copy(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "place")
    return tmp_path / "place"


def by_hand(place, sql):
    connection = sqlite3.connect(place / "f.db")
    connection.executescript(sql)
    connection.close()


def tables(plumb, place, *options):
    done = plumb.run("audit", place, "--json", *options)
    facts = json.loads(done.stdout)
    return done.code, facts["tables"]


def repair(plumb, place, *options, code=0):
    done = plumb.run("audit", place, "--repair", "--json", *options)
    assert done.code == code, done.stderr or done.stdout
    return json.loads(done.stdout)


def ways(report):
    return [(step["way"], step["where"]) for step in report["steps"]]


def spoil(*batches):
    return f"UPDATE _plumb_frames SET frame = CAST(substr(frame, 1, 30) || x'00ff00' || substr(frame, 34) AS BLOB) WHERE batch IN ({', '.join(map(str, batches))});"


@pytest.mark.parametrize("form", FORMS)
def test_damaged_and_missing_batches_come_back_byte_by_byte(plumb, tmp_path, form):
    place = make(plumb, tmp_path / "place", form)
    frames = "SELECT f.batch, f.frame, b.hash, b.seq, b.first_record, b.records, b.cursor FROM _plumb_batches b LEFT JOIN _plumb_frames f ON f.batch = b.id ORDER BY b.id"
    before, good = rows_of(place / "f.db", frames), tables(plumb, place)[1]
    by_hand(place, spoil(1, 3, 4) + "DELETE FROM _plumb_batches WHERE id = 6; DELETE FROM _plumb_frames WHERE batch = 9;")
    report = repair(plumb, place, "--yes")
    name = form.format(0)
    assert [way for way in ways(report) if way[0] != "move"] == [("again", f"orders {name}, batch {n}") for n in (1, 3, 4, 6)] + [
        ("again", f"orders {form.format(1)}, batch 3")]
    assert rows_of(place / "f.db", frames) == before
    assert tables(plumb, place, "--deep") == (0, good)
    assert repair(plumb, place) == {**repair(plumb, place), "steps": [], "rebuilds": False}
    kept = rows_of(place / "f.db", "SELECT of_table, reason, count(*) FROM _plumb_quarantine WHERE content IS NOT NULL GROUP BY 1, 2")
    assert kept == [("_plumb_frames", "its batch is not there", 1), ("_plumb_frames", "its checksum is not right", 3)]


def test_what_a_source_gives_otherwise_now_is_extracted_anew(plumb, place, tmp_path):
    by_hand(place, spoil(2))
    by_hand(place, "UPDATE _plumb_batches SET hash = zeroblob(16), raw_bytes = 1 WHERE id = 2")  # as if the file had held other bytes then
    (place / "orders-2.jsonl").write_bytes(jsonl(200, 5))
    plumb.run("run", place, "--once")
    planned = repair(plumb, place, code=3)
    assert ways(planned) == [("rewind", "orders orders-0.jsonl, batch 2")] and planned["steps"][0]["records"] == 50
    report = repair(plumb, place, "--yes")
    assert report["extracts"] and report["findings"] == []
    assert rows_of(place / "f.db", "SELECT count(*) FROM orders") == [(FIRST - 50 + SECOND + 5,)]
    assert rows_of(place / "f.db", "SELECT last_seq, records FROM _plumb_partitions WHERE name = 'orders-0.jsonl'") == [(1, 10)]
    plumb.ok("run", place, "--once")
    fresh = make(plumb, tmp_path / "fresh")
    (fresh / "orders-2.jsonl").write_bytes(jsonl(200, 5))
    plumb.ok("run", fresh, "--once")
    assert tables(plumb, place, "--deep") == (0, tables(plumb, fresh)[1])
    assert rows_of(place / "f.db", "SELECT count(*) FROM _plumb_quarantine WHERE of_table = '_plumb_batches'") == [(5,)]


def test_what_nobody_has_any_more_is_told_and_left_until_it_is_written_off(plumb, place):
    good = tables(plumb, place)[1]
    hidden = (place / "orders-0.jsonl").rename(place / "hidden")
    by_hand(place, spoil(2))
    report = repair(plumb, place, "--yes", code=3)
    assert ways(report) == [("lost", "orders orders-0.jsonl, batch 2")] and not report["rebuilds"]
    assert (report["steps"][0]["first_record"], report["steps"][0]["records"]) == (10, 10)
    assert tables(plumb, place) == (3, good), "the rows stay"
    text = plumb.run("audit", place, "--repair")
    assert text.code == 3 and "records 10 to 19 of orders orders-0.jsonl, batch 2" in text.stdout and "--write-off" in text.stdout
    refused = plumb.run("replay", place)
    assert refused.code != 0 and tables(plumb, place)[1] == good
    shutil.copy(place / "f.db", place / "before.db")
    report = repair(plumb, place, "--write-off", "--yes")
    assert ways(report) == [("write off", "orders orders-0.jsonl, batch 2")]
    assert rows_of(place / "f.db", "SELECT count(*) FROM _plumb_rejects WHERE message LIKE '%lost: its raw batch was damaged%'") == [(10,)]
    assert rows_of(place / "f.db", "SELECT count(*), sum(id BETWEEN 10 AND 19) FROM orders") == [(FIRST + SECOND - 10, 0)]
    assert tables(plumb, place, "--deep")[0] == 0
    # And if the file had been brought back instead:
    for left in place.glob("f.db*"):
        left.unlink()
    shutil.copy(place / "before.db", place / "f.db")
    hidden.rename(place / "orders-0.jsonl")
    assert ways(repair(plumb, place, "--yes")) == [("again", "orders orders-0.jsonl, batch 2")]
    assert tables(plumb, place, "--deep") == (0, good)


def test_several_lost_in_a_row_have_to_be_given_up_one_by_one_or_not_at_all(plumb, place):
    (place / "orders-0.jsonl").rename(place / "hidden")
    by_hand(place, "DELETE FROM _plumb_batches WHERE id IN (2, 3)")
    report = repair(plumb, place, "--write-off", "--yes", code=3)
    assert ways(report)[-1] == ("lost", "orders orders-0.jsonl, batch 2") and report["steps"][-1]["records"] == 20
    (place / "hidden").rename(place / "orders-0.jsonl")
    report = repair(plumb, place, "--yes")
    assert ways(report)[-1] == ("rewind", "orders orders-0.jsonl, batch 2")
    plumb.ok("run", place, "--once")
    assert tables(plumb, place, "--deep")[0] == 0
    assert rows_of(place / "f.db", "SELECT count(*) FROM orders") == [(FIRST + SECOND,)]


def test_the_newest_batch_written_off_lets_the_source_go_on_behind_it(plumb, place):
    (place / "orders-0.jsonl").rename(place / "hidden")
    by_hand(place, "DELETE FROM _plumb_batches WHERE id = 6")
    report = repair(plumb, place, "--write-off", "--yes")
    assert ways(report)[-1] == ("write off", "orders orders-0.jsonl, batch 6")
    (place / "hidden").rename(place / "orders-0.jsonl")
    with open(place / "orders-0.jsonl", "ab") as file:
        file.write(jsonl(900, 3))
    plumb.ok("run", place, "--once")
    assert rows_of(place / "f.db", "SELECT count(*), sum(id BETWEEN 50 AND 59), sum(id >= 900) FROM orders") == [(FIRST + SECOND - 10 + 3, 0, 3)]
    assert tables(plumb, place, "--deep")[0] == 0


def test_killed_anywhere_the_next_repair_goes_on(plumb, sound, place, tmp_path):
    good = tables(plumb, sound)[1]
    damage = spoil(2) + "DELETE FROM _plumb_batches WHERE id = 5; DELETE FROM orders WHERE id = 3; DELETE FROM _plumb_ledger WHERE batch = 1;"
    by_hand(place, damage)
    count = tmp_path / "count"
    shutil.copytree(place, count)
    counted = plumb.run("audit", count, "--repair", "--yes", env={"PLUMB_FAULT": "count"})
    steps = int(counted.stderr.rsplit("step=", 1)[1].split()[0])
    assert counted.code == 0 and steps > 10
    pending = 0
    for step in range(1, steps + 1, max(1, steps // 16)):
        at = tmp_path / f"kill-{step}"
        shutil.copytree(place, at)
        assert plumb.run("audit", at, "--repair", "--yes", env={"PLUMB_FAULT": f"kill:{step}"}).code in (-9, 0)
        waits = rows_of(at / "f.db", "SELECT count(*) FROM _plumb_meta WHERE key = 'repair'") == [(1,)]
        pending += waits
        plumb.ok("run", at, "--once")  # a run between does no harm
        assert (plumb.run("audit", at).code == 3) or not waits, "an audit says that a repair is not done"
        repair(plumb, at, "--yes")
        assert tables(plumb, at, "--deep") == (0, good), step
        shutil.rmtree(at)
    assert pending > 0


def test_a_store_that_fails_while_it_is_repaired_is_as_it_was_or_goes_on(plumb, sound, place, tmp_path):
    by_hand(place, spoil(2) + "DELETE FROM _plumb_batches WHERE id = 5;")
    failed = 0
    for operation in range(20, 420, 57):
        at = tmp_path / f"fail-{operation}"
        shutil.copytree(place, at)
        failed += plumb.run("audit", at, "--repair", "--yes", env={"PLUMB_FAULT": f"store:{operation}"}).code not in (0, 3)
        plumb.run("audit", at, "--repair", "--yes")
        assert tables(plumb, at, "--deep") == (0, tables(plumb, sound)[1]), operation
        shutil.rmtree(at)
    assert failed > 0


def test_not_beside_a_run_and_not_by_accident(plumb, place):
    by_hand(place, spoil(2))
    run = plumb.start("run", place, "--listen", "127.0.0.1:0")
    try:
        run.stderr.readline()
        refused = plumb.run("audit", place, "--repair", "--yes")
        assert refused.code == 1 and "in use by another plumb" in refused.stderr
        assert plumb.run("audit", place, "--repair").code == 3, "a plan is a reader"
    finally:
        run.terminate()
        run.communicate(timeout=60)
    assert plumb.run("audit", place, "--yes").code == 2 and plumb.run("audit", place, "--write-off").code == 2


def test_a_plan_and_what_is_done_are_the_same_and_named_for_people(plumb, place):
    by_hand(place, spoil(2) + "DELETE FROM _plumb_batches WHERE id = 6; INSERT INTO _plumb_marks VALUES ('gone', 77, 1, 1);"
                              "INSERT INTO _plumb_ledger SELECT 88, 'gone', 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, '', 0; DELETE FROM orders WHERE id = 3;")
    planned, plan = repair(plumb, place, code=3), plumb.run("audit", place, "--repair").stdout
    assert "again  orders orders-0.jsonl, batch 2" in plan and "rebuilds the tables" in plan
    done = plumb.run("audit", place, "--repair", "--yes")
    assert done.code == 0 and "orders: 1 new, 90 rows" in done.stdout and "customers: " in done.stdout
    assert all(step["text"] in done.stdout for step in planned["steps"]) and len(planned["steps"]) == 5
    assert done.stdout.split("\n\n")[1] == plan.split("\n\n")[1]


def test_retention_is_no_damage(plumb, place):
    (place / "flow.yaml").write_text((place / "flow.yaml").read_text() + "staging: {keep: 30d}\n")
    by_hand(place, "DELETE FROM _plumb_frames WHERE batch = 2")
    assert repair(plumb, place)["steps"] == []
