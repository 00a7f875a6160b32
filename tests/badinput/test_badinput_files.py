"""Files that are not there, not readable, not files, too many, or that change under the reader."""
import gzip
import os
import re
import signal
import time

import pytest

pytest.register_assert_rewrite("badinput")
# pylint: disable=wrong-import-position
from badinput import (GOOD_AFTER, GOOD_BEFORE, assert_audit, assert_good_rows, assert_nothing_lost, assert_rejects,
                      assert_same, assert_trouble, csv_lines, flow_text, json_lines, read_rejects, read_troubles, run,
                      tables_of)
from conftest import rows_of

WAIT_SECONDS = 60


@pytest.fixture
def flow(make_flow):
    return make_flow({"flow.yaml": flow_text(), "data/1-before.jsonl": json_lines(GOOD_BEFORE),
                      "data/3-after.jsonl": json_lines(GOOD_AFTER)})


def wait_for(process, what):
    """Until what() is true, while the process lives."""
    end = time.monotonic() + WAIT_SECONDS
    while not what():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def count_log(flow):
    try:
        return rows_of(flow / "bad.db", 'SELECT count(*) FROM "log"')[0][0]
    except Exception:  # pylint: disable=broad-except # the store is not there yet
        return -1


def stop(process):
    process.send_signal(signal.SIGTERM)
    text = process.communicate(timeout=WAIT_SECONDS)[1].decode()
    assert process.returncode == 0, text
    return text


def test_a_directory_among_the_files_is_no_file(plumb, flow):
    (flow / "data" / "2-directory.jsonl").mkdir()
    (flow / "data" / "2-directory.jsonl" / "inner.jsonl").write_bytes(json_lines([77]))
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + GOOD_AFTER)
    assert_trouble(first, None, None)
    assert_audit(first)
    assert_same(run(plumb, flow), first)


@pytest.mark.parametrize("path, pattern", [
    ("data", r"'data' in '.*' is a directory, not a file; to read the files in it, write path: 'data/\*'"),
    ("nowhere/*.jsonl", r"no file matches 'nowhere/\*\.jsonl' in '.*'; correct the path option, or bring the files")])
def test_a_path_without_files_is_an_error_that_says_what_to_do(plumb, flow, path, pattern):
    text = (flow / "flow.yaml").read_text()
    (flow / "flow.yaml").write_text(text.replace("data/*.jsonl*", path))
    first = run(plumb, flow)
    assert first.code == 1
    assert first.error["message"] in first.text
    assert re.search(pattern, first.error["message"]), first.error
    (flow / "flow.yaml").write_text(text)
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + GOOD_AFTER)
    assert_trouble(mended, None, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_that_files_trouble(plumb, flow):
    closed = flow / "data" / "2-closed.jsonl"
    closed.write_bytes(json_lines([10]))
    closed.chmod(0)
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + GOOD_AFTER)
    assert_trouble(first, "data/2-closed.jsonl", r"^cannot be read: permission denied; give permission and it is taken "
                   r"up\. The other files go on$")
    closed.chmod(0o600)
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + [10] + GOOD_AFTER)
    assert_trouble(mended, None, None)


def long_directory(data):
    inner = data
    for letter in "abc":
        inner = inner / (letter * 240)
    inner.mkdir(parents=True)
    return inner


@pytest.mark.parametrize("kind", ["long", "no utf-8"])
def test_a_path_that_cannot_be_a_name_is_that_files_trouble(plumb, flow, kind):
    text = (flow / "flow.yaml").read_text()
    (flow / "flow.yaml").write_text(text.replace("data/*.jsonl*", "data/**/*.jsonl"))
    if kind == "long":
        bad = long_directory(flow / "data") / "x.jsonl"
        shown = "data/" + "a" * 100
    else:
        bad = flow / "data" / os.fsdecode(b"2-\xff.jsonl")
        shown = "data/2-"
    bad.write_bytes(json_lines([10]))
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + GOOD_AFTER)
    assert first.code == 1 and len(first.troubles) == 1
    assert first.troubles[0].where.startswith(shown)
    assert "must be UTF-8 of at most 600 bytes; rename the file, or narrow the path option" in first.text
    assert_audit(first)
    assert_same(run(plumb, flow), first)
    bad.rename(flow / "data" / "2-mended.jsonl")
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + [10] + GOOD_AFTER)
    assert_trouble(mended, None, None)


