"""`plumb test` tells which branches of CASE and which sides of WHERE no test reached: held against what the values say."""
import json
import random
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "onchain"))
import onchainlib  # noqa: E402 (its folder is not on the path before)

FLOW = """\
flow: b
sources:
  s: {type: file, path: nowhere.jsonl, columns: {id: int64, v: int64, t: text}}
tables:
  a: {key: [id], columns: {id: int64, v: int64, size: text}}
  n: {key: [size], columns: {size: text, small: int64, v: int64}}
  d: {key: [size], columns: {size: text, word: text}}
transforms:
  a:
    from: sources.s
    into: a
    latest_by: v
    delete_when: v = 7
    sql: a.sql
  n:
    from: tables.a
    into: n
    sum: SELECT size, CASE WHEN v < 3 THEN 1 ELSE 0 END AS small, v FROM change
  d:
    on: [n]
    into: d
    derive: >
      SELECT k.size, CASE WHEN n.v > 100 THEN 'much' WHEN n.small > 0 THEN CASE n.small WHEN 1 THEN 'one' ELSE 'some' END END AS word
      FROM changed k JOIN n ON n.size = k.size
"""
SQL = """\
-- WHEN this is a comment, THEN nothing
SELECT id, v,
       CASE WHEN v IS NULL THEN 'none'  -- a constant, which must not count by itself
            WHEN v < 10
            THEN 'small' ELSE 'large' END AS size
FROM batch WHERE v <> 13 OR v IS NULL
"""


def branches_of(values):
    """(transform, branch) -> reached, for one test with these values, each a record of its own id."""
    kept = [v for v in values if v != 13]
    rows = [v for v in kept if v != 7]
    size = lambda v: "none" if v is None else "small" if v < 10 else "large"  # noqa: E731
    reached = {("a", "WHEN v IS NULL"): None in kept, ("a", "WHEN v < 10"): any(v is not None and v < 10 for v in kept),
               ("a", "ELSE"): any(v is not None and v >= 10 for v in kept),
               ("a", "no row for which it is true: WHERE v <> 13 OR v IS NULL"): bool(kept),
               ("a", "no row for which it is not true: WHERE v <> 13 OR v IS NULL"): 13 in values,
               ("a", "no row for which it is true: v = 7"): 7 in kept, ("a", "no row for which it is not true: v = 7"): bool(rows),
               ("n", "WHEN v < 3"): any(v is not None and v < 3 for v in rows), ("n", "ELSE"): any(v is None or v >= 3 for v in rows)}
    groups = {}
    for v in rows:
        if v is not None:
            groups.setdefault(size(v), []).append(v)
    sums = [(sum(group), sum(v < 3 for v in group)) for group in groups.values()] + [(0, 0)] * (None in rows)
    reached.update({("d", "WHEN n.v > 100"): any(v > 100 for v, _ in sums),
                    ("d", "WHEN n.small > 0"): any(v <= 100 and small > 0 for v, small in sums),
                    ("d", "WHEN 1"): any(v <= 100 and small == 1 for v, small in sums),
                    ("d", "ELSE"): any(v <= 100 and small > 1 for v, small in sums),
                    ("d", "no WHEN is true in CASE WHEN n.v > 100 THEN 'much' WHEN n.small > 0 THEN CASE n.small WHEN 1 THEN 'one' ELSE 'some' END END"):
                        any(v <= 100 and small == 0 for v, small in sums)})
    return reached


def write_tests(directory, cases):
    (directory / "tests").mkdir(parents=True, exist_ok=True)
    text = "tests:\n"
    for number, values in enumerate(cases):
        records = "".join(f"        {json.dumps({'id': i, 'v': v, 't': 'x', 'end': 'y'})}\n" for i, v in enumerate(values))
        text += f"  t{number}:\n    records:\n      s: |\n{records}    expect: {{d: {{absent: [{{size: nothing}}]}}}}\n"
    (directory / "tests" / "t.yaml").write_text(text)


def report_of(plumb, directory):
    return json.loads(plumb.ok("test", directory, "--json").stdout)


VALUES = [None, 1, 2, 5, 7, 13, 50, 200]
CASES = [[v] for v in VALUES] + [[1, 2], [1, 2, None], [13, 7], VALUES]


@pytest.fixture(name="flow")
def fixture_flow(make_flow):
    return make_flow({"flow.yaml": FLOW, "a.sql": SQL})


@pytest.mark.parametrize("values", CASES, ids=str)
def test_what_no_test_reached_is_what_the_values_do_not_reach(plumb, flow, values):
    write_tests(flow, [values])
    report = report_of(plumb, flow)
    expected = branches_of(values)
    if None in values:  # a sum takes no NULL: the row fails, and what it would have reached is not looked at here
        expected = {key: value for key, value in expected.items() if key[0] == "a"}
    missed = {(one["transform"], one["branch"]) for one in report["branches_missed"] if (one["transform"], one["branch"]) in expected}
    assert missed == {key for key, reached in expected.items() if not reached}


