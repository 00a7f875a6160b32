"""Limits of rejects: a source or a map that has reached its own stops by itself, in the batch that reached it; everything else
goes on; it says so; and it goes on by itself, losing nothing, when rejects were discarded or mended."""
import json
import random
import re
import shutil
import sqlite3
import time

import pytest
from conftest import rows_of
from serving import Server

RECORDS, BATCH = 1000, 10
FLOW = """\
flow: r
store: sqlite:r.db
sources:
  orders:
    type: file
    path: orders.jsonl
    batch_rows_max: 10
    follow: @FOLLOW@
    @SOURCE@
    columns: {id: int64, who: @WHO@, cents: int64}
  other:
    type: file
    path: other.jsonl
    batch_rows_max: 10
    follow: @FOLLOW@
    columns: {id: int64}
tables:
  orders: {key: [id], columns: {id: int64, who: text, cents: int64}}
  log: {key: auto, columns: {id: int64}}
  other: {key: [id], columns: {id: int64}}
  spent: {key: [who], columns: {who: text, cents: int64}}
transforms:
  orders: {from: sources.orders, into: orders, @MAP@ sql: "SELECT id, who, @CENTS@ AS cents FROM batch"}
  log: {from: sources.orders, into: log, sql: SELECT id FROM batch}
  other: {from: sources.other, into: other, sql: SELECT id FROM batch}
  spent: {from: tables.orders, into: spent, sum: "SELECT who, cents FROM change"}
"""
STRICT, WIDE = "{type: text, one_of: [a, b]}", "{type: text, one_of: [a, b, c]}"
BUG = "abs(CASE WHEN id % 20 = 7 THEN -9223372036854775807 - 1 ELSE cents END)"  # one of 20 fails
MENDED = "abs(cents)"


def write(place, source="", transform="", who=WIDE, cents=MENDED, follow="false"):
    text = FLOW.replace("@SOURCE@", f"rejects: {source}" if source else "").replace("@MAP@", f"rejects: {transform}," if transform else "")
    (place / "flow.yaml").write_text(text.replace("@WHO@", who).replace("@CENTS@", cents).replace("@FOLLOW@", follow))


def make(place, **options):
    place.mkdir(parents=True)
    # 'c' is one of ten: one a batch.
    (place / "orders.jsonl").write_text("".join(json.dumps({"id": i % 400, "who": "c" if i % 10 == 3 else "ab"[i % 2], "cents": i}) + "\n"
                                                for i in range(RECORDS)))
    (place / "other.jsonl").write_text("".join(f'{{"id": {i}}}\n' for i in range(RECORDS)))
    write(place, **options)
    return place


def digests(plumb, place):
    audit = json.loads(plumb.ok("audit", place, "--json").stdout)
    return {name: table["digest"] for name, table in audit["tables"].items()}


def limits(plumb, place):
    return {(one["kind"], one["stage"]): one for one in json.loads(plumb.ok("status", place, "--json").stdout)["limits"]}


def staged(place, source="orders"):
    try:
        return rows_of(place / "r.db", "SELECT coalesce(sum(records), 0) FROM _plumb_partitions WHERE source = ?", source)[0][0]
    except sqlite3.OperationalError:  # there is no store yet
        return 0


def until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture(name="right", scope="module")
def fixture_right(plumb, tmp_path_factory):
    """Digests of a run that was right from the start."""
    place = make(tmp_path_factory.mktemp("limits") / "right")
    plumb.ok("run", place, "--once")
    return digests(plumb, place)


# ---- it stops where it says, and only it ----

@pytest.mark.parametrize("limit, most", [("{max: 5}", 5), ("{max: 1}", 1), ("{max: 5, of: 40}", None), ("{max: 10%, of: 50}", 5),
                                         ("{max: 1%}", 100), ("{max: 0.05%, of: 10000}", 5), ("{max: 101}", None)])
