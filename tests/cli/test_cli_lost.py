"""Raw records that retention let go: plan and replay say beforehand what a rebuild would lose, a replay is refused without --lose, and
with it the tables are those of the records that are left, everything still adds up, and nothing but what is gone is passed by."""
import json
import re
import shutil
import sqlite3

import pytest
from conftest import rows_of

FLOW = """\
flow: l
store: sqlite:l.db
staging: {keep: 30d}
sources:
  pays: {type: file, path: "data/*.jsonl", columns: {id: int64, who: {type: text, one_of: [a, b, c]}, cents: {type: int64, required: true}}}
tables:
  pays: {key: [id], columns: {id: int64, who: text, cents: int64}}
  sums: {key: [who], columns: {who: text, cents: int64}}
transforms:
  pays: {from: sources.pays, into: pays, sql: "SELECT id, who, abs(cents) + @ADD@ AS cents FROM batch WHERE id % 7 <> 0"}
  sums: {from: tables.pays, into: sums, sum: "SELECT who, cents FROM change"}
"""
BATCH, COUNT = 10, 60
GONE = (2, 5, 9)  # ids of batches; two files of six batches each


def records(file):
    return [{"id": (file * 40 + i) % 90, "who": "x" if i % 9 == 4 else "abc"[i % 3], "cents": -9223372036854775808 if i % 11 == 5 else -i}
            for i in range(COUNT)]


def write(place, add):
    (place / "flow.yaml").write_text(FLOW.replace("@ADD@", str(add)))


def tables(place):
    return {name: rows_of(place / "l.db", f"SELECT {columns} FROM {name} ORDER BY 1") for name, columns in (("pays", "id, who, cents"), ("sums", "who, cents"))}


def expected(place, add, gone):
    """From the records that are left, in the order in which they were staged."""
    pays = {}
    for batch, name, first in rows_of(place / "l.db", "SELECT b.id, p.name, b.first_record FROM _plumb_batches b JOIN _plumb_partitions p "
                                                      "ON p.id = b.partition ORDER BY b.id"):
        for record in records(int(re.search(r"(\d)\.jsonl", name)[1]))[first:first + BATCH]:
            if batch not in gone and record["who"] != "x" and record["id"] % 7 and record["cents"] != -9223372036854775808:
                pays[record["id"]] = (record["id"], record["who"], abs(record["cents"]) + add)
    sums = {}
    for _, who, cents in pays.values():
        sums[who] = sums.get(who, 0) + cents
    return {"pays": sorted(pays.values()), "sums": sorted(sums.items())}


@pytest.fixture(name="place")
def fixture_place(plumb, tmp_path):
    """Ran with one SQL, has another now, and some of the raw records are gone."""
    place = tmp_path / "flow"
    (place / "data").mkdir(parents=True)
    for file in range(2):
        (place / "data" / f"{file}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records(file)))
    write(place, 0)
    plumb.ok("run", place, "--once", "--batch-rows", BATCH)
    assert tables(place) == expected(place, 0, ())
    connection = sqlite3.connect(place / "l.db")
    connection.execute(f"DELETE FROM _plumb_frames WHERE batch IN {GONE}")
    connection.commit()
    connection.close()
    write(place, 3)
    return place


def test_it_is_said_beforehand_and_refused(plumb, place):
    plan = plumb.run("plan", place, "--json")
    (lost,) = [line for line in json.loads(plan.stdout)["changes"] if line["effect"] == "lost"]
    decoded = rows_of(place / "l.db", f"SELECT sum(decoded), sum(records) FROM _plumb_batches WHERE id IN {GONE}")[0]
    assert plan.code == 3 and (lost["batches"], lost["rows"]) == (len(GONE), decoded[0])
    assert re.search(r"Rows would be lost.*\n.*plumb replay \S+ --transform pays --lose", plumb.run("plan", place).stdout)
    before = tables(place)
    for command in (["replay", place], ["replay", place, "--transform", "pays"], ["rejects", "replay", place]):
        done = plumb.run(*command)
        assert done.code == 78 and f"{len(GONE)} batches" in done.stderr and f"{decoded[1]} records" in done.stderr and "--lose" in done.stderr
    assert tables(place) == before


def test_with_the_flag_the_tables_are_those_of_what_is_left(plumb, place):
    rejects = "SELECT batch, pos, reason FROM _plumb_rejects WHERE transform = '' ORDER BY batch, pos"
    before = rows_of(place / "l.db", rejects)
    ((decoded,),) = rows_of(place / "l.db", f"SELECT sum(decoded) FROM _plumb_batches WHERE id IN {GONE}")
    done = json.loads(plumb.ok("replay", place, "--lose", "--json").stdout)
    assert (done["lost_batches"], done["lost_rows"]) == (len(GONE), decoded)
    assert tables(place) == expected(place, 3, GONE) != expected(place, 3, ())
    assert rows_of(place / "l.db", rejects) == before, "rejects of decoding are as they were, also those whose record is gone"
    plumb.ok("audit", place)
    assert json.loads(plumb.ok("plan", place, "--json").stdout)["changes"] == []
    plumb.ok("run", place, "--once")
    assert tables(place) == expected(place, 3, GONE)


def test_the_text_says_what_was_lost(plumb, place):
    assert re.search(r"lost: \d+ rows, of 3 batches whose raw records are no longer kept", plumb.ok("replay", place, "--lose").stdout)


def test_killed_anywhere_it_goes_on(plumb, place, tmp_path):
    shutil.copytree(place, tmp_path / "count")
    counted = plumb.ok("replay", tmp_path / "count", "--lose", "--turn-rows", "1", env={"PLUMB_FAULT": "count"})
    steps = int(counted.stderr.rsplit("step=", 1)[1].split()[0])
    for step in range(2, steps, max(1, steps // 8)):
        here = tmp_path / f"kill-{step}"
        shutil.copytree(place, here)
        assert plumb.run("replay", here, "--lose", "--turn-rows", "1", env={"PLUMB_FAULT": f"kill:{step}"}).code == -9
        # Without the flag nothing that was begun with it is gone on with.
        assert plumb.run("replay", here).code in (0, 78)
        plumb.ok("replay", here, "--lose")
        assert tables(here) == expected(here, 3, GONE)
        plumb.ok("audit", here)


def test_what_is_broken_is_not_what_is_gone(plumb, place):
    connection = sqlite3.connect(place / "l.db")
    connection.execute("UPDATE _plumb_frames SET frame = substr(frame, 1, length(frame) - 9) WHERE batch = 4")
    connection.commit()
    connection.close()
    before = tables(place)
    done = plumb.run("replay", place, "--lose")
    assert done.code == 1 and "--lose" not in done.stderr and tables(place) == before
