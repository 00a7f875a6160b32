"""plumb rejects replay: after the SQL or the contract was mended, the tables are those of a run that had it right from the
start, a later record of the same key included, and only what is still wrong is still rejected."""
import json
import os
import pwd
import re
import shutil

import pytest
from conftest import rows_of

FLOW = """\
flow: r
store: sqlite:r.db
sources:
  orders:
    type: file
    path: orders.jsonl
    columns: {id: {type: int64, required: true}, who: @CONTRACT@, cents: int64}
  other:
    type: file
    path: other.jsonl
    columns: {id: int64}
tables:
  orders: {key: [id], columns: {id: int64, who: text, cents: int64}}
  log: {key: auto, columns: {id: int64}}
  other: {key: [id], columns: {id: int64}}
  spent: {key: [who], columns: {who: text, cents: int64}}
transforms:
  orders: {from: sources.orders, into: orders, sql: "SELECT id, who, @CENTS@ AS cents FROM batch"}
  log: {from: sources.orders, into: log, sql: SELECT id FROM batch}
  other: {from: sources.other, into: other, sql: SELECT abs(id) AS id FROM batch}
  spent: {from: tables.orders, into: spent, sum: "SELECT who, cents FROM change"}
"""
STRICT, WIDE = "{type: text, one_of: [a, b]}", "{type: text, one_of: [a, b, c]}"
BUG, MENDED = "abs(CASE WHEN cents < 0 THEN -9223372036854775807 - 1 ELSE cents END)", "abs(cents)"
TABLES = ("orders", "log", "other", "spent")


def write(place, contract, cents):
    (place / "flow.yaml").write_text(FLOW.replace("@CONTRACT@", contract).replace("@CENTS@", cents))


