"""`plumb prove` on flows that are right, which it must leave in peace, and on each classic mistake."""
import json
import signal
import sqlite3
import time

import pytest
from prove.flows import REFUSED, RIGHT, WRONG


def prove(plumb, directory, env, *options):
    result = plumb.run("prove", directory, "--json", "--batches", 100, *options, env=env, cwd=directory)
    assert result.stdout, result.stderr
    return result.code, json.loads(result.stdout)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_flow_passes(plumb, ran, name):
    directory, env = ran(RIGHT[name])
    if name == "reference":
        with sqlite3.connect(directory / "proved.db") as db:
            db.execute("INSERT INTO regions VALUES ('AT', 'east'), ('DE', 'north')")
        plumb.ok("replay", directory, env=env, cwd=directory)
    code, report = prove(plumb, directory, env)
    assert (code, report["findings"]) == (0, []), json.dumps(report["findings"], indent=1)
    tried = [trial for trial in report["trials"] if trial["result"] == "same"]
    assert len(tried) >= 9 and report["runs"] > 20 and report["rows"] > 0


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_found_and_the_transform_named(plumb, ran, name):
    text, transform, shows = WRONG[name]
    directory, env = ran(text)
    code, report = prove(plumb, directory, env)
    assert code == 3 and report["ok"] is False
    first = report["findings"][0]
    assert first["transform"] == transform and f"`{transform}`" in first["what"]
    assert first["trial"] in shows, first["trial"]
    assert [finding["transform"] for finding in report["findings"]] == [transform]
    records = sum(len(batch["records"]) for batch in first["smallest"])
    assert 1 <= records <= 6, f"{records} records are not the smallest counter-example"
    assert first["key"] and first["table"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_check_sees_needs_no_run(plumb, make_flow, data, name):
    text, word = REFUSED[name]
    directory = make_flow({"flow.yaml": text})
    result = plumb.run("check", directory, env={"DATA": data})
    assert result.code == 78 and word in result.stderr and "flow.yaml:" in result.stderr


def test_an_old_batch_that_comes_late_is_only_tried_when_asked(plumb, ran):
    directory, env = ran(RIGHT["one-file-in-order"])
    assert prove(plumb, directory, env)[0] == 0
    code, report = prove(plumb, directory, env, "--late")
    assert code == 3 and report["findings"][0]["trial"] == "late" and report["findings"][0]["transform"] == "last_hit"
    assert len(report["notes"]) == 1 and "`last_hit` has no latest_by" in report["notes"][0]


def test_the_store_is_only_read(plumb, ran):
    directory, env = ran(RIGHT["join"])
    before = (directory / "proved.db").read_bytes()
    names = sorted(path.name for path in directory.iterdir())
    assert prove(plumb, directory, env)[0] == 0
    assert (directory / "proved.db").read_bytes() == before
    after = sorted(path.name for path in directory.iterdir())
    assert [name for name in after if not name.endswith(("-shm", "-wal"))] == names


def test_newest_and_oldest_batches_are_taken(plumb, ran):
    directory, env = ran(RIGHT["states-kept"])
    result = plumb.ok("prove", directory, "--json", "--batches", 2, "--oldest", env=env, cwd=directory)
    assert json.loads(result.stdout)["records"] == 10
    assert plumb.run("prove", directory, "--batches", 0, env=env).code == 2


def test_records_may_come_from_a_file(plumb, make_flow, data, tmp_path):
    directory = make_flow({"flow.yaml": WRONG["forgotten-keys"][0]})
    env = {"DATA": data}
    result = plumb.run("prove", directory, env=env)
    assert result.code == 78 and "no store" in result.stderr
    code, report = prove(plumb, directory, env, "--file", data / "people-0.csv")
    assert (code, report["findings"][0]["transform"], report["batches"]) == (3, "mentors", 1)
    two = make_flow({"flow.yaml": RIGHT["join"]}, name="two")
    result = plumb.run("prove", two, "--file", data / "people-0.csv", env=env)
    assert result.code == 78 and "say which source" in result.stderr
    assert prove(plumb, two, env, "--file", f"people={data / 'people-0.csv'}")[0] == 0
    (tmp_path / "empty.csv").write_text("id,name,country,mentor,seen\n")
    result = plumb.run("prove", two, "--file", f"people={tmp_path / 'empty.csv'}", env=env)
    assert result.code == 78 and "no records" in result.stderr


def test_it_can_be_stopped_and_leaves_nothing_behind(plumb, ran, tmp_path):
    directory, env = ran(RIGHT["join"], batch_rows=1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = plumb.start("prove", directory, "--batches", 1000, env={**env, "TMPDIR": scratch})
    while process.poll() is None and not list(scratch.glob("*/*.db")):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and b"stopped as asked" in stderr
    assert not list(scratch.iterdir())


def test_it_is_told_in_words(plumb, ran):
    directory, env = ran(WRONG["no-order"][0])
    result = plumb.run("prove", directory, "--batches", 100, env=env, cwd=directory)
    assert result.code == 3
    for words in ("FOUND  `people` keeps the last record that came for a key", "2 records in 2 batches are enough",
                  "What to do: name the column", "undisturbed", "2 of 14 ways to run it give something else"):
        assert words in result.stdout
    directory.joinpath("flow.yaml").write_text(RIGHT["csv"])
    plumb.ok("replay", directory, env=env, cwd=directory)
    assert "PASS  14 ways to run it" in plumb.ok("prove", directory, "--batches", 100, env=env, cwd=directory).stdout
