"""A run that stays: readers beside it, a second writer refused, a hand that corrects, a signal that ends it."""
import json
import os
import signal
import subprocess
import time

import pytest
from laws.lawlib import Place, content

SECONDS_MAX = 20


def wait_for(what, seconds=SECONDS_MAX):
    """Looks again and again until what() is true; True when it came true in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def record(number, owner="x", amount=1):
    return json.dumps({"id": number, "owner": owner, "amount": amount, "gone": False, "version": number}) + "\n"


@pytest.fixture
def live(plumb, tmp_path):
    """A place of the flow `model` and a run on it that has caught up; stopped at the end."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "00.jsonl").write_text("".join(record(number, "xyz"[number % 3]) for number in range(30)))
    place = Place(plumb, tmp_path / "flow", data, "model")
    process = plumb.start("run", place.directory, env=place.env, cwd=place.directory)
    assert wait_for(lambda: process.poll() is not None or (place.exists() and count(place, "grades") > 0))
    assert process.poll() is None
    yield place, process
    if process.poll() is None:
        process.kill()
    process.communicate()


def count(place, table):
    try:
        return place.value(f"SELECT count(*) FROM {table}")
    except Exception:  # pylint: disable=broad-except # not made yet
        return 0


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(SECONDS_MAX)


@pytest.mark.sqlite_only("in PostgreSQL several may run")
def test_a_second_run_is_refused_and_names_the_first(live):
    place, process = live
    for command in ("run", "replay"):
        result = place.run(command=command)
        assert result.code == 1 and str(process.pid) in result.stderr
    assert stop(process) == 0
    place.ok()


def test_readers_work_beside_it(live):
    place, process = live
    for _ in range(3):
        place.ok("--json", command="status")
        assert place.audit()[0] == 0
    assert process.poll() is None


def test_a_correction_by_hand_flows_through_within_two_seconds(live):
    place, process = live
    before = place.value("SELECT amount FROM owners WHERE owner = 'x'")
    place.sql("UPDATE rows SET amount = amount + 100 WHERE id = 0")
    started = time.monotonic()
    assert wait_for(lambda: place.value("SELECT amount FROM owners WHERE owner = 'x'") == before + 100, 2)
    assert wait_for(lambda: place.value("SELECT highest FROM means WHERE owner = 'x'") == 101, 2)
    assert time.monotonic() - started < 2
    assert stop(process) == 0


def test_appended_files_flow_through_and_the_end_is_that_of_one_run(live, plumb, tmp_path):
    place, process = live
    for number in range(1, 4):
        name = place.env["LAWS_DATA"] / f"{number:02}.jsonl"
        (tmp_path / "part").write_text("".join(record(30 * number + i, "xyz"[i % 3], i) for i in range(30)))
        os.rename(tmp_path / "part", name)
        assert wait_for(lambda n=number: count(place, "rows") == 30 * (n + 1))
    assert stop(process) == 0
    straight = Place(plumb, tmp_path / "straight", place.env["LAWS_DATA"], "model")
    straight.ok()
    assert content(place) == content(straight)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_turn_and_nothing_is_lost(plumb, tmp_path, number):
    data = tmp_path / "data"
    data.mkdir()
    (data / "00.jsonl").write_text("".join(record(i, "xyz"[i % 3]) for i in range(20000)))
    place = Place(plumb, tmp_path / "flow", data, "model")
    process = plumb.start("run", place.directory, "--batch-rows", 50, env=place.env, cwd=place.directory)
    assert wait_for(lambda: place.exists() and count(place, "_plumb_batches") > 3)
    process.send_signal(number)
    assert process.wait(SECONDS_MAX) == 0, process.communicate()
    rows = count(place, "rows")
    assert 0 < rows < 20000, "it ended by itself: the signal came too late"
    assert place.audit()[0] == 0
    place.ok()
    assert count(place, "rows") == 20000
    process.communicate()


def test_the_lock_goes_with_the_process(live):
    place, process = live
    process.kill()
    process.wait(SECONDS_MAX)
    place.ok()


@pytest.mark.sqlite_only("locks the file")
def test_a_store_locked_for_a_while_by_a_hand_is_waited_for(live):
    """A transaction left open in a shell delays the run; it does not end it."""
    place, process = live
    shell = subprocess.Popen(["sqlite3", place.store], stdin=subprocess.PIPE, text=True)  # pylint: disable=R1732
    shell.stdin.write("BEGIN IMMEDIATE;\nUPDATE rows SET amount = 50 WHERE id = 1;\n")
    shell.stdin.flush()
    (place.env["LAWS_DATA"] / "01.jsonl").write_text(record(500))
    assert not wait_for(lambda: count(place, "rows") == 31, 1)
    shell.stdin.write("COMMIT;\n")
    shell.stdin.flush()
    assert wait_for(lambda: count(place, "rows") == 31)
    shell.stdin.close()
    shell.wait(SECONDS_MAX)
    assert wait_for(lambda: place.value("SELECT highest FROM means WHERE owner = 'y'") == 50)
    assert stop(process) == 0
