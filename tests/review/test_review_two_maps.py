"""Two maps into one table: their records meet in the order of the data, not in the order in which they come."""
import json

import pytest

FLOW = """\
flow: f
store: sqlite:f.db
sources:
  made:
    type: file
    path: made/*.jsonl
    columns: {id: {type: int64}, at: {type: int64}}
  gone:
    type: file
    path: gone/*.jsonl
    columns: {id: {type: int64}, at: {type: int64}}
tables:
  t: {key: [id], columns: {id: int64, at: int64}}
transforms:
  made: {from: sources.made, into: t, latest_by: at, sql: 'SELECT id, at FROM batch'}
  gone: {from: sources.gone, into: t, latest_by: at, delete_when: 'true', sql: 'SELECT id, at FROM batch'}
"""
MADE = {"made/a.jsonl": "".join(json.dumps({"id": i, "at": 10 * i}) + "\n" for i in range(6))}
GONE = {"gone/a.jsonl": "".join(json.dumps({"id": i, "at": 25}) + "\n" for i in range(6))}


@pytest.mark.parametrize("order", [[MADE, GONE], [GONE, MADE], [GONE, MADE, GONE], [{**MADE, **GONE}]])
def test_a_deletion_of_one_map_holds_against_older_records_of_the_other(plumb, make_flow, query, order):
    directory = make_flow({"flow.yaml": FLOW, "made/none.jsonl": "", "gone/none.jsonl": ""})
    for files in order:
        make_flow(files)
        plumb.ok("run", directory, "--once", "--batch-rows", "2")
    assert query(directory / "f.db", "SELECT * FROM t ORDER BY id") == [(3, 30), (4, 40), (5, 50)]
    plumb.ok("audit", directory)
    plumb.ok("replay", directory)
    assert query(directory / "f.db", "SELECT * FROM t ORDER BY id") == [(3, 30), (4, 40), (5, 50)]


def test_maps_that_disagree_on_what_is_newer_are_refused_when_one_deletes(plumb, make_flow):
    directory = make_flow({"flow.yaml": FLOW.replace("into: t, latest_by: at, sql", "into: t, sql")})
    result = plumb.run("check", directory)
    assert result.code == 78
    assert "latest_by" in result.stderr and "'gone'" in result.stderr


TWO = FLOW.replace("latest_by: at, delete_when: 'true', ", "").replace("latest_by: at, ", "")
ONE = "\n".join(line for line in TWO.split("\n") if not line.startswith("  gone: {"))


@pytest.mark.parametrize("before, after", [(ONE, TWO), (TWO, ONE), (TWO, TWO.replace("  gone: {", "  other: {"))],
                         ids=["added", "removed", "renamed"])
def test_a_table_whose_maps_are_others_now_is_rebuilt_first(plumb, make_flow, query, before, after):
    directory = make_flow({"flow.yaml": before, **MADE, **GONE})
    plumb.ok("run", directory, "--once")
    make_flow({"flow.yaml": after})
    result = plumb.run("run", directory, "--once")
    assert result.code == 78
    assert "plumb replay" in result.stderr
    plumb.ok("replay", directory)
    plumb.ok("run", directory, "--once")
    plumb.ok("audit", directory)
    assert query(directory / "f.db", "SELECT count(*) FROM t") == [(6,)]


@pytest.mark.parametrize("key, words", [("auto", "key: auto a record has one row"), ("[id]", "where a batch ends")])
def test_two_maps_of_one_source_into_one_table_are_refused(plumb, make_flow, key, words):
    flow = TWO.replace("sources.gone", "sources.made").replace("key: [id]", f"key: {key}")
    result = plumb.run("check", make_flow({"flow.yaml": flow}))
    assert result.code == 78
    assert words in result.stderr
    assert "'made' and 'gone'" in result.stderr or "'gone' and 'made'" in result.stderr


def test_two_maps_of_one_source_are_accepted_when_latest_by_orders_them(plumb, make_flow):
    flow = FLOW.replace("sources.gone", "sources.made")
    plumb.ok("check", make_flow({"flow.yaml": flow}))
