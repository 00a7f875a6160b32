"""Values a SELECT computes that SQLite's types let pass, and the column's type does not."""
import json

import pytest

FLOW = """\
flow: f
store: sqlite:f.db
sources:
  s:
    type: file
    path: data/*.jsonl
    columns: {id: {type: int64}, n: {type: int256}, b: {type: bool}, s: {type: text}}
tables:
  t: {key: [id], columns: {id: int64, c: TYPE}}
  d: {key: [id], columns: {id: int64, c: TYPE}}
transforms:
  t: {from: s, into: t, sql: "SELECT id, CASE WHEN id = 1 THEN WRONG ELSE RIGHT END AS c FROM batch"}
  d: {on: {t: [id]}, into: d, derive: "SELECT id, c FROM changed JOIN t USING (id)"}
"""
RECORDS = "".join(json.dumps({"id": i, "n": "7", "b": True, "s": "a"}) + "\n" for i in (1, 2))

CASES = [
    ("bool", "5", "b", "column 'c' is a bool"),
    ("int256", "7", "n", "column 'c' is an int256"),
    ("int256", "x'99'", "n", "column 'c' is an int256"),
    ("int256", "x'820001'", "n", "column 'c' is an int256"),
    ("text", "CAST(x'ff00fe' AS TEXT)", "s", "column 'c' is no text"),
]


@pytest.mark.parametrize("column_type, wrong, right, words", CASES, ids=[case[1] for case in CASES])
def test_a_row_with_a_wrong_value_is_rejected_alone(plumb, make_flow, query, column_type, wrong, right, words):
    flow = FLOW.replace("TYPE", column_type).replace("WRONG", wrong).replace("RIGHT", right)
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": RECORDS})
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT id FROM d") == [(2,)]
    [(message,)] = query(directory / "f.db", "SELECT message FROM _plumb_rejects")
    assert words in message
    plumb.ok("audit", directory)


@pytest.mark.parametrize("column_type, wrong, right, words", CASES, ids=[case[1] for case in CASES])
def test_a_key_for_which_a_derive_gives_a_wrong_value_fails_alone(plumb, make_flow, query, column_type, wrong, right,
                                                                  words):
    flow = FLOW.replace("TYPE", column_type).replace("CASE WHEN id = 1 THEN WRONG ELSE RIGHT END", right)
    flow = flow.replace("SELECT id, c FROM changed", f"SELECT id, CASE WHEN id = 1 THEN {wrong} ELSE c END AS c FROM changed")
    directory = make_flow({"flow.yaml": flow, "data/a.jsonl": RECORDS})
    plumb.ok("run", directory, "--once")
    assert query(directory / "f.db", "SELECT id FROM d") == [(2,)]
    [(key, message)] = query(directory / "f.db", "SELECT id, _error FROM _plumb_q_d")
    assert key == 1 and words in message
