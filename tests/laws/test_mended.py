"""A bug in the SQL of a map, a sum or a derive, mended and replayed: the tables are those of a run that was right from the start,
above and below the bug, however far the data had gone on meanwhile, and nothing is rejected, failed or waiting any more."""
import json
import random

import pytest
from conftest import rows_of

FLOW = """\
flow: m
store: sqlite:m.db
sources:
  pays: {type: file, path: data/*.jsonl, columns: {id: int64, who: text, cents: int64, at: int64}}
tables:
  pays: {key: [id], columns: {id: int64, who: text, cents: int64, at: int64}}
  sums: {key: [who], columns: {who: text, pays: int64, cents: int64}}
  tiers: {key: [who], columns: {who: text, tier: int64}}
  counts: {key: [tier], columns: {tier: int64, people: int64}}
transforms:
  pays: {from: sources.pays, into: pays, latest_by: at, sql: "SELECT id, who, @MAP@ AS cents, at FROM batch"}
  sums: {from: tables.pays, into: sums, sum: "SELECT who, 1 AS pays, @SUM@ AS cents FROM change"}
  tiers: {on: [sums], into: tiers, derive: "SELECT k.who, @DERIVE@ AS tier FROM changed k JOIN sums s ON s.who = k.who"}
  counts: {from: tables.tiers, into: counts, sum: "SELECT tier, 1 AS people FROM change"}
"""
RIGHT = {"MAP": "abs(cents)", "SUM": "cents", "DERIVE": "s.cents / 1000"}
MIN = "(-9223372036854775807 - 1)"
BUGS = {
    "a map fails on some rows": {"MAP": f"abs(CASE WHEN cents < 0 THEN {MIN} ELSE cents END)"},
    "a map gives other values": {"MAP": "cents"},
    "a sum overflows": {"SUM": "cents * 9000000000000000"},
    "a sum adds the wrong thing": {"SUM": "cents + 1"},
    "a derive fails on some keys": {"DERIVE": f"abs(CASE WHEN s.pays % 3 = 0 THEN {MIN} ELSE s.cents END) / 1000"},
    "a derive gives other values": {"DERIVE": "s.cents / 10"},
    "all of them fail": {"MAP": f"abs(CASE WHEN cents < 0 THEN {MIN} ELSE cents END)",
                         "DERIVE": f"abs(CASE WHEN s.pays % 3 = 0 THEN {MIN} ELSE s.cents END) / 1000"},
}
FAIL = {"a map fails on some rows", "a derive fails on some keys", "all of them fail"}  # what `rejects replay` mends by itself


def write(place, sql):
    text = FLOW
    for name, right in RIGHT.items():
        text = text.replace(f"@{name}@", sql.get(name, right))
    (place / "flow.yaml").write_text(text)


def add_data(place, part):
    """Every part changes keys of the parts before it, and comes late for some."""
    rng = random.Random(part)
    lines = [json.dumps({"id": rng.randrange(80), "who": f"p{rng.randrange(12)}", "cents": rng.randrange(-400, 4000),
                         "at": part * 50 + rng.randrange(-60, 60)}) for _ in range(100)]
    (place / "data").mkdir(parents=True, exist_ok=True)
    (place / "data" / f"{part}.jsonl").write_text("\n".join(lines) + "\n")


def digests(plumb, place):
    audit = plumb.run("audit", place, "--json")
    assert audit.code == 0, audit.stdout
    return {name: table["digest"] for name, table in json.loads(audit.stdout)["tables"].items()}


@pytest.fixture(scope="module", name="right")
def fixture_right(plumb, tmp_path_factory):
    place = tmp_path_factory.mktemp("right")
    for part in range(3):
        add_data(place, part)
    write(place, {})
    plumb.ok("run", place, "--once", "--batch-rows", "20")
    return digests(plumb, place)


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_mended_and_replayed_it_is_as_if_it_had_been_right_from_the_start(plumb, tmp_path, right, bug):
    write(tmp_path, BUGS[bug])
    for part in range(2):  # the data goes on while the bug is there
        add_data(tmp_path, part)
        assert plumb.run("run", tmp_path, "--once", "--batch-rows", "20").code in (0, 1)
    found = {name: rows_of(tmp_path / "m.db", f"SELECT * FROM {name}") for name in ("pays", "sums", "tiers", "counts")}
    assert found["pays"] and plumb.run("status", tmp_path).code == 0
    write(tmp_path, {})
    refused = plumb.run("run", tmp_path, "--once")
    assert refused.code == 78 and "changed" in refused.stderr, "no state of the bug is built upon"
    assert {name: rows_of(tmp_path / "m.db", f"SELECT * FROM {name}") for name in found} == found
    if bug in FAIL:
        done = json.loads(plumb.ok("rejects", "replay", tmp_path, "--json").stdout)
        assert done["rejects_before"] > 0 and done["rejects_left"] == 0
    else:
        plumb.ok("replay", tmp_path)
    assert rows_of(tmp_path / "m.db", "SELECT count(*) FROM _plumb_rejects") == [(0,)]
    add_data(tmp_path, 2)
    plumb.ok("run", tmp_path, "--once", "--batch-rows", "20")
    assert digests(plumb, tmp_path) == right
    state = json.loads(plumb.ok("status", tmp_path, "--json").stdout)["transforms"]
    assert all((t["state"], t["failed_keys"], t["waiting"], t["batches_behind"]) == ("ok", 0, 0, 0) for t in state)


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_each_bug_shows(plumb, tmp_path, right, bug):
    """Or the test above would say nothing."""
    for part in range(3):
        add_data(tmp_path, part)
    write(tmp_path, BUGS[bug])
    plumb.run("run", tmp_path, "--once", "--batch-rows", "20")
    told = json.loads(plumb.run("audit", tmp_path, "--json").stdout)["tables"]
    assert {name: table["digest"] for name, table in told.items()} != right
