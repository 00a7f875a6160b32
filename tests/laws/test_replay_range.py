"""replay of a range: the tables become those of a run that had applied these batches with the reference tables as they are now, and
all others as they were; computed here by hand. What the range alone cannot tell is refused, and nothing changes."""
import json
import shutil
import sqlite3

import pytest
from conftest import rows_of

FLOW = """flow: r
store: sqlite:r.db
sources:
  orders: {type: file, path: "orders-*.jsonl", columns: {id: {type: int64, required: true}, customer: text, cents: int64, status: text, at: int64}}
  people: {type: file, path: "people-*.jsonl", columns: {customer: {type: text, required: true}}}
tables:
  rates: {key: [status], columns: {status: text, percent: int64}}
  orders: {key: [id], lineage: true, columns: {id: int64, customer: text, cents: int64, at: int64}}
  newest: {key: [customer], lineage: true, columns: {customer: text, id: int64, cents: int64, at: int64}}
  log: {key: auto, columns: {id: int64, cents: int64}}
  people: {key: [customer], columns: {customer: text}}
  customers: {key: [customer], columns: {customer: text, orders: int64, spent: int64}}
  tiers: {key: [customer], columns: {customer: text, tier: text}}
transforms:
  orders:
    from: sources.orders
    into: orders
    sql: SELECT b.id, b.customer, b.cents * coalesce(r.percent, 100) / 100 AS cents, b.at FROM batch b LEFT JOIN rates r ON r.status = b.status WHERE coalesce(r.percent, 100) > 0
  newest:
    from: sources.orders
    into: newest
    latest_by: at
    sql: SELECT b.customer, b.id, b.cents * coalesce(r.percent, 100) / 100 AS cents, b.at FROM batch b LEFT JOIN rates r ON r.status = b.status WHERE coalesce(r.percent, 100) > 0
  log: {from: sources.orders, into: log, sql: "SELECT b.id, b.cents * coalesce(r.percent, 100) / 100 AS cents FROM batch b LEFT JOIN rates r ON r.status = b.status WHERE coalesce(r.percent, 100) > 0"}
  people: {from: sources.people, into: people, sql: SELECT customer FROM batch}
  customers: {from: tables.orders, into: customers, sum: "SELECT customer, 1 AS orders, cents AS spent FROM change"}
  tiers:
    on: [customers]
    into: tiers
    derive: SELECT c.customer, CASE WHEN c.spent > 9000 THEN 'gold' ELSE 'silver' END AS tier FROM changed k JOIN customers c ON c.customer = k.customer
"""
BATCH = 20
STATUS = ["open", "paid", "void", "open"]


def records():
    """120 records in 6 batches; every id comes three times, `at` rises only as a rule, every fourth is void."""
    return [{"id": i % 40, "customer": f"c{i % 7}", "cents": 100 + i * 13 % 900, "status": STATUS[i % 4], "at": i + (i * 37 % 50)} for i in range(120)]


def by_hand(place, sql):
    connection = sqlite3.connect(place / "r.db")
    connection.executescript(sql)
    connection.close()


