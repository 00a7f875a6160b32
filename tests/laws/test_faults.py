"""A failing disk, file or allocation: plumb retries or ends with an error of its own, never with a crash, and the next
run ends where an undisturbed one ends.

A crash would be a negative exit code, or a sanitizer's report with the sanitized build; the sweep is shown able to see
one by test_a_crash_would_be_seen, and every sweep asserts that its faults were hit."""

import pytest
from laws.lawlib import BATCH_ROWS, CLEAN_CODES, copy_place, end_state, fewer, in_parallel, spread
from laws.test_kill import counts_of
from storelib import remove_tree, store

POINTS = {"alloc": 60, "file": 60, "store": 90}  # tried of each kind; all of them with PLUMB_SLOW=1


def assert_clean(result, spec):
    assert result.code in CLEAN_CODES, f"{spec}: ended with {result.code}: {result.stderr[-3000:]}"
    for sign in ("AddressSanitizer", "runtime error", "LeakSanitizer", "assertion", "ASSERT"):
        assert sign not in result.stderr, f"{spec}: {result.stderr[-3000:]}"
    if result.code != 0:
        assert "plumb: " in result.stderr, f"{spec}: ended with {result.code} and said nothing"


@pytest.mark.parametrize("persistent", [False, True], ids=["transient", "persistent"])
@pytest.mark.parametrize("kind", sorted(POINTS))
def test_a_fault_is_survived(blank, clean, tmp_path, slow, kind, persistent):
    points = counts_of(copy_place(blank, tmp_path / "count").ok(batch_rows=BATCH_ROWS, fault="count"))[kind]
    assert points > 10, f"no fault points of kind {kind}"
    state = clean.state

    batches = clean.value("SELECT count(*) FROM _plumb_batches")

    def fail_at(point):
        spec = f"{kind}:{point}{'+' if persistent else ''}"
        place = copy_place(blank, tmp_path / spec)
        failed = place.run(batch_rows=BATCH_ROWS, fault=spec)
        assert_clean(failed, spec)
        if kind == "store" and not persistent and failed.code != 0:
            # Opening is not tried again, nor is the last look at troubles; every turn is.
            staged = place.exists() and "_plumb_batches" in store().tables(place.store) \
                and place.value("SELECT count(*) FROM _plumb_batches")
            assert staged in (0, batches), f"{spec} ended a run in the middle: {failed.stderr[-500:]}"
        place.ok(batch_rows=BATCH_ROWS)
        assert end_state(place) == state, f"{spec} (ended with {failed.code}: {failed.stderr[-500:]})"
        remove_tree(place.directory)
        return failed.code

    most = points if slow else fewer(POINTS[kind]) // (3 if persistent else 1)
    codes = in_parallel(fail_at, spread(1, points, most))
    if persistent:
        assert any(code != 0 for code in codes), "no fault was ever felt"
    elif kind == "store":
        assert any(code == 0 for code in codes), "no transient fault is ever got over"


def test_a_crash_would_be_seen(filled):
    place = filled("crash")
    result = place.run(fault="kill:1")
    with pytest.raises(AssertionError):
        assert_clean(result, "kill:1")


def test_a_fault_specification_that_is_wrong_is_refused(fresh):
    assert fresh("wrong").run(fault="disk:3").code == 78