def test_names_of_almost_any_length_and_letters_work(plumb, flow):
    names = ["x" * 240, "with space", "quote's \"both\"", "percent % and ; semicolon", "umlaut \u00e4 \u4e2d", "@2", "-dash",
             "new\nline"]
    for number, name in enumerate(names):
        (flow / "data" / f"{name}.jsonl").write_bytes(json_lines([100 + number]))
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + GOOD_AFTER + [100 + i for i in range(len(names))])
    assert_trouble(first, None, None)
    assert_audit(first)
    assert_same(run(plumb, flow), first)


def test_a_file_that_shrank_between_runs_is_left_alone_and_told(plumb, flow):
    bad = flow / "data" / "2-bad.jsonl"
    whole = json_lines([10, 11, 12])
    bad.write_bytes(whole)
    run(plumb, flow)
    os.truncate(bad, len(json_lines([10])))
    shrank = run(plumb, flow)
    assert_nothing_lost(shrank, GOOD_BEFORE + [10, 11, 12] + GOOD_AFTER)
    assert_trouble(shrank, "data/2-bad.jsonl", rf"file 'data/2-bad\.jsonl' has \d+ bytes, but {len(whole)} were read of it "
                   r"before: it was cut or replaced\. It is left alone; put the old file back, or give the new one another "
                   r"name to read it from its start")
    assert_audit(shrank)
    assert_same(run(plumb, flow), shrank)
    bad.write_bytes(whole + json_lines([13]))
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + [10, 11, 12, 13] + GOOD_AFTER)
    assert_trouble(mended, None, None)
    assert_audit(mended)


def test_a_file_edited_after_it_was_read_is_left_alone_and_told(plumb, flow):
    bad = flow / "data" / "2-bad.jsonl"
    bad.write_bytes(json_lines([10]) + b"broken\n")
    first = run(plumb, flow)
    assert_rejects(first, "data/2-bad.jsonl", [(1, "malformed", "not JSON")])
    bad.write_bytes(json_lines([10, 11, 12, 13]).replace(b"10", b"20"))
    edited = run(plumb, flow)
    assert_nothing_lost(edited, GOOD_BEFORE + [10] + GOOD_AFTER)
    assert_trouble(edited, "data/2-bad.jsonl", r"the beginning of file '.*', which was read before, has changed\. It is left "
                   r"alone; put the old file back, or give the new one another name to read it from its start")
    bad.rename(flow / "data" / "4-edited.jsonl")
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + [10, 20, 11, 12, 13] + GOOD_AFTER)
    assert_trouble(mended, None, None)


def test_a_file_deleted_before_its_turn_is_told_and_read_when_it_is_back(plumb, flow):
    many = list(range(100, 1300))
    (flow / "data" / "1-long.jsonl").write_bytes(json_lines(many))
    gone = flow / "data" / "2-gone.jsonl"
    gone.write_bytes(json_lines([10, 11]))
    process = plumb.start("run", flow, "--once", "--batch-rows", 1, cwd=flow)
    wait_for(process, lambda: count_log(flow) > 0)
    process.send_signal(signal.SIGSTOP)
    assert count_log(flow) < len(many), "the file had its turn already"
    gone.unlink()
    process.send_signal(signal.SIGCONT)
    text = process.communicate(timeout=WAIT_SECONDS)[1].decode()
    assert process.returncode == 1
    assert "data/2-gone.jsonl" in text and "; the other files go on" in text
    assert [t.where for t in read_troubles(plumb, flow)] == ["data/2-gone.jsonl"]
    assert [i for i, _ in tables_of(flow)[0]] == GOOD_BEFORE + many + GOOD_AFTER
    without = run(plumb, flow)
    assert_nothing_lost(without, GOOD_BEFORE + many + GOOD_AFTER)
    assert_trouble(without, None, None)
    gone.write_bytes(json_lines([10, 11]))
    mended = run(plumb, flow)
    assert_nothing_lost(mended, GOOD_BEFORE + many + [10, 11] + GOOD_AFTER)
    assert_trouble(mended, None, None)
    assert_audit(mended)