def test_a_source_stops_in_the_batch_that_reaches_its_limit(plumb, tmp_path, limit, most):
    # One of ten records is rejected: among 40 records there are never five, among 50 there are.
    place = make(tmp_path / "f", source=limit, who=STRICT)
    done = plumb.run("run", place, "--once", "--batch-rows", BATCH)
    assert done.code == (1 if most else 0)
    assert staged(place) == (most * 10 if most else RECORDS), "the batch in which the limit is reached is the last one"
    assert staged(place, "other") == RECORDS and rows_of(place / "r.db", "SELECT count(*) FROM other") == [(RECORDS,)]
    one = limits(plumb, place)[("source", "orders")]
    assert one["stopped"] == bool(most) and bool(one["way"]) == bool(most)
    plumb.ok("audit", place)  # what was staged is all accounted for
    if most:
        assert "source 'orders' has stopped at its limit" in done.stderr and "plumb rejects discard" in done.stderr
        assert "flow.yaml:9:5" in done.stderr  # where the limit stands
        assert one["open"] == one["max"] == most
        again = plumb.run("run", place, "--once", "--batch-rows", BATCH)
        assert again.code == 1 and staged(place) == most * 10, "a limit that is reached holds in the next run"


def test_a_map_stops_with_its_input_kept_and_others_go_on(plumb, tmp_path):
    place = make(tmp_path / "f", transform="{max: 5}", cents=BUG)
    done = plumb.run("run", place, "--once", "--batch-rows", BATCH)
    assert done.code == 1 and "transform 'orders' has stopped at its limit of 5 open rejects, with its input kept" in done.stderr
    assert staged(place) == RECORDS and rows_of(place / "r.db", "SELECT count(*) FROM log") == [(RECORDS,)]
    assert rows_of(place / "r.db", "SELECT seq FROM _plumb_marks WHERE transform = 'orders'") == [(9,)]  # id 87 is the fifth
    state = {t["transform"]: t for t in json.loads(plumb.ok("status", place, "--json").stdout)["transforms"]}
    assert state["orders"]["state"] == "stopped by rejects" and state["orders"]["batches_behind"] == 91
    assert state["log"]["state"] == "ok"
    text = plumb.ok("status", place).stdout
    assert re.search(r"orders +map +5 +5 +- +yes", text) and "orders goes on when you" in text
    assert plumb.run("audit", place).code in (0, 3)


DERIVE = """\
flow: r
store: sqlite:r.db
sources:
  s: {type: file, path: data/*.jsonl, columns: {id: int64, v: int64}}
tables:
  t: {key: [id], columns: {id: int64, v: int64}}
  d: {key: [id], columns: {id: int64, w: int64}}
  e: {key: [id], columns: {id: int64, w: int64}}
transforms:
  t: {from: s, into: t, sql: "SELECT id, v FROM batch"}
  d: {on: [t], into: d, rejects: {max: 3}, derive: "SELECT k.id, @W@ AS w FROM changed k JOIN t ON t.id = k.id"}
  e: {on: [t], into: e, derive: "SELECT k.id, t.v AS w FROM changed k JOIN t ON t.id = k.id"}
"""


def test_a_derive_stops_by_the_keys_on_which_it_fails(plumb, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "flow.yaml").write_text(DERIVE.replace("@W@", "abs(CASE WHEN t.v < 0 THEN -9223372036854775807 - 1 ELSE t.v END)"))
    for part, (first, values) in enumerate([(0, [1, -1, 2, -2]), (4, [3, -3, 4, 5]), (8, [6, 7, -8, 8])]):
        (tmp_path / "data" / f"{part}.jsonl").write_text("".join(f'{{"id": {first + i}, "v": {v}}}\n' for i, v in enumerate(values)))
        done = plumb.run("run", tmp_path, "--once")
        # The turn that reaches it is the last one of this derive; the other one goes on.
        assert done.code == (0 if part == 0 else 1) and ("has stopped at its limit of 3 keys on which it fails" in done.stderr) == (part > 0)
        assert rows_of(tmp_path / "r.db", "SELECT count(*) FROM e") == [(4 * part + 4,)]
        assert rows_of(tmp_path / "r.db", "SELECT count(*) FROM d") == [(2 if part == 0 else 5,)]
    one = limits(plumb, tmp_path)[("derive", "d")]
    assert (one["open"], one["max"], one["stopped"]) == (3, 3, True) and "discard" not in one["way"]
    state = {t["transform"]: t for t in json.loads(plumb.ok("status", tmp_path, "--json").stdout)["transforms"]}
    assert state["d"]["state"] == "stopped by rejects" and state["d"]["waiting"] == 4 and state["e"]["state"] == "ok"
    (tmp_path / "flow.yaml").write_text(DERIVE.replace("@W@", "abs(t.v)"))
    assert json.loads(plumb.ok("rejects", "replay", tmp_path, "--json").stdout)["rejects_left"] == 0
    plumb.ok("run", tmp_path, "--once")
    assert rows_of(tmp_path / "r.db", "SELECT count(*), sum(w) FROM d") == [(12, 50)]
    assert not limits(plumb, tmp_path)[("derive", "d")]["stopped"]