def test_tests_add_up_and_counts_say_so(plumb, flow, tmp_path):
    cases = [[1], [50], [1, 2], [200], [13, 7]]
    write_tests(flow, cases)
    report = report_of(plumb, flow)
    reached = {key: any(branches_of(values)[key] for values in cases) for key in branches_of([])}
    missed = {(one["transform"], one["branch"]) for one in report["branches_missed"]}
    assert missed == {key for key, yes in reached.items() if not yes} == {("a", "WHEN v IS NULL")}
    told = {line["transform"]: (line["branches"], line["branches_reached"]) for line in report["coverage"]}
    count = {name: (sum(key[0] == name for key in reached), sum(yes for key, yes in reached.items() if key[0] == name)) for name in "and"}
    assert told == count
    (one,) = report["branches_missed"]
    assert one["where"].endswith("a.sql:3:13") and one["kind"] == "when"
    text = plumb.ok("test", flow).stdout
    assert "No test reached" in text and "13 of 14 branches were reached" in text and "WHEN v IS NULL" in text
    plumb.ok("test", flow, "--junit", tmp_path / "junit.xml")
    properties = {p.get("name"): p.get("value") for p in ElementTree.parse(tmp_path / "junit.xml").getroot().iter("property")}
    assert properties["branches.a"] == "7" and properties["branches_reached.a"] == "6" and properties["branches_reached.d"] == "5"


def test_one_transform_alone_counts_as_its_own(plumb, flow):
    (flow / "tests").mkdir()
    (flow / "tests" / "t.yaml").write_text("tests:\n  t:\n    transform: n\n    rows: {a: [{id: 1, v: 1, size: x}]}\n"
                                           "    expect: {n: [{size: x, small: 1, v: 1}]}\n")
    told = {line["transform"]: line["branches_reached"] for line in report_of(plumb, flow)["coverage"]}
    assert told == {"a": 0, "n": 1, "d": 0}


def test_sql_that_is_not_followed_is_said_to_be_unknown_and_hinders_nothing(plumb, flow):
    """SQLite takes a column named like a keyword; who looks at tokens does not follow that."""
    (flow / "flow.yaml").write_text(FLOW.replace("t: text}}", "end: text}}", 1))
    (flow / "a.sql").write_text("SELECT id, v, CASE WHEN v > 0 THEN end ELSE 'x' END AS size FROM batch")
    write_tests(flow, [[1]])
    told = {line["transform"]: line["branches"] for line in report_of(plumb, flow)["coverage"]}
    assert told == {"a": None, "n": 2, "d": 5}
    assert " -  " in plumb.ok("test", flow).stdout


def test_a_flow_cannot_call_what_counts(plumb, flow):
    for name in ("plumb_reached(0, v)", "plumb_decided(v, 0)"):
        (flow / "a.sql").write_text(f"SELECT id, v, 'x' || {name} AS size FROM batch")
        done = plumb.run("check", flow)
        assert done.code == 78 and "plumb_" in done.stderr


def test_the_onchain_flows_branches_are_counted(plumb, tmp_path, query):
    place = onchainlib.make_flow(tmp_path / "flow")
    rows = onchainlib.launches(random.Random(7), blocks=350)
    logs = onchainlib.write_logs(tmp_path / "logs" / "a.csv", rows)
    env = {"ONCHAIN_LOGS": tmp_path / "logs"}
    (place / "tests").mkdir()
    text = "".join(f"        {line}\n" for line in logs.read_text().splitlines())
    (place / "tests" / "t.yaml").write_text(f"tests:\n  all:\n    records:\n      chain: |\n{text}    expect: {{quote_tokens: []}}\n")
    report = json.loads(plumb.ok("test", place, "--json", env=env).stdout)
    assert all(line["branches"] is not None for line in report["coverage"]), "every SELECT of it can count"
    counts = {line["transform"]: line["branches"] for line in report["coverage"]}
    assert counts["scores"] > 40 and counts["lp"] > 10 and counts["totals"] == 0
    plumb.ok("run", place, "--once", env=env)
    missed = {one["branch"] for one in report["branches_missed"] if one["transform"] == "scores"}
    # What the last state of a score says was reached, the tests did reach.
    values = {column: {value for (value,) in query(place / "onchain.db", f"SELECT DISTINCT {column} FROM scores")}
              for column in ("liquidity_gone", "liquidity_lower", "few_sales", "creator_before")}
    said = {("liquidity_gone", 100): "WHEN drop_ppm >= 990000", ("liquidity_gone", 80): "WHEN drop_ppm >= 900000",
            ("liquidity_lower", 25): "WHEN left_ppm < 100000", ("few_sales", 25): "WHEN sells < 20", ("few_sales", 15): "WHEN sells < 60",
            ("creator_before", 30): "WHEN gone_before >= 3", ("creator_before", 15): "WHEN gone_before >= 1"}
    shown = {branch for (column, value), branch in said.items() if value in values[column]}
    assert shown and not shown & missed
    assert {branch for (column, value), branch in said.items() if value not in values[column]} >= missed & set(said.values())
