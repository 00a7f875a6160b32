"""`plumb test`: what it says of tests that hold, that do not, and that are written wrongly."""
import json
import shutil
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT

FLOW = """
flow: t
sources:
  all:
    type: file
    path: nowhere/*.jsonl
    columns: {id: {type: int64, required: true}, i: int64, f: float64, b: bool, t: text, x: bytes, at: timestamp, j: json, w: int256}
  csv:
    type: file
    path: nowhere/*.csv
    columns: {id: {type: int64, required: true}, t: text}
tables:
  all: {key: [id], columns: {id: int64, i: int64, f: float64, b: bool, t: text, x: bytes, at: timestamp, j: json, w: int256}}
  log: {key: auto, columns: {id: int64, t: text}}
  regions: {key: [t], columns: {t: text, region: text}}
  texts: {key: [t], columns: {t: text, n: int64}}
  halves: {key: [t], columns: {t: text, half: int64}}
transforms:
  all: {from: sources.all, into: all, sql: "SELECT id, i, f, b, t, x, at, j, w FROM batch"}
  log: {from: csv, into: log, sql: "SELECT b.id + i256_to_int(i256('0')) AS id, coalesce(r.region, b.t) AS t FROM batch b LEFT JOIN regions r ON r.t = b.t WHERE b.id <> 13 OR i256_to_int(i256_mul(i256('9223372036854775807'), i256(b.id))) > 0"}
  texts: {from: tables.all, into: texts, sum: "SELECT t, i AS n FROM change WHERE t IS NOT NULL"}
  halves:
    on: [texts]
    into: halves
    derive: SELECT k.t, i256_to_int(i256_div(i256(100), i256(t.n))) AS half FROM changed k JOIN texts t ON t.t = k.t
"""
ROW = '{"id": 1, "i": -5, "f": 0.1, "b": true, "t": "a\\"b", "x": "0x00ff", "at": "2026-01-05T10:00:00Z", "j": {"k": [1, "a b"]}, "w": "-100000000000000000000000"}'
CELLS = """{id: 1, i: -5, f: 0.1, b: true, t: 'a"b', x: 0x00ff, at: 2026-01-05T11:00:00+01:00, j: '{"k": [1, "a b"]}', w: -100000000000000000000000}"""


@pytest.fixture
def tests_of(plumb, make_flow):
    """tests_of("body of tests:") -> (code, report, stderr)"""

    def run(body, *options, code=None):
        directory = make_flow({"flow.yaml": FLOW, "tests/t.yaml": "tests:\n" + body}, name=f"flow{len(body)}")
        result = plumb.run("test", directory, "--json", *options)
        assert not list(directory.glob("*.db*")) and not (directory / "nowhere").exists()
        assert code is None or result.code == code, result.stdout + result.stderr
        return result.code, json.loads(result.stdout) if result.stdout else None, result.stderr

    return run


def failures(report):
    return [failure for test in report["tests"] for failure in test["failures"]]


def test_the_shops_tests_pass_and_cover_it(plumb):
    report = json.loads(plumb.ok("test", ROOT / "flows" / "shop", "--json").stdout)
    assert report["ok"] and report["failed"] == 0 and report["passed"] >= 6
    assert all(line["tests"] > 0 for line in report["coverage"])


def test_every_type_goes_in_and_comes_back(tests_of):
    given = f"  t:\n    rows: {{all: [{CELLS}]}}\n    transform: texts\n    expect: {{all: [{CELLS}], texts: [{{t: 'a\"b', n: -5}}]}}\n"
    tests_of(given, code=0)
    tests_of(f"  t:\n    records: {{all: '{ROW}'}}\n    expect: {{all: [{CELLS}], texts: [{{t: 'a\"b', n: -5}}], halves: [{{t: 'a\"b', half: -20}}]}}\n", code=0)
    tests_of(f"  t:\n    decode: all\n    records: {{all: '{ROW}'}}\n    expect: {{all: [{CELLS}]}}\n", code=0)
    tests_of("  t:\n    records: {all: '{\"id\": 1}'}\n    expect: {all: [{id: 1, i: null, f: null, b: ~, t: null, x: null, at: null, j: null, w: null}]}\n",
             code=0)