def make(plumb, place, text=FLOW):
    place.mkdir()
    (place / "flow.yaml").write_text(text)
    for name in ("orders-0.jsonl", "people-0.jsonl"):
        (place / name).write_text("")
    plumb.ok("run", place, "--once")
    by_hand(place, "INSERT INTO rates VALUES ('void', 0)")  # nothing of it is taken
    (place / "orders-0.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records()))
    plumb.ok("run", place, "--once", "--batch-rows", BATCH)
    return place


@pytest.fixture(scope="module", name="made")
def made_place(plumb, tmp_path_factory):
    return make(plumb, tmp_path_factory.mktemp("range") / "made")


@pytest.fixture(name="place")
def own_copy(made, tmp_path):
    shutil.copytree(made, tmp_path / "place")
    return tmp_path / "place"


def expected(percent):
    """Tables by hand: percent(batch, status) says what of a record's cents counts; 0: it is left out."""
    orders, newest, log = {}, {}, []
    for number, record in enumerate(records()):
        counts = percent(number // BATCH + 1, record["status"])
        if counts == 0:
            continue
        cents = record["cents"] * counts // 100
        orders[record["id"]] = (record["customer"], cents, record["at"])
        log.append((number, record["id"], cents))
        if record["customer"] not in newest or newest[record["customer"]][2] <= record["at"]:
            newest[record["customer"]] = (record["id"], cents, record["at"])
    customers = {}
    for customer, cents, _ in orders.values():
        count, spent = customers.get(customer, (0, 0))
        customers[customer] = (count + 1, spent + cents)
    return {"orders": sorted((key, *row) for key, row in orders.items()), "newest": sorted((key, *row) for key, row in newest.items()),
            "log": log, "customers": sorted((key, *row) for key, row in customers.items()),
            "tiers": sorted((key, "gold" if row[1] > 9000 else "silver") for key, row in customers.items())}


COLUMNS = {"orders": "id, customer, cents, at", "newest": "customer, id, cents, at", "log": "_record, id, cents",
           "customers": "customer, orders, spent", "tiers": "customer, tier"}


def found(place):
    return {table: rows_of(place / "r.db", f"SELECT {columns} FROM {table} ORDER BY 1, 2") for table, columns in COLUMNS.items()}


def replay(plumb, place, *options):
    return json.loads(plumb.ok("replay", place, *options, "--json").stdout)


def sound(plumb, place):
    """Everything adds up, and what is below the maps is right for them."""
    done = json.loads(plumb.run("audit", place, "--deep", "--json").stdout)
    assert {one["check"] for one in done["findings"]} <= {"recomputed"}, done["findings"]


BEFORE = expected(lambda batch, status: 0 if status == "void" else 100)


@pytest.mark.parametrize("low, high", [(1, 6), (2, 3), (4, 4), (5, 6), (1, 1)])
def test_records_that_were_left_out_come_in_where_nothing_later_has_their_key(plumb, place, low, high):
    assert found(place) == BEFORE
    by_hand(place, "DELETE FROM rates")
    done = replay(plumb, place, "--from", low, "--to", high)
    assert done["replayed_batches"] == high - low + 1
    want = expected(lambda batch, status: 100 if status != "void" or low <= batch <= high else 0)
    assert found(place) == want and want != BEFORE
    counted = {table["table"]: table["inserted"] for table in done["tables"]}
    assert counted["log"] == len(want["log"]) - len(BEFORE["log"]) and counted["orders"] == len(want["orders"]) - len(BEFORE["orders"])
    sound(plumb, place)
    again = replay(plumb, place, "--from", low, "--to", high)
    assert all((table["inserted"], table["updated"], table["deleted"]) == (0, 0, 0) for table in again["tables"]) and found(place) == want
    replay(plumb, place)
    assert found(place) == expected(lambda batch, status: 100)
    assert plumb.run("audit", place, "--deep").code == 0


@pytest.mark.parametrize("low, high", [(1, 6), (2, 4), (6, 6)])
def test_a_changed_reference_table_changes_what_the_range_made(plumb, place, low, high):
    by_hand(place, "INSERT INTO rates VALUES ('paid', 50)")
    done = replay(plumb, place, "--from", low, "--to", high)
    want = expected(lambda batch, status: 0 if status == "void" else 50 if status == "paid" and low <= batch <= high else 100)
    assert found(place) == want and want != BEFORE
    orders = [table for table in done["tables"] if table["table"] == "orders"][0]
    changed = sum(a != b for a, b in zip(BEFORE["orders"], want["orders"]))
    assert orders["updated"] == changed and (changed > 0) == (high == 6)  # the last two batches have every key again
    assert all("cents" in sample and " -> " in sample for sample in orders["samples"])
    sound(plumb, place)


def test_by_time_by_source_and_by_map(plumb, place):
    by_hand(place, "DELETE FROM rates; UPDATE _plumb_batches SET staged_us = 1700000000000000 + id * 1000000")
    done = replay(plumb, place, "--source", "orders", "--since", "2023-11-14T22:13:22Z", "--until", "2023-11-14T22:13:23Z")
    assert done["replayed_batches"] == 2
    want = expected(lambda batch, status: 100 if status != "void" or batch in (2, 3) else 0)
    assert found(place) == want
    by_hand(place, "INSERT INTO rates VALUES ('open', 50)")
    replay(plumb, place, "--transform", "log", "--from", 6)
    after = expected(lambda batch, status: 50 if batch == 6 and status == "open" else 100 if batch in (2, 3, 6) or status != "void" else 0)
    assert found(place) == {**want, "log": after["log"]}
    sound(plumb, place)


def test_what_a_hand_changed_in_rows_of_the_range_is_undone(plumb, place):
    mine, other = rows_of(place / "r.db", "SELECT max(id) FILTER (WHERE _batch = 6), max(id) FILTER (WHERE _batch = 5) FROM orders")[0]
    gone = rows_of(place / "r.db", "SELECT min(id) FROM orders WHERE _batch = 6")[0][0]
    by_hand(place, f"UPDATE orders SET cents = 1 WHERE id IN ({mine}, {other}); DELETE FROM orders WHERE id = {gone}; DELETE FROM log WHERE _record > 110;"
                   "INSERT INTO log(_partition, _record, id, cents) SELECT id, 118, 7, 7 FROM _plumb_partitions WHERE source = 'orders'")
    done = replay(plumb, place, "--from", 6)
    want = dict(BEFORE, orders=[(*row[:2], 1, row[3]) if row[0] == other else row for row in BEFORE["orders"]])
    assert {table: found(place)[table] for table in ("orders", "log", "newest")} == {table: want[table] for table in ("orders", "log", "newest")}
    assert {table["table"]: (table["updated"], table["deleted"]) for table in done["tables"]}["orders"] == (1, 0)
    sound(plumb, place)  # the ledger, too


def test_a_row_that_a_hand_put_in_the_place_of_one_of_the_range_is_undone(plumb, place):
    """It knows no batch."""
    key, customer = rows_of(place / "r.db", "SELECT id, customer FROM orders WHERE _batch = 6 ORDER BY id LIMIT 1")[0]
    by_hand(place, f"DELETE FROM orders WHERE id = {key}; INSERT INTO orders(id, customer, cents, at) VALUES ({key}, '{customer}', 1, 1);"
                   "DELETE FROM newest WHERE customer = 'c1'; INSERT INTO newest(customer, id, cents, at) VALUES ('c1', 1, 1, 0)")
    assert found(place) != BEFORE
    replay(plumb, place, "--from", 1)
    assert found(place) == BEFORE
    sound(plumb, place)


def test_a_whole_source(plumb, place):
    by_hand(place, "DELETE FROM rates")
    done = replay(plumb, place, "--source", "orders")
    assert {table["table"] for table in done["tables"]} == {"orders", "newest", "log", "customers", "tiers"}
    assert found(place) == expected(lambda batch, status: 100)
    assert plumb.run("audit", place, "--deep").code == 0
    assert plumb.run("replay", place, "--source", "none").code == 78


def refused(plumb, place, words, *options):
    before = found(place), rows_of(place / "r.db", "SELECT * FROM _plumb_ledger"), rows_of(place / "r.db", "SELECT * FROM _plumb_rejects")
    done = plumb.run("replay", place, *options)
    assert done.code == 78 and words in done.stderr, done.stderr
    assert (found(place), rows_of(place / "r.db", "SELECT * FROM _plumb_ledger"), rows_of(place / "r.db", "SELECT * FROM _plumb_rejects")) == before
    assert not list(place.glob("r.db-audit*"))


def test_what_the_range_cannot_tell_is_refused(plumb, place):
    by_hand(place, "INSERT INTO rates VALUES ('paid', 0)")
    refused(plumb, place, "were made by the range and are not any more", "--from", 5)
    by_hand(place, "DELETE FROM rates WHERE status = 'paid'")
    (place / "flow.yaml").write_text(FLOW.replace("SELECT b.id, b.customer,", "SELECT b.id, b.customer || '' AS customer,"))
    refused(plumb, place, "changed since it last ran on this store", "--from", 5)
    (place / "flow.yaml").write_text(FLOW)
    refused(plumb, place, "no staged batch is in that range", "--from", 7)
    refused(plumb, place, "no staged batch is in that range", "--source", "people", "--from", 1)
    refused(plumb, place, "a range of batches is replayed through maps", "--transform", "tiers", "--from", 1)
    by_hand(place, "UPDATE _plumb_marks SET seq = 5 WHERE transform = 'log'")
    refused(plumb, place, "1 batches of the range are not applied yet", "--from", 5)
    by_hand(place, "UPDATE _plumb_marks SET seq = 6 WHERE transform = 'log'; DELETE FROM _plumb_frames WHERE batch = 2")
    refused(plumb, place, "1 batches of the range have no raw records any more", "--to", 3)
    replay(plumb, place, "--from", 3)
    assert plumb.run("replay", place, "--from", 3, "--lose").code == 2
    assert plumb.run("replay", place, "--since", "soon").code == 2


def test_a_row_that_would_get_older_is_refused(plumb, tmp_path):
    text = FLOW.replace("SELECT b.customer, b.id, b.cents * coalesce(r.percent, 100) / 100 AS cents, b.at FROM",
                        "SELECT b.customer, b.id, b.cents, b.at * coalesce(r.percent, 100) / 100 AS at FROM")
    place = make(plumb, tmp_path / "place", text)
    by_hand(place, "INSERT INTO rates VALUES ('paid', 1), ('open', 1)")
    refused(plumb, place, "get older by latest_by", "--from", 5)


@pytest.mark.parametrize("change, words", [
    (("{key: [id], lineage: true,", "{key: [id],"), "does not know which batch a row came from"),
    (("    latest_by: at\n", "    latest_by: at\n    delete_when: cents > 5000\n"), "delete_when"),
])
def test_flows_for_which_only_a_whole_replay_can_tell(plumb, tmp_path, change, words):
    place = make(plumb, tmp_path / "place", FLOW.replace(*change))
    refused(plumb, place, words, "--from", 5)


def test_killed_anywhere_it_is_as_it_was_or_done(plumb, place, tmp_path):
    by_hand(place, "DELETE FROM rates")
    want = expected(lambda batch, status: 100 if status != "void" or batch in (3, 4) else 0)
    count = tmp_path / "count"
    shutil.copytree(place, count)
    counted = plumb.run("replay", count, "--from", 3, "--to", 4, env={"PLUMB_FAULT": "count"})
    steps = int(counted.stderr.rsplit("step=", 1)[1].split()[0])
    done = 0
    for step in range(1, steps + 1, max(1, steps // 14)):
        at = tmp_path / f"kill-{step}"
        shutil.copytree(place, at)
        assert plumb.run("replay", at, "--from", 3, "--to", 4, env={"PLUMB_FAULT": f"kill:{step}"}).code in (-9, 0)
        plumb.ok("run", at, "--once")
        assert found(at) in (BEFORE, want), step
        done += found(at) == want
        replay(plumb, at, "--from", 3, "--to", 4)
        assert found(at) == want and plumb.run("audit", at).code == 0, step
        shutil.rmtree(at)
    assert 0 < done
