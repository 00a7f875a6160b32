"""plumb trace: every row leads to the records it was made of, by a computation of the test's own."""
import json
import shutil
import sqlite3

import pytest
from conftest import ROOT, int256

SHOP = ROOT / "flows" / "shop"


def traced(plumb, flow, table, *key, limit=1000, options=()):
    done = plumb.ok("trace", flow, table, *options, "--limit", limit, "--json", "--", *key)
    return json.loads(done.stdout)


def steps(trace, row, direction, transform=None):
    return [s for s in trace["steps"] if s["row"] == row and s["direction"] == direction
            and transform in (None, s["transform"])]


def write(database, sql):
    connection = sqlite3.connect(database)
    connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.fixture(name="shop")
def a_shop(plumb, tmp_path):
    directory = tmp_path / "shop"
    shutil.copytree(SHOP, directory)
    plumb.ok("run", directory, "--once", "--batch-rows", "7")
    return directory


def test_what_a_sum_names_adds_up_to_each_of_its_rows(plumb, shop, query):
    store = shop / "shop.db"
    customers = query(store, "SELECT customer, orders, spent FROM customers")
    assert len(customers) > 5
    for customer, orders, spent in customers:
        trace = traced(plumb, shop, "customers", customer)
        (step,) = steps(trace, 0, "up")
        named = [trace["rows"][link["row"]] for link in step["listed"]]
        paid = query(store, "SELECT id, total FROM orders WHERE customer = ? AND status = 'paid'", customer)
        assert sorted(row["key"]["id"] for row in named) == sorted(id for id, _ in paid) and step["rows"] == len(paid)
        assert sum(link["gives"]["spent"] for link in step["listed"]) == spent == sum(total for _, total in paid)
        assert sum(link["gives"]["orders"] for link in step["listed"]) == orders
        assert step["adds_up"] and step["sums"] == {"orders": orders, "spent": spent}


def test_every_row_of_a_map_leads_to_a_record_that_says_the_same(plumb, shop, query):
    for key, customer, total, status in query(shop / "shop.db", "SELECT id, customer, total, status FROM orders"):
        record = traced(plumb, shop, "orders", key)["rows"][0]["record"]
        raw = json.loads(record["raw"])
        assert (raw["id"], raw["customer"]["id"], raw["total_cents"], raw["status"]) == (key, customer, total, status)
        lines = (shop / record["partition"]).read_text(encoding="utf-8").splitlines()
        assert lines[record["record"] - first_record(query, shop, record)] == record["raw"]


def first_record(query, shop, record):
    """Records are numbered by partition, and the partition here is the source's file."""
    ((first,),) = query(shop / "shop.db", "SELECT min(b.first_record) FROM _plumb_batches b JOIN _plumb_partitions p "
                        "ON p.id = b.partition WHERE p.name = ?", record["partition"])
    return first


def test_a_derive_leads_through_its_inputs_to_records_and_down_to_its_sum(plumb, shop):
    trace = traced(plumb, shop, "vips", "customer=c05")
    assert {s["table"] for s in steps(trace, 0, "up")} == {"customers", "people"}
    (down,) = steps(trace, 0, "down")
    assert (down["transform"], down["rows"]) == ("tiers", 1)
    assert trace["rows"][down["listed"][0]["row"]]["key"] == {"tier": "gold"}
    made = [row for row in trace["rows"] if row["from_map"]]
    assert made and all(row["record"]["kept"] for row in made)
    assert trace["search"]["missing"] == 0 and not trace["search"]["stopped"]
    up = {row["id"] for row in made}
    assert up == {link["row"] for s in trace["steps"] if s["table"] in ("orders", "people") for link in s["listed"]}


def test_an_order_leads_down_to_everything_it_is_part_of(plumb, shop, query):
    ((order,),) = query(shop / "shop.db", "SELECT min(id) FROM orders WHERE customer = 'c05' AND status = 'paid'")
    trace = traced(plumb, shop, "orders", order)
    assert [row["table"] for row in trace["rows"]] == ["orders", "customers", "vips", "tiers"]
    ((unpaid,),) = query(shop / "shop.db", "SELECT min(id) FROM orders WHERE status = 'open'")
    assert [s["rows"] for s in steps(traced(plumb, shop, "orders", unpaid), 0, "down")] == [0]


def test_counts_stay_exact_when_few_rows_are_named(plumb, shop):
    whole = steps(traced(plumb, shop, "customers", "c08"), 0, "up")[0]
    cut = steps(traced(plumb, shop, "customers", "c08", limit=2), 0, "up")[0]
    assert len(cut["listed"]) == 2 and cut["rows"] == whole["rows"] == len(whole["listed"]) and cut["adds_up"]
    text = plumb.ok("trace", shop, "customers", "c08", "--limit", 2).stdout
    assert f"and {whole['rows'] - 2} more" in text and "which add up to it" in text


