"""`plumb prove` on flows that are right, which it must leave in peace, and on each classic mistake."""
import json
import sqlite3

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