@pytest.mark.parametrize("column, wrong, expected, got", [
    ("i", "-6", "-6", "-5"), ("f", "0.2", "0.2", "0.1"), ("b", "false", "false", "true"), ("t", "b", "b", 'a\\"b'),
    ("x", "0x00", "0x00", "0x00ff"), ("at", "2026-01-05T10:00:01Z", "2026-01-05T10:00:01Z", "2026-01-05T10:00:00Z"),
    ("j", "'[1]'", "[1]", '{"k":[1,"a b"]}'), ("w", "5", "5", "-100000000000000000000000"), ("i", "null", "null", "-5")])
def test_a_cell_that_differs_is_shown_alone(tests_of, column, wrong, expected, got):
    _, report, _ = tests_of(f"  t:\n    records: {{all: '{ROW}'}}\n    expect:\n      all:\n        - {{id: 1, {column}: {wrong}}}\n", code=3)
    (failure,) = failures(report)
    assert failure["cells"] == [{"column": column, "expected": expected, "got": got}]
    assert failure["line"] == 6 and "id 1" in failure["what"]


def test_rows_too_few_and_too_many(tests_of):
    _, report, _ = tests_of("""  t:
    records: {all: '{"id": 1, "i": 5}'}
    expect:
      all: [{id: 2}]
  some:
    records: {all: '{"id": 1, "i": 5}'}
    expect:
      all: {has: [{id: 1, i: 5}], absent: [{id: 1}, {id: 3}]}
  good:
    records: {all: ['{"id": 1, "i": 5}', '{"id": 2}']}
    expect:
      all: {has: [{id: 1, i: 5}], absent: [{id: 3}]}
""", code=3)
    assert [failure["what"] for failure in failures(report)] == [
        "all, id 2: is missing", "all, id 1: is there, and not expected", "all, id 1: is there, and must not be"]
    assert [test["ok"] for test in report["tests"]] == [False, False, True]


def test_rows_without_a_key_are_counted(tests_of):
    body = "  t:\n    records: {csv: \"id,t\\n1,a\\n1,a\\n2,b\\n\"}\n    expect: {log: [%s]}\n"
    tests_of(body % "{id: 2}, {id: 1, t: a}, {id: 1, t: a}", code=0)
    _, report, _ = tests_of(body % "{id: 1, t: a}, {id: 2}", code=3)
    assert [failure["what"] for failure in failures(report)] == ["log, id 1, t a: is there, and not expected"]
    _, report, _ = tests_of(body % "{id: 1}, {id: 1}, {id: 1}, {id: 2}", code=3)
    assert [failure["what"] for failure in failures(report)] == ["log, id 1: is missing"]


def test_reference_rows_are_read(tests_of):
    tests_of("  t:\n    rows: {regions: [{t: a, region: east}]}\n    records: {csv: \"id,t\\n1,a\\n\"}\n    expect: {log: [{id: 1, t: east}]}\n", code=0)


def test_rejects_are_told_and_never_silent(tests_of):
    body = "  t:\n    records: {csv: \"id,t\\n1,a\\nx,a\\n13,a\\n\"}\n    expect: {log: [{id: 1}]}\n"
    _, report, _ = tests_of(body, code=3)
    assert len(failures(report)) == 2 and all("not expected" in failure["what"] for failure in failures(report))
    tests_of(body + "    rejects: [{column: id, reason: type}, {transform: log, reason: transform}]\n", code=0)
    tests_of(body + "    rejects: [{source: csv, count: 2}]\n", code=0)
    _, report, _ = tests_of(body + "    rejects: [{source: csv, count: 3}]\n", code=3)
    assert failures(report)[0]["cells"] == [{"column": "records", "expected": "3", "got": "2"}]


def test_errors_are_expected_by_their_words(tests_of):
    body = "  t:\n    transform: halves\n    rows: {texts: [{t: a, n: 0}]}\n    expect: {halves: []}\n"
    _, report, _ = tests_of(body, code=3)
    assert "zero" in failures(report)[0]["what"]
    tests_of(body + "    error: division by zero\n", code=0)
    _, report, _ = tests_of(body + "    error: overflow\n", code=3)
    assert failures(report)[0]["cells"][0]["expected"] == "overflow"
    _, report, _ = tests_of(body.replace("n: 0", "n: 5").replace("[]", "[{t: a, half: 20}]") + "    error: zero\n", code=3)
    assert failures(report)[0]["cells"][0]["got"] == "everything worked"


