"""A replay builds aside and swaps: readers never see a mix, a kill anywhere leaves the old tables or the new ones, and the
next replay goes on; what it makes is what a first run of the changed flow makes.

That old and new differ, so that a mix would be seen, is asserted where they are made."""
import json
import shutil
import sqlite3
import threading

import pytest
from conftest import rows_of

FLOW = """flow: r
store: sqlite:r.db
sources:
  orders:
    type: file
    path: orders-*.jsonl
    columns: {id: {type: int64, required: true}, customer: text, cents: int64, wei: text, status: text}
tables:
  rates: {key: [status], columns: {status: text, percent: int64}}
  orders: {key: [id], columns: {id: int64, customer: text, cents: int64, wei: int256, status: text}}
  log: {key: auto, columns: {id: int64}}
  customers: {key: [customer], columns: {customer: text, orders: int64, spent: int64, wei: int256}}
  tiers: {key: [customer], columns: {customer: text, tier: text}}
transforms:
  orders:
    from: sources.orders
    into: orders
    sql: SELECT b.id, b.customer, b.cents * coalesce(r.percent, 100) / 100 AS cents, @WEI@ AS wei, b.status
         FROM batch b LEFT JOIN rates r ON r.status = b.status
  log: {from: sources.orders, into: log, sql: SELECT id FROM batch}
  customers: {from: tables.orders, into: customers, sum: "SELECT customer, 1 AS orders, @SPENT@ AS spent, wei FROM change"}
  tiers:
    on: [customers]
    into: tiers
    derive: SELECT c.customer, CASE WHEN c.spent > 40000 THEN 'gold' ELSE 'silver' END AS tier
            FROM changed k JOIN customers c ON c.customer = k.customer
"""
OLD = {"@WEI@": "i256(b.wei)", "@SPENT@": "cents"}
NEW = {"@WEI@": "i256(replace(b.wei, 'x', ''))", "@SPENT@": "cents * 3"}
TABLES = ("rates", "orders", "log", "customers", "tiers")
STATE = "SELECT (SELECT sum(cents) FROM orders), (SELECT sum(spent) FROM customers), (SELECT sum(orders) FROM customers), " \
        "(SELECT count(*) FROM tiers WHERE tier = 'gold'), (SELECT count(*) FROM orders)"


def write(place, words):
    text = FLOW
    for word, sql in words.items():
        text = text.replace(word, sql)
    (place / "flow.yaml").write_text(text)


def make(place, count=1500, words=None):
    place.mkdir()
    for part in range(3):
        lines = [json.dumps({"id": i, "customer": f"c{i % 40}", "cents": i * 7 % 1000, "wei": f"{i}" + ("x" if i % 50 == 0 else ""),
                             "status": ["open", "paid", "void"][i % 3]}) for i in range(part * count, (part + 1) * count + 100)]
        (place / f"orders-{part}.jsonl").write_text("\n".join(lines) + "\n")
    write(place, words or OLD)
    return place


def digests(plumb, place):
    audit = json.loads(plumb.run("audit", place, "--json").stdout)
    return {name: audit["tables"][name]["digest"] for name in TABLES}


def kept_rejects(place):
    return rows_of(place / "r.db", "SELECT b.seq, p.name, r.pos, r.transform, r.reason, r.message FROM _plumb_rejects r JOIN "
                                   "_plumb_batches b ON b.id = r.batch JOIN _plumb_partitions p ON p.id = b.partition ORDER BY 1, 2, 3, 4")


@pytest.fixture(scope="module")
def both(plumb, tmp_path_factory):
    """A store of the old flow, and what a first run of the old and of the new flow give."""
    directory = tmp_path_factory.mktemp("replay")
    old, new = make(directory / "old"), make(directory / "new", words=NEW)
    plumb.ok("run", old, "--once", "--batch-rows", "300")
    plumb.ok("run", new, "--once", "--batch-rows", "300")
    result = {"place": old, "old": digests(plumb, old), "new": digests(plumb, new), "rejects": kept_rejects(new),
              "old_state": rows_of(old / "r.db", STATE), "new_state": rows_of(new / "r.db", STATE)}
    assert result["old"] != result["new"] and result["old_state"] != result["new_state"]
    assert len(kept_rejects(old)) > 60 and not result["rejects"]
    return result


def copy(both, tmp_path, name="place"):
    place = tmp_path / name
    shutil.copytree(both["place"], place)
    write(place, NEW)
    return place


