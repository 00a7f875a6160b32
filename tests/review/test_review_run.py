"""Data that brings a transform to its limits: what fails must fail alone, be told, and cost no more than it must."""
import json
import sqlite3
import time

HEAD = """\
flow: f
store: sqlite:f.db
sources:
  s:
    type: file
    path: data/*.jsonl
    columns: {id: {type: int64}, k: {type: text}, v: {type: int64}}
tables:
  t: {key: [id], columns: {id: int64, k: text, v: int64}}
"""
MAP = "transforms:\n  m: {from: s, into: t, sql: 'SELECT id, k, v FROM batch'}\n"


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def change(directory, sql):
    connection = sqlite3.connect(directory / "f.db")
    with connection:
        connection.execute(sql)
    connection.close()


def test_keys_that_fail_do_not_slow_each_other_down(plumb, make_flow, query):
    count = 40000
    flow = HEAD + ("  d: {key: [id], columns: {id: int64, x: int256}}\n" + MAP +
                   "  d: {on: [t], into: d, derive: 'SELECT c.id, i256_div(1, t.v) AS x FROM changed c JOIN t USING (id)'}\n")
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": lines({"id": i, "v": 0} for i in range(count))})
    began = time.monotonic()
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT _failed, count(*) FROM _plumb_q_d GROUP BY 1") == [(1, count)]
    change(directory, "UPDATE t SET v = 1")
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT count(*) FROM _plumb_q_d") == [(0,)]
    assert query(directory / "f.db", "SELECT count(*) FROM d") == [(count,)]
    assert time.monotonic() - began < 60 # quadratic work takes minutes


def test_a_failed_key_that_changes_and_fails_again_is_there_once(plumb, make_flow, query):
    flow = HEAD + ("  d: {key: [id], columns: {id: int64, x: int256}}\n" + MAP +
                   "  d: {on: [t], into: d, derive: 'SELECT c.id, i256_div(1, t.v) AS x FROM changed c JOIN t USING (id)'}\n")
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": lines([{"id": 1, "v": 0}, {"id": 2, "v": 1}])})
    plumb.ok("run", directory, "--once")
    change(directory, "UPDATE t SET k = 'changed' WHERE id = 1")
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT id, _failed FROM _plumb_q_d") == [(1, 1)]
    change(directory, "UPDATE t SET v = 1 WHERE id = 1")
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT id FROM _plumb_q_d") == []
    assert query(directory / "f.db", "SELECT id FROM d ORDER BY id") == [(1,), (2,)]


def test_a_derive_with_several_rows_of_a_key_or_none_is_told_so(plumb, make_flow, query):
    flow = HEAD + ("  d: {key: [k, v], columns: {k: text, v: int64, id: int64}}\n" + MAP +
                   "  d: {on: {t: [k]}, into: d, derive: 'SELECT k, t.v, t.id FROM changed JOIN t USING (k)'}\n")
    records = [{"id": 1, "k": "twice", "v": 1}, {"id": 2, "k": "twice", "v": 1}, {"id": 3, "k": "null"}]
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": lines(records)})
    plumb.ok("run", directory, "--once")
    errors = dict(query(directory / "f.db", "SELECT k, _error FROM _plumb_q_d"))
    assert "several rows of the same key of table 'd'" in errors["twice"]
    assert "'v' is NULL" in errors["null"] and "key of table 'd'" in errors["null"]


def test_a_sum_whose_key_is_null_says_what_to_do(plumb, make_flow):
    flow = HEAD + ("  g: {key: [k], columns: {k: text, n: int64}}\n" + MAP +
                   "  g: {from: t, into: g, sum: 'SELECT k, v AS n FROM change'}\n")
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": lines([{"id": 1, "v": 1}])})
    result = plumb.run("run", directory, "--once")
    assert result.code == 1
    assert "'k' is NULL, and it is in the key of table 'g'" in result.stderr


def test_amounts_given_as_text_can_be_taken_back(plumb, make_flow, query):
    flow = HEAD + ("  g: {key: [k], columns: {k: text, n: int256}}\n" + MAP +
                   "  g: {from: t, into: g, sum: \"SELECT 'all' AS k, k AS n FROM change\"}\n")
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": lines([{"id": 1, "k": "5"}, {"id": 1, "k": "7"}])})
    plumb.ok("run", directory, "--once", "--batch-rows", "1")
    assert query(directory / "f.db", "SELECT hex(n) FROM g") == [("8107",)]
