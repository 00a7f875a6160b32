"""Log lines of a run: logfmt or JSON with the same fields, from the level on that was asked for."""
import json

import pytest

FLOW = """\
flow: logs
sources:
  r: {type: file, path: "*.jsonl", columns: {id: int64, v: text}}
tables:
  t: {key: [id], columns: {id: int64, v: text}}
transforms:
  t: {from: r, into: t, sql: "SELECT id, v FROM batch"}
"""
BROKEN = '{"id": 1, "v": "a"}\n'


@pytest.fixture
def broken(tmp_path):
    """A flow with two troubles, so that `run --once` logs each."""
    (tmp_path / "flow.yaml").write_text(FLOW)
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_bytes(b"\x1f\x8b not gzip, whatever it begins with")
    return tmp_path


def lines_of(done, mark):
    return [line for line in done.stderr.splitlines() if line.startswith(mark)]


def test_json_lines_have_the_fields(plumb, broken):
    done = plumb.run("run", broken, "--once", "--log-format", "json")
    lines = [json.loads(line) for line in lines_of(done, "{")]
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert list(line)[:4] == ["ts", "level", "at", "flow"]
        assert (line["level"], line["at"], line["flow"]) == ("error", "trouble", "logs")
        assert line["error"] and line["class"]


def test_logfmt_is_what_is_printed_else(plumb, broken):
    said = [lines_of(plumb.run("run", broken, "--once", *more), "ts=") for more in ([], ["--log-format", "logfmt"])]
    assert [len(lines) for lines in said] == [2, 2]
    assert all(" level=error at=trouble flow=logs class=" in line for lines in said for line in lines)


def test_what_is_below_the_level_is_not_said(plumb, broken):
    done = plumb.run("run", broken, "--once", "--log-level", "off")
    assert done.code == 1 and lines_of(done, "ts=") == [] and "troubles" in done.stderr


def test_debug_names_source_and_batch_of_what_was_committed(plumb, tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    (tmp_path / "one.jsonl").write_text(BROKEN)
    done = plumb.ok("run", tmp_path, "--once", "--log-format", "json", "--log-level", "debug")
    batches = [line for line in map(json.loads, lines_of(done, "{")) if line["at"] == "batch"]
    assert [(b["flow"], b["source"], b["batch"], b["records"], b["rejected"]) for b in batches] == [("logs", "r", 1, 1, 0)]


@pytest.mark.parametrize("option, words", [("--log-format", "logfmt or json, not 'xml'"),
                                           ("--log-level", "debug, info, warn, error or off, not 'xml'")])
def test_a_word_that_is_none_is_refused(plumb, tmp_path, option, words):
    (tmp_path / "flow.yaml").write_text(FLOW)
    done = plumb.run("run", tmp_path, "--once", option, "xml")
    assert done.code == 2 and words in done.stderr