def test_a_row_changed_by_hand_does_not_add_up_and_has_no_record(plumb, shop):
    write(shop / "shop.db", "UPDATE customers SET spent = spent + 1 WHERE customer = 'c05'")
    write(shop / "shop.db", "UPDATE orders SET total = total + 1 WHERE id = 13")
    trace = traced(plumb, shop, "customers", "c05")
    (step,) = steps(trace, 0, "up")
    assert step["adds_up"] and step["sums"]["spent"] == trace["rows"][0]["values"]["spent"], "both were changed by 1"
    assert [row["key"]["id"] for row in trace["rows"] if row["from_map"] and row["record"] is None] == [13]
    assert trace["search"]["missing"] == 1
    write(shop / "shop.db", "UPDATE customers SET spent = spent + 1 WHERE customer = 'c05'")
    assert not steps(traced(plumb, shop, "customers", "c05"), 0, "up")[0]["adds_up"]
    text = plumb.ok("trace", shop, "customers", "c05").stdout
    assert "which do NOT add up to it" in text and "no staged record makes this row" in text


def test_the_search_says_where_it_stopped(plumb, shop, query):
    ((order,),) = query(shop / "shop.db", "SELECT id FROM orders ORDER BY updated LIMIT 1")
    trace = traced(plumb, shop, "orders", order, options=("--batches", "1"))
    whole = traced(plumb, shop, "orders", order)
    assert whole["search"]["batches"] > 1 and whole["rows"][0]["record"] is not None
    assert trace["search"]["stopped"] and trace["search"]["batches"] == 1 and trace["rows"][0]["record"] is None
    text = plumb.ok("trace", shop, "orders", order, "--batches", "1").stdout
    assert "The search stopped after 1 batches" in text and "--batches N" in text


def test_records_taken_back_are_nobodys_origin(plumb, shop):
    record = traced(plumb, shop, "orders", 17)["rows"][0]["record"]
    write(shop / "shop.db",
          "INSERT INTO _plumb_batches SELECT max(id) + 1, (SELECT partition FROM _plumb_batches WHERE id = "
          f"{record['batch_id']}), 1000, {record['record']}, 0, 1, 0, 0, 0, x'00', '', 0 FROM _plumb_batches")
    assert traced(plumb, shop, "orders", 17)["rows"][0]["record"] is None


def test_batches_that_are_no_longer_kept_are_counted(plumb, shop):
    write(shop / "shop.db", "DELETE FROM _plumb_frames")
    trace = traced(plumb, shop, "orders", 17)
    assert trace["rows"][0]["record"] is None and trace["search"]["not_kept"] > 0
    assert "no longer kept" in plumb.ok("trace", shop, "orders", 17).stdout


FLOW = """\
flow: t
store: sqlite:t.db
sources:
  in:
    type: file
    path: data/*.jsonl
    columns: {id: {type: int64, required: true}, who: text, big: int256, raw: bytes, n: int64}
tables:
  kept: {key: [id], lineage: true, columns: {id: int64, who: text, big: int256, n: int64}}
  log: {key: auto, columns: {id: int64, who: text}}
  odd: {key: [raw, who], columns: {raw: bytes, who: text, n: int64}}
  owners: {key: [who], columns: {who: text, big: int256, ids: int64}}
  parity: {key: [even, who], columns: {even: bool, who: text, n: int64}}
  bigs: {key: [big], columns: {big: int256, n: int64}}
  seen: {key: [who], columns: {who: text, rows: int64}}
transforms:
  kept: {from: in, into: kept, sql: "SELECT id, who, big, n FROM batch WHERE who IS NOT NULL"}
  log: {from: in, into: log, sql: "SELECT id, who FROM batch"}
  odd: {from: in, into: odd, sql: "SELECT raw, who, abs(n) AS n FROM batch WHERE raw IS NOT NULL AND who IS NOT NULL"}
  owners: {from: kept, into: owners, sum: "SELECT who, big, 1 AS ids FROM change"}
  parity:
    from: kept
    into: parity
    sum: SELECT n % 2 = 0 AS even, who, n FROM change WHERE n > 0 UNION ALL SELECT 1 = 1 AS even, who, 100 AS n FROM change WHERE n > 0
  bigs: {from: kept, into: bigs, sum: "SELECT big, n FROM change WHERE n >= 0"}
  seen:
    on: {kept: SELECT lower(who) AS who FROM change}
    into: seen
    derive: SELECT c.who, (SELECT count(*) FROM kept k WHERE lower(k.who) = c.who) AS rows FROM changed c
"""
HOSTILE = 'O\'Hara "]--<b>\\; `x`'
MORE = 10**70


def records():
    for i in range(200):
        yield {"id": i % 150, "who": ["Ann", "ann", "bob", HOSTILE][i % 4], "big": str((-1) ** i * (MORE + i % 150)),
               "raw": f"0x{i % 150:04x}", "n": -(2**63) if i == 31 else i % 150}


@pytest.fixture(name="flow")
def a_flow(plumb, make_flow):
    lines = [json.dumps(record) for record in records()]
    lines.insert(10, "{broken")
    directory = make_flow({"flow.yaml": FLOW, "data/a.jsonl": "\n".join(lines) + "\n"}, name="t")
    plumb.ok("run", directory, "--once", "--batch-rows", "16")
    return directory