def test_a_replay_makes_what_a_first_run_of_the_changed_flow_makes(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    refused = plumb.run("run", place, "--once")
    assert refused.code == 78 and "plumb replay" in refused.stderr
    done = json.loads(plumb.ok("replay", place, "--json").stdout)
    assert digests(plumb, place) == both["new"]
    assert kept_rejects(place) == both["rejects"]
    assert plumb.run("audit", place).code == 0
    changed = {t["table"]: (t["updated"], t["inserted"], t["deleted"]) for t in done["tables"]}
    before = dict(rows_of(both["place"] / "r.db", "SELECT customer, orders || ' ' || spent || ' ' || hex(wei) FROM customers"))
    after = dict(rows_of(place / "r.db", "SELECT customer, orders || ' ' || spent || ' ' || hex(wei) FROM customers"))
    assert changed["customers"] == (sum(before[c] != after[c] for c in before), len(set(after) - set(before)), 0)
    assert changed["log"] == (0, 0, 0) and changed["orders"] == (0, 92, 0), changed  # the ids that 50 divides
    assert list(place.glob("r.db-aside*")) == []


def test_a_replay_of_the_same_flow_changes_nothing(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    write(place, OLD)
    done = json.loads(plumb.ok("replay", place, "--json").stdout)
    assert all((t["updated"], t["inserted"], t["deleted"], t["made_anew"]) == (0, 0, 0, False) for t in done["tables"])
    assert digests(plumb, place) == both["old"]


def test_one_transform_and_what_is_below_it(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    write(place, {**OLD, "@SPENT@": NEW["@SPENT@"]})
    refused = plumb.run("replay", place, "--transform", "tiers")
    assert refused.code == 78 and "'customers' changed as well" in refused.stderr
    assert digests(plumb, place) == both["old"]
    done = json.loads(plumb.ok("replay", place, "--transform", "customers", "--json").stdout)
    assert [t["table"] for t in done["tables"]] == ["customers", "tiers"] and done["replayed_batches"] == 0
    fresh = make(tmp_path / "fresh", words={**OLD, "@SPENT@": NEW["@SPENT@"]})
    plumb.ok("run", fresh, "--once")
    assert digests(plumb, place) == digests(plumb, fresh)
    # And it goes on from there: a correction by hand, which only triggers can see, and new records.
    for at in (place, fresh):
        connection = sqlite3.connect(at / "r.db")
        connection.execute("UPDATE orders SET cents = cents + 1 WHERE id = 3")
        connection.commit()
        connection.close()
        (at / "orders-9.jsonl").write_text('{"id": 7, "customer": "c7", "cents": 5, "wei": "9", "status": "paid"}\n')
        plumb.ok("run", at, "--once")
    assert digests(plumb, place) == digests(plumb, fresh)
    assert "did you mean 'tiers'" in plumb.run("replay", place, "--transform", "tier").stderr


def test_a_changed_column_and_a_new_table_come_with_it(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    text = (place / "flow.yaml").read_text().replace("columns: {customer: text, tier: text}", "columns: {customer: text, tier: text, spent: int64}")
    text = text.replace("AS tier\n", "AS tier, c.spent\n").replace("transforms:\n", "  names: {key: [id], columns: {id: int64, name: text}}\ntransforms:\n")
    text += "  wide: {on: [tiers], into: wide, derive: 'SELECT t.customer, n.name FROM changed k JOIN tiers t ON t.customer = k.customer LEFT JOIN names n ON n.id = t.spent'}\n"
    text = text.replace("transforms:\n", "  wide: {key: [customer], columns: {customer: text, name: text}}\ntransforms:\n")
    (place / "flow.yaml").write_text(text)
    done = json.loads(plumb.ok("replay", place, "--json").stdout)
    assert {t["table"]: t["made_anew"] for t in done["tables"]} == {"orders": False, "log": False, "customers": False, "tiers": True, "wide": True}
    assert rows_of(place / "r.db", "SELECT count(*), sum(spent) FROM tiers") == rows_of(place / "r.db", "SELECT count(*), sum(spent) FROM customers")
    assert plumb.run("audit", place).code == 0


def test_a_reader_sees_the_old_tables_or_the_new_and_never_a_mix(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    seen, stop = [], threading.Event()

    def poll():
        connection = sqlite3.connect(f"file:{place / 'r.db'}?mode=ro", uri=True, timeout=30)
        while not stop.is_set():
            seen.append(tuple(connection.execute(STATE).fetchall()))
        connection.close()

    reader = threading.Thread(target=poll)
    reader.start()
    plumb.ok("replay", place)
    stop.set()
    reader.join()
    old, new = tuple(both["old_state"]), tuple(both["new_state"])
    assert set(seen) <= {old, new} and seen[0] == old and len(seen) > 20
    assert rows_of(place / "r.db", STATE) == both["new_state"]


def test_killed_anywhere_it_leaves_old_or_new_and_goes_on(plumb, both, tmp_path, slow):
    count = copy(both, tmp_path, "count")
    counted = plumb.run("replay", count, env={"PLUMB_FAULT": "count"})
    steps = int(counted.stderr.rsplit("step=", 1)[1].split()[0])
    assert steps > 40
    states = {"old": 0, "new": 0}
    went_on = 0
    for step in range(1, steps + 1, 1 if slow else max(1, steps // 20)):
        place = copy(both, tmp_path, f"kill-{step}")
        killed = plumb.run("replay", place, env={"PLUMB_FAULT": f"kill:{step}"})
        assert killed.code in (-9, 0)
        found = rows_of(place / "r.db", STATE)
        assert found in (both["old_state"], both["new_state"]), step
        states["old" if found == both["old_state"] else "new"] += 1
        again = json.loads(plumb.ok("replay", place, "--json").stdout)
        went_on += again["replayed_batches"] < 18
        assert digests(plumb, place) == both["new"], step
        assert plumb.run("audit", place).code == 0
        shutil.rmtree(place)
    assert min(states.values()) > 0 and went_on > 0, (states, went_on)


def test_a_replay_that_cannot_finish_leaves_everything_as_it_was(plumb, both, tmp_path):
    place = copy(both, tmp_path)
    write(place, {**NEW, "@SPENT@": "cents * 9000000000000000000"})  # the sum overflows
    failed = plumb.run("replay", place)
    assert failed.code == 1 and "customers" in failed.stderr
    assert rows_of(place / "r.db", STATE) == both["old_state"]
    write(place, OLD)
    plumb.ok("run", place, "--once")
    assert digests(plumb, place) == both["old"]