def make(place, contract=STRICT, cents=BUG):
    place.mkdir()
    # Every id comes three times; rejected is the second of some, so that its late turn must not beat the third.
    records = [{"id": i % 100, "who": "abc"[i // 100 if i % 7 == 0 else 0], "cents": -i if i // 100 == 1 and i % 5 == 0 else i}
               for i in range(300)] + [{"id": 500 + i, "who": "b", "cents": -i} for i in range(1, 9)]
    (place / "orders.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (place / "other.jsonl").write_text('{"id": 1}\n{"id": -9223372036854775808}\n')
    write(place, contract, cents)
    return place


def digests(plumb, place):
    done = plumb.run("audit", place, "--json")
    assert done.code == 0, done.stdout
    audit = json.loads(done.stdout)
    return {name: audit["tables"][name]["digest"] for name in TABLES}


def replayed(plumb, place, *options):
    return json.loads(plumb.ok("rejects", "replay", place, "--json", *options).stdout)


@pytest.fixture(scope="module", name="ran")
def stores(plumb, tmp_path_factory):
    """A store with the bug, and digests of one that never had it, by what was mended."""
    directory = tmp_path_factory.mktemp("mend")
    old = make(directory / "old")
    plumb.ok("run", old, "--once", "--batch-rows", "30")
    right = {}
    for name, contract, cents in (("sql", STRICT, MENDED), ("both", WIDE, MENDED), ("contract", WIDE, BUG)):
        place = make(directory / name, contract, cents)
        plumb.ok("run", place, "--once", "--batch-rows", "30")
        right[name] = digests(plumb, place)
    assert right["sql"] != digests(plumb, old) != right["contract"] != right["both"]
    return old, right


@pytest.fixture(name="place")
def own_copy(ran, tmp_path):
    shutil.copytree(ran[0], tmp_path / "place")
    return tmp_path / "place"


def rejects(place):
    return dict(rows_of(place / "r.db", "SELECT transform, count(*) FROM _plumb_rejects GROUP BY 1"))


@pytest.mark.parametrize("name, contract, cents, left", [
    ("sql", STRICT, MENDED, {"", "other"}), ("both", WIDE, MENDED, {"other"}), ("contract", WIDE, BUG, {"orders", "other"})])
def test_mended_and_replayed_the_tables_are_those_of_a_run_that_was_right(plumb, ran, place, name, contract, cents, left):
    before = sum(rejects(place).values())
    write(place, contract, cents)
    done = replayed(plumb, place)
    assert digests(plumb, place) == ran[1][name]
    assert set(rejects(place)) == left
    assert (done["rejects_before"], done["rejects_left"]) == (before, sum(rejects(place).values()))
    changed = {t["table"]: t["updated"] + t["inserted"] for t in done["tables"]}
    assert changed["orders"] > 0 and changed["spent"] > 0 and changed["other"] == 0
    assert plumb.run("run", place, "--once").code == 0


def test_only_transforms_with_rejects_that_are_meant_are_replayed(plumb, place):
    assert set(replayed(plumb, place)["replayed"]) == {"orders", "log", "other"}, "rejects of decoding are of all maps"
    assert replayed(plumb, place, "--transform", "other")["replayed"] == ["other"]
    assert set(replayed(plumb, place, "--transform", "")["replayed"]) == {"orders", "log"}
    assert set(replayed(plumb, place, "--reason", "transform")["replayed"]) == {"orders", "other"}
    assert plumb.run("rejects", "replay", place, "--reason", "typo").code == 2
    assert plumb.run("rejects", "replay", place, "--transform", "typo").code == 2


def test_killed_at_any_step_the_next_one_finishes(plumb, ran, place, tmp_path):
    before = rejects(place)
    write(place, STRICT, MENDED)
    shutil.copytree(place, tmp_path / "counted")
    counted = plumb.ok("rejects", "replay", tmp_path / "counted", env={"PLUMB_FAULT": "count"})
    steps = int(re.search(r"step=(\d+)", counted.stderr)[1])
    assert steps > 5
    seen = set()
    for step in range(1, steps + 1):
        here = tmp_path / f"killed-{step}"
        shutil.copytree(place, here)
        assert plumb.run("rejects", "replay", here, env={"PLUMB_FAULT": f"kill:{step}"}).code == -9
        kept = rejects(here)
        assert kept in (before, rejects(tmp_path / "counted")), "all of the rejects are as before, or as after"
        seen.add(kept == before)
        replayed(plumb, here)
        assert digests(plumb, here) == ran[1]["sql"]
    assert seen == {True, False}


def test_nothing_to_do(plumb, place):
    done = replayed(plumb, place, "--reason", "range")
    assert (done["rejects_before"], done["replayed"], done["tables"]) == (0, [], [])
    assert plumb.ok("rejects", "replay", place, "--reason", "range").stdout == "Nothing to replay.\n"


def test_the_text_says_how_many_are_left_and_what_changed(plumb, place):
    write(place, WIDE, MENDED)
    text = plumb.ok("rejects", "replay", place).stdout
    assert ", 1 left" in text and "orders" in text and "changed" in text and "shows what and why" in text


# ---- discard ----

def listed(plumb, place, *options):
    return json.loads(plumb.ok("rejects", "list", place, "--json", "--limit", 1000, *options).stdout)["rows"]


def test_discarded_rejects_are_kept_and_not_open(plumb, place):
    rows = listed(plumb, place)
    one = rows[0]["id"]
    text = plumb.ok("rejects", "discard", place, one, "--because", "a test order").stdout
    assert text == "1 discarded.\n"
    assert one not in {row["id"] for row in listed(plumb, place)}
    again = plumb.run("rejects", "discard", place, one, "--because", "twice")
    assert again.code == 1 and f"no open reject {one}" in again.stderr
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert rows_of(place / "r.db", "SELECT id, discarded_because, discarded_by FROM _plumb_rejects WHERE discarded_us > 0") == [(one, "a test order", user)]
    shown = json.loads(plumb.ok("rejects", "show", place, one, "--json").stdout)
    assert (shown["discarded_by"], shown["discarded_because"]) == (user, "a test order") and shown["discarded_at"].endswith("Z")
    assert re.search(rf"discarded +2\d+-.*\n  by +{user}\n  because +a test order\n", plumb.ok("rejects", "show", place, one).stdout)
    open_one = json.loads(plumb.ok("rejects", "show", place, rows[1]["id"], "--json").stdout)
    assert (open_one["discarded_at"], open_one["discarded_by"], open_one["discarded_because"]) == (None, None, None)
    before = sum(r["rows"] for r in json.loads(plumb.ok("status", place, "--json").stdout)["rejects"])
    assert before == sum(rejects(place).values()) - 1
    assert plumb.run("audit", place).code == 0


def test_several_are_discarded_together_or_not_at_all(plumb, place):
    ids = [row["id"] for row in listed(plumb, place)][:3]
    refused = plumb.run("rejects", "discard", place, *ids, 999999, "--because", "typo")
    assert refused.code == 1 and "no open reject 999999" in refused.stderr
    assert plumb.run("rejects", "discard", place, ids[0], ids[0], "--because", "twice").code == 2
    assert rows_of(place / "r.db", "SELECT count(*) FROM _plumb_rejects WHERE discarded_us > 0") == [(0,)]
    done = json.loads(plumb.ok("rejects", "discard", place, *ids, "--because", "test orders", "--by", "Ada", "--json").stdout)
    assert done == {"discarded": 3, "by": "Ada"}
    kept = {row["id"]: row for row in listed(plumb, place, "--all")}
    assert {i for i, row in kept.items() if row["state"] == "discarded"} == set(ids)
    assert all((kept[i]["discarded_by"], kept[i]["discarded_because"]) == ("Ada", "test orders") and kept[i]["discarded"] for i in ids)
    assert set(kept) - set(ids) == {row["id"] for row in listed(plumb, place)}
    groups = json.loads(plumb.ok("rejects", place, "--all", "--json").stdout)["groups"]
    assert {g["state"] for g in groups} == {"open", "discarded"} and sum(g["rows"] for g in groups if g["state"] == "discarded") == 3
    assert "test orders" in plumb.ok("rejects", place, "--all").stdout


def test_discard_by_source_leaves_other_sources_alone(plumb, place):
    plumb.ok("rejects", "discard", place, "--source", "other", "--because", "known")
    assert rows_of(place / "r.db", "SELECT DISTINCT transform FROM _plumb_rejects WHERE discarded_us > 0") == [("other",)]
    assert {row["source"] for row in listed(plumb, place)} == {"orders"}
    assert plumb.run("rejects", place, "--source", "oders").code == 2


def test_discarded_stays_discarded_through_a_replay_while_the_reason_is_the_same(plumb, place):
    count = rejects(place)
    done = json.loads(plumb.ok("rejects", "discard", place, "--transform", "", "--because", "c is gone", "--json").stdout)
    assert done["discarded"] == count[""]
    write(place, STRICT, MENDED)
    assert replayed(plumb, place)["rejects_left"] == 1
    plumb.ok("replay", place)
    kept = rows_of(place / "r.db", "SELECT transform, count(*), count(discarded_us), count(discarded_by) FROM _plumb_rejects GROUP BY 1")
    assert kept == [("", count[""], count[""], count[""]), ("other", 1, 0, 0)]
    assert plumb.run("audit", place).code == 0


def test_a_new_map_that_decodes_again_leaves_them_discarded(plumb, place):
    plumb.ok("rejects", "discard", place, "--transform", "", "--because", "c is gone")
    flow = (place / "flow.yaml").read_text()
    (place / "flow.yaml").write_text(flow.replace("  spent: {from", "  more: {from: sources.orders, into: more, sql: SELECT id FROM batch}\n  spent: {from")
                                     .replace("  spent: {key", "  more: {key: [id], columns: {id: int64}}\n  spent: {key"))
    plumb.ok("run", place, "--once")
    assert rows_of(place / "r.db", "SELECT count(*) FROM more") == [(108,)]
    assert rows_of(place / "r.db", "SELECT count(*) FROM _plumb_rejects WHERE transform = '' AND discarded_us IS NULL") == [(0,)]
    assert plumb.run("audit", place).code == 0


def test_discard_beside_a_running_plumb(plumb, place):
    running = plumb.start("run", place)
    try:
        assert plumb.ok("rejects", "discard", place, "--reason", "transform", "--because", "known").stdout.endswith("discarded.\n")
    finally:
        running.terminate()
        running.communicate(timeout=30)


@pytest.mark.parametrize("options", [[], ["1"], ["--because", "x"], ["1", "--reason", "type", "--because", "x"],
                                     ["zero", "--because", "x"], ["1", "--because", ""], ["--reason", "typo", "--because", "x"]])
def test_discard_wants_to_know_which_and_why(plumb, place, options):
    assert plumb.run("rejects", "discard", place, *options).code == 2
    assert rows_of(place / "r.db", "SELECT count(*) FROM _plumb_rejects WHERE discarded_us > 0") == [(0,)]