def test_a_row_with_lineage_knows_its_record(plumb, flow, query):
    for key, batch, pos in query(flow / "t.db", "SELECT id, _batch, _pos FROM kept WHERE id % 10 = 1"):
        trace = traced(plumb, flow, "kept", key)
        record = trace["rows"][0]["record"]
        assert (record["batch_id"], record["position"], json.loads(record["raw"])["id"]) == (batch, pos, key)
        assert trace["search"]["wanted"] == 0


def test_a_row_without_a_key_is_its_record(plumb, flow, query):
    for partition, number, key in query(flow / "t.db", "SELECT _partition, _record, id FROM log WHERE id = 7"):
        record = traced(plumb, flow, "log", partition, f"_record={number}")["rows"][0]["record"]
        assert record["record"] == number and json.loads(record["raw"])["id"] == key


def test_sums_of_int256_and_of_computed_keys_add_up(plumb, flow, query):
    kept = query(flow / "t.db", "SELECT id, who, big, n FROM kept")
    for who, big in query(flow / "t.db", "SELECT who, big FROM owners"):
        (step,) = steps(traced(plumb, flow, "owners", who), 0, "up")
        assert step["adds_up"] and sum(int(link["gives"]["big"]) for link in step["listed"]) == int256(big)
        assert step["rows"] == sum(1 for row in kept if row[1] == who)
    for even, who, n in query(flow / "t.db", "SELECT even, who, n FROM parity"):
        (step,) = steps(traced(plumb, flow, "parity", "true" if even else "false", who), 0, "up")
        mine = [row for row in kept if row[1] == who and row[3] > 0]
        expected = sum(row[3] for row in mine if (row[3] % 2 == 0) == bool(even)) + (100 * len(mine) if even else 0)
        assert step["adds_up"] and sum(link["gives"]["n"] for link in step["listed"]) == n == expected
        assert step["rows"] == (len(mine) if even else sum(1 for row in mine if row[3] % 2))


def test_keys_of_every_type_find_their_row(plumb, flow):
    assert traced(plumb, flow, "bigs", str(MORE + 2))["rows"][0]["values"]["n"] == 2
    assert traced(plumb, flow, "bigs", f"big={-(MORE + 3)}")["rows"][0]["values"]["n"] == 3
    row = traced(plumb, flow, "odd", "0x0063", HOSTILE)["rows"][0]
    assert row["values"] == {"n": 99} and json.loads(row["record"]["raw"])["id"] == 99
    assert traced(plumb, flow, "odd", f"who={HOSTILE}", "raw=0x0063")["rows"][0] == row


def test_a_record_that_a_map_rejects_does_not_end_the_search(plumb, flow, query):
    assert query(flow / "t.db", "SELECT count(*) FROM _plumb_rejects WHERE transform = 'odd'") == [(1,)]
    for i in (30, 32, 47):
        row = traced(plumb, flow, "odd", f"0x{i:04x}", ["Ann", "ann", "bob", HOSTILE][i % 4])["rows"][0]
        assert json.loads(row["record"]["raw"])["id"] == i


def test_a_mapping_given_as_sql_is_followed_both_ways(plumb, flow, query):
    (step,) = steps(traced(plumb, flow, "seen", "ann"), 0, "up")
    ((rows,),) = query(flow / "t.db", "SELECT count(*) FROM kept WHERE lower(who) = 'ann'")
    assert step["rows"] == rows == len(step["listed"]) > 50
    (down,) = steps(traced(plumb, flow, "kept", 4), 0, "down", "seen")
    assert down["rows"] == 1


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_hostile_text_stays_inside_the_labels_of_a_graph(plumb, flow, form):
    text = plumb.ok("trace", flow, "owners", HOSTILE, "--graph", form, "--limit", 3).stdout
    assert "more" in text and "\x1b" not in text
    for line in text.splitlines():
        plain = line.replace('\\"', "").replace("\\\\", "")
        assert plain.count('"') % 2 == 0, line
        assert form == "dot" or "<b>" not in line


@pytest.mark.parametrize("typed, code, words", [
    (["onwers", "x"], 2, "did you mean 'owners'?"),
    (["kept", "x"], 2, "'x' is no int64, which 'id' of table 'kept' is"),
    (["odd", "0x00"], 2, "the key of table 'odd' is raw (bytes), who (text)"),
    (["odd", "who=a", "who=b"], 2, "the key of table 'odd' is"),
    (["kept", "4", "--graph", "svg"], 2, "mermaid or dot"),
    (["kept", "4", "--limit", "1001"], 2, "from 0 to 1000"),
    (["kept", "4000"], 1, "table 'kept' has no row with that key"),
    (["owners", "' OR 1=1 --"], 1, "has no row with that key"),
])
def test_what_cannot_be_traced_is_said(plumb, flow, typed, code, words):
    done = plumb.run("trace", flow, *typed)
    assert done.code == code and words in done.stderr and done.stdout == ""


def test_it_reads_beside_a_run(plumb, flow):
    running = plumb.start("run", flow)
    try:
        for key in range(20):
            assert traced(plumb, flow, "kept", key)["rows"][0]["key"] == {"id": key}
    finally:
        running.terminate()
        running.communicate(timeout=60)