@pytest.mark.parametrize("body, place, word", [
    ("  t: {record: {}}", "2:7", "did you mean 'records'"),
    ("  t: {records: {al: x}, expect: {}}", "2:17", "did you mean 'all'"),
    ("  t: {rows: {alll: []}}", "2:14", "did you mean 'all'"),
    ("  t: {rows: {all: [{id: 1, ii: 2}]}}", "2:28", "unknown column 'ii'"),
    ("  t: {rows: {all: [{id: one}]}}", "2:25", "not the int64"),
    ("  t: {rows: {all: [{id: 1, x: zz}]}}", "2:31", "not the bytes"),
    ("  t: {rows: {all: [{id: 1, j: '{'}]}}", "2:31", "not JSON"),
    ("  t: {rows: {all: [{i: 1}]}}", "2:20", "does not name 'id'"),
    ("  t: {rows: {all: 5}}", "2:19", "list of rows"),
    ("  t: {transform: al}", "2:18", "did you mean 'all'"),
    ("  t: {transform: all, decode: all}", "2:23", "not of both"),
    ("  t: {expect: {all: []}}", "2:3", "gives nothing"),
    ("  t: {rows: {all: []}}", "2:3", "expects nothing"),
    ("  t: {at: noon, rows: {all: []}}", "2:11", "'at' must be a time"),
    ("  t: {rows: {all: []}, rejects: [{reason: typ}]}", "2:43", "did you mean 'type'"),
    ("  t: {rows: {all: []}, rejects: [{count: 0}]}", "2:42", "'count'"),
    ("  t: {decode: csv, records: {all: x}, expect: {csv: []}}", "2:30", "decodes 'csv' alone"),
    ("  t: {decode: csv, records: {csv: x}, expect: {cvs: []}}", "2:48", "did you mean 'csv'"),
])
def test_what_is_written_wrongly_has_a_place(tests_of, body, place, word):
    _, _, stderr = tests_of(body + "\n", code=78)
    assert f"t.yaml:{place}" in stderr and word in stderr


def test_names_choose_and_junit_is_written(plumb, make_flow, tmp_path):
    directory = make_flow({"flow.yaml": FLOW, "tests/a.yaml": """tests:
  one: {records: {all: '{"id": 1}'}, expect: {all: [{id: 1}]}}
  two: {records: {all: '{"id": 1}'}, expect: {all: [{id: 1, t: "<&>"}]}}
""", "tests/b.yaml": "tests:\n  three: {records: {all: '{\"id\": 1}'}, expect: {all: [{id: 1}]}}\n"})
    junit = tmp_path / "junit.xml"
    assert plumb.run("test", directory, "--junit", junit).code == 3
    root = ElementTree.parse(junit).getroot()
    assert [suite.get("failures") for suite in root] == ["1", "0"] and root.get("tests") == "3"
    assert "<&>" in root.find(".//failure").text
    assert plumb.run("test", directory, "one", "three", "--json").code == 0
    assert json.loads(plumb.run("test", directory, "one", "--json").stdout)["passed"] == 1
    assert plumb.run("test", directory, "four").code == 78
    shutil.rmtree(directory / "tests")
    result = plumb.run("test", directory)
    assert result.code == 78 and "no tests" in result.stderr


def test_what_a_source_keeps_beside_its_records_may_be_given(tests_of):
    body = "  t:\n    records: {csv: [{meta: 'id,t', text: '1,a'}, {meta: 't,id', text: 'b,2'}]}\n    expect: {log: [{id: 1, t: a}, {id: 2, t: b}]}\n"
    tests_of(body, code=0)
    _, _, stderr = tests_of(body.replace("meta: 't,id', ", ""), code=78)
    assert "has no 'meta'" in stderr


def test_the_schema_knows_every_key_and_fits_what_ships(plumb, tmp_path):
    schema = json.loads(plumb.ok("schema", "--tests").stdout)
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    plumb.ok("init", tmp_path / "new")
    files = [*(ROOT / "flows").glob("*/tests/*.yaml"), *(tmp_path / "new" / "tests").glob("*.yaml")]
    assert len(files) >= 3
    for path in files:
        jsonschema.validate(json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str)), schema)
    for wrong in ({"tests": {"t": {"record": {}}}}, {"tests": {"t": {"rejects": [{"reason": "typ"}]}}}, {"test": {}},
                  {"tests": {"t": {"expect": {"a": {"have": []}}}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_new_flow_has_tests_that_pass(plumb, tmp_path):
    plumb.ok("init", tmp_path / "new")
    result = plumb.ok("test", tmp_path / "new")
    assert "3 of 3 tests passed; 2 of 2 transforms gave rows" in result.stdout
