"""Inputs much larger than memory may grow: the program's largest resident size is measured."""
import gzip

import pytest

pytest.register_assert_rewrite("badinput")
# pylint: disable=wrong-import-position
from badinput import (GOOD_AFTER, GOOD_BEFORE, assert_audit, assert_memory, assert_nothing_lost, assert_rejects,
                      assert_same, assert_trouble, csv_lines, flow_text, is_instrumented, json_lines, lines, measured_run,
                      run)

MIB_MAX = 150
MIB = 1 << 20
LINE = 100 * MIB
BELOW_LIMIT = 4 * MIB - 64  # of a value, so that its record is just within the default record_bytes_max


def write_text_line(path, open_file=open):
    """100 MB of one JSON record, between two good ones."""
    with open_file(path, "wb") as file:
        file.write(json_lines([10]) + b'{"id": 12, "v": "')
        for _ in range(LINE // MIB):
            file.write(b"x" * MIB)
        file.write(b'"}\n' + json_lines([11]))


def write_bomb(path, tail=b"\n" + json_lines([10, 11])):
    """1 GiB of zeros in about 1 MiB, as one line."""
    member = gzip.compress(bytes(64 * MIB), 9)
    with open(path, "wb") as file:
        for _ in range(16):
            file.write(member)
        file.write(gzip.compress(tail))
    assert path.stat().st_size < 1.2 * MIB


def write_quoted(path):
    """A quote that is never closed and 100 MB of good records below it."""
    with open(path, "wb") as file:
        file.write(csv_lines([10]) + b'12,"never closed,,,\n')
        block = csv_lines(range(100_000, 160_000), b"")
        for _ in range(LINE // len(block) + 1):
            file.write(block)


TOO_LARGE = r"longer than the source's record limit; offset=\d+ length=\d+"
LARGE = {
    "a 100 MB line": ("jsonl", write_text_line, [10, 11], [(1, "too_large", TOO_LARGE)]),
    "a 100 MB line in gzip": ("jsonl", lambda path: write_text_line(path, gzip.open), [10, 11],
                              [(1, "too_large", TOO_LARGE)]),
    "a compressed bomb": ("jsonl", write_bomb, [10, 11], [(0, "too_large", TOO_LARGE)]),
    "a compressed bomb without an end": ("jsonl", lambda path: write_bomb(path, b""), [], [(0, "too_large", TOO_LARGE)]),
    "a CSV quote open for 100 MB": ("csv", write_quoted, [10], [(1, "malformed", "no record could be cut out here")]),
}


def large_flow(make_flow, name):
    extension, write, ids, rejects = LARGE[name]
    flow = make_flow({"flow.yaml": flow_text(extension),
                      f"data/1-before.{extension}": lines(GOOD_BEFORE, extension),
                      f"data/3-after.{extension}": lines(GOOD_AFTER, extension)})
    write(flow / "data" / f"2-bad.{extension}")
    return flow, f"data/2-bad.{extension}", ids, rejects


@pytest.mark.parametrize("name", LARGE)
def test_memory_stays_bounded(plumb, make_flow, name):
    flow, bad, ids, rejects = large_flow(make_flow, name)
    code, mib, text = measured_run(plumb, flow)
    assert code == 0, text
    if not is_instrumented(plumb):
        assert_memory(mib, MIB_MAX)
    print(f"{name}: {mib:.0f} MiB")
    after = run(plumb, flow)
    assert after.summary["records"] == 0
    assert_nothing_lost(after, GOOD_BEFORE + ids + GOOD_AFTER)
    assert_rejects(after, bad, rejects)
    assert_trouble(after, None, None)
    assert_audit(after)
    assert_same(run(plumb, flow), after)


def test_many_records_below_the_limit_stay_bounded_too(plumb, make_flow):
    flow = make_flow({"flow.yaml": flow_text()})
    (flow / "data").mkdir()
    with open(flow / "data" / "a.jsonl", "wb") as file:
        for number in range(8):
            file.write(b'{"id": %d, "v": "' % number + b"x" * BELOW_LIMIT + b'"}\n')
    code, mib, text = measured_run(plumb, flow)
    assert code == 0, text
    print(f"eight records of just under 4 MiB: {mib:.0f} MiB")
    if not is_instrumented(plumb):
        assert_memory(mib, MIB_MAX)  # in flight: three raw batches and their rows
    after = run(plumb, flow)
    assert [(row[0], len(row[1])) for row in after.table] == [(number, BELOW_LIMIT) for number in range(8)]