# ---- going on ----

def test_after_a_mend_and_a_replay_it_goes_on_as_if_nothing_had_been(plumb, tmp_path, right):
    place = make(tmp_path / "f", source="{max: 5}", transform="{max: 3}", who=STRICT, cents=BUG)
    assert plumb.run("run", place, "--once", "--batch-rows", BATCH).code == 1
    write(place, source="{max: 5}", transform="{max: 3}")
    done = json.loads(plumb.ok("rejects", "replay", place, "--json").stdout)
    assert done["rejects_left"] == 0
    assert not any(one["stopped"] for one in limits(plumb, place).values())
    plumb.ok("run", place, "--once")
    assert digests(plumb, place) == right


def test_discarding_beside_a_run_lets_it_go_on_by_itself(plumb, tmp_path):
    place = make(tmp_path / "f", source="{max: 5}", who=STRICT, follow="true")
    running = plumb.start("run", place, "--batch-rows", BATCH)
    try:
        until(lambda: staged(place) == 50 and staged(place, "other") == RECORDS, "both came as far as they should")
        for step in range(2, 5):
            plumb.ok("rejects", "discard", place, "--source", "orders", "--because", "known")
            until(lambda n=step: staged(place) == 50 * n, f"it goes on by itself, to the next stop ({staged(place)})")
        # A discard that leaves it at its limit lets nothing go on: four of five ids.
        ids = [row["id"] for row in json.loads(plumb.ok("rejects", place, "--json").stdout)["rows"]]
        assert len(ids) == 5
        running.kill()
        running.communicate(timeout=30)
        assert staged(place) == 200
        write(place, who=STRICT)  # without the limit, all comes: nothing was lost or taken twice while it stood
        plumb.ok("run", place, "--once")
        free = make(tmp_path / "free", who=STRICT)
        plumb.ok("run", free, "--once")
        assert digests(plumb, place) == digests(plumb, free)
        count = "SELECT count(*), count(discarded_us) FROM _plumb_rejects"
        assert rows_of(place / "r.db", count) == [(100, 15)] and rows_of(free / "r.db", count) == [(100, 0)]
    finally:
        running.kill()
        running.communicate(timeout=30)


@pytest.mark.parametrize("point", [7, 23, 60])
def test_killed_around_the_limit_it_stops_at_the_same_place(plumb, tmp_path, point):
    place = make(tmp_path / "f", source="{max: 5}", transform="{max: 2}", who=STRICT, cents=BUG)
    assert plumb.run("run", place, "--once", "--batch-rows", BATCH, env={"PLUMB_FAULT": f"kill:{point}"}).code == -9
    plumb.run("run", place, "--once", "--batch-rows", BATCH)
    assert staged(place) == 50
    assert rows_of(place / "r.db", "SELECT seq FROM _plumb_marks WHERE transform = 'orders'") == [(3,)]