@pytest.mark.parametrize("follow", [True, False], ids=["followed", "not followed"])
def test_a_file_that_shrinks_while_it_is_watched(plumb, make_flow, follow):
    options = ("poll: 5ms", "follow: true") if follow else ("poll: 5ms",)
    flow = make_flow({"flow.yaml": flow_text(options=options), "data/a.jsonl": json_lines(range(10, 20)),
                      "data/b.jsonl": json_lines(GOOD_BEFORE)})
    process = plumb.start("run", flow, cwd=flow)
    try:
        wait_for(process, lambda: count_log(flow) == 13)
        (flow / "data" / "a.jsonl").write_bytes(json_lines([30, 31]))
        wait_for(process, lambda: read_troubles(plumb, flow) or (follow and count_log(flow) == 15))
        (flow / "data" / "b.jsonl").write_bytes(json_lines(GOOD_BEFORE + GOOD_AFTER))
        wait_for(process, lambda: count_log(flow) == (18 if follow else 16))
        text = stop(process)
    finally:
        process.kill()
    told = "was truncated after" if follow else "it was cut or replaced. It is left alone"
    assert "data/a.jsonl" in text and told in text
    expected = list(range(10, 20)) + GOOD_BEFORE + GOOD_AFTER + ([30, 31] if follow else [])
    assert sorted(i for i, _ in tables_of(flow)[0]) == sorted(expected)
    assert not read_rejects(plumb, flow)
    if not follow:
        (flow / "data" / "a.jsonl").rename(flow / "data" / "c.jsonl")
        mended = run(plumb, flow)
        assert_nothing_lost(mended, expected + [30, 31])
        assert_trouble(mended, None, None)
        assert_audit(mended)


def test_the_header_may_change_between_files(plumb, make_flow):
    flow = make_flow({"flow.yaml": flow_text("csv"), "data/1.csv": csv_lines(GOOD_BEFORE),
                      "data/2.csv": b"v;id\n" + b"good 10;10\n", "data/3.csv": b"v,id\ngood 11,11\n",
                      "data/4.csv": b"ident,v\n12,good 12\n", "data/5.csv": csv_lines(GOOD_AFTER)})
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + [11] + GOOD_AFTER)
    assert_good_rows(first, [11])
    assert [(r.partition, r.record, r.reason, r.column) for r in sorted(first.rejects)] == [
        ("data/2.csv", 0, "missing", "id"), ("data/4.csv", 0, "missing", "id")]
    assert_trouble(first, None, None)
    assert_audit(first)
    events = rows_of(flow / "bad.db", "SELECT count(*) FROM _plumb_schema_events WHERE path IN ('ident', '/ident')")
    assert events[0][0] >= 1, "nobody noticed that the header changed"


def test_ten_thousand_small_files(plumb, flow):
    files, each = 10_000, 2
    data = flow / "data"
    for number in range(files):
        rows = json_lines(range(20_000 + number * each, 20_000 + (number + 1) * each))
        content = b"broken\n" + rows if number % 1000 == 7 else gzip.compress(rows, 1) if number % 1000 == 9 else rows
        (data / f"{number:05}.jsonl").write_bytes(content)
    first = run(plumb, flow)
    assert_nothing_lost(first, GOOD_BEFORE + list(range(20_000, 20_000 + files * each)) + GOOD_AFTER)
    assert [(r.partition, r.record) for r in sorted(first.rejects)] == [
        (f"data/{number:05}.jsonl", 0) for number in range(7, files, 1000)]
    assert_trouble(first, None, None)
    assert_audit(first)
    assert_same(run(plumb, flow), first)