def test_health_tells_it_at_once_and_is_well_again(plumb, tmp_path):
    place = make(tmp_path / "f", source="{max: 5}", who=STRICT, follow="true")
    server = Server(plumb, place)
    try:
        def findings():
            status, _, body = server.get("/health")
            return [(status, one["subject"], one["finding"].split(":")[0]) for one in json.loads(body).get("findings", [])]

        until(lambda: findings() == [(503, "source orders", "stopped at its limit of 5 rejects")], "not well, and why")
        metrics = server.get("/metrics")[2].decode()
        assert 'plumb_limit_rejects{stage="orders",kind="source"} 5' in metrics
        write_free = json.loads(plumb.ok("rejects", "discard", place, "--transform", "", "--because", "x", "--by", "ada", "--json").stdout)
        assert write_free == {"discarded": 5, "by": "ada"}
        until(lambda: staged(place) == 100, "it went on")
        rows = json.loads(server.get("/api/v1/rejects?state=discarded")[2])
        rows = rows["rows"] if isinstance(rows, dict) else rows
        assert {(r["state"], r["discarded_by"], r["discarded_because"]) for r in rows} == {("discarded", "ada", "x")}
    finally:
        server.stop()


def test_tests_and_proofs_know_no_limit(plumb, tmp_path):
    place = make(tmp_path / "f", source="{max: 1}", transform="{max: 1}", who=STRICT)
    (place / "tests").mkdir()
    (place / "tests" / "a.yaml").write_text("""\
tests:
  all-of-them:
    records:
      orders:
        - '{"id": 1, "who": "c", "cents": 1}'
        - '{"id": 2, "who": "a", "cents": 2}'
    expect: {orders: [{id: 2, who: a, cents: 2}]}
    rejects: [{reason: not_allowed}]
""")
    plumb.ok("test", place)


def test_a_changed_limit_needs_no_replay(plumb, tmp_path):
    place = make(tmp_path / "f", source="{max: 5}", who=STRICT)
    plumb.run("run", place, "--once", "--batch-rows", BATCH)
    write(place, source="{max: 7}", who=STRICT)
    assert json.loads(plumb.ok("plan", place, "--json").stdout)["changes"] == []
    plumb.run("run", place, "--once", "--batch-rows", BATCH)
    assert staged(place) == 70
    shutil.rmtree(place)


@pytest.mark.parametrize("seed", range(6))
def test_the_last_records_are_those_of_all_partitions_in_the_order_they_came(plumb, tmp_path, seed):
    """Held against a count over the batches of a run without a limit: it stops behind the first batch with which it is reached."""
    rng = random.Random(seed)
    most, of = rng.randrange(2, 9), rng.randrange(8, 60)
    most, rows = min(most, of), rng.randrange(3, 14)
    bad = {}
    for file in "uvw":
        bad[file] = [rng.random() < 0.08 + 0.3 * (i > 60) for i in range(100)]
        for place in ("free", "held"):
            (tmp_path / place / "data").mkdir(parents=True, exist_ok=True)
            (tmp_path / place / "data" / f"{file}.jsonl").write_text("".join(f'{{"id": {"true" if one else i}}}\n' for i, one in enumerate(bad[file])))
    for place, limit in (("free", ""), ("held", f"rejects: {{max: {most}, of: {of}}},")):
        (tmp_path / place / "flow.yaml").write_text("flow: r\nsources:\n  s: {type: file, path: data/*.jsonl, " + limit + " columns: {id: int64}}\n"
                                                    "tables: {t: {key: auto, columns: {id: int64}}}\n"
                                                    "transforms: {t: {from: s, into: t, sql: SELECT id FROM batch}}\n")
        assert plumb.run("run", tmp_path / place, "--once", "--batch-rows", rows).code in (0, 1)
    batches = "SELECT p.name, b.first_record, b.records FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition ORDER BY b.id"
    free, held = (rows_of(tmp_path / place / "r.db", batches) for place in ("free", "held"))
    seen, stop = [], None
    for number, (name, first, records) in enumerate(free):
        seen += bad[name[-7]][first:first + records]
        if sum(seen[-of:]) >= most:
            stop = number + 1
            break
    assert held == free[:stop], (most, of, rows)
    assert (stop is None) == (seed == 2), "with most seeds it is reached"
