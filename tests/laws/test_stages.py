"""Law 5 (stages fail alone) and law 6 (bad data is kept): what fails keeps its input and says so, everything else goes
on, and once the cause is gone the tables are those of a clean run."""
import json
import re

import pytest
from laws.lawlib import Place, content, end_state

BIG = 2 ** 63 - 1


def record(number, group="a", amount=1, wei="1"):
    return json.dumps({"id": number, "group": group, "amount": amount, "wei": wei}) + "\n"


@pytest.fixture
def make(plumb, tmp_path):
    """make("name", records, ...) -> a place whose files 0.jsonl, 1.jsonl ... hold these lists of records."""

    def at(name, *files):
        data = tmp_path / f"{name}-data"
        data.mkdir()
        place = Place(plumb, tmp_path / name, data, "fails")
        for number, lines in enumerate(files):
            add_file(place, number, lines)
        return place

    return at


def add_file(place, number, lines):
    (place.env["LAWS_DATA"] / f"{number}.jsonl").write_text("".join(lines))


def failing(place):
    return dict(place.query("SELECT name, class FROM _plumb_transforms WHERE attempts > 0"))


def status(place):
    return json.loads(place.ok("--json", command="status").stdout)


def test_a_sum_that_overflows_waits_with_its_input_and_all_others_go_on(make):
    place = make("over", [record(1, amount=BIG), record(2, amount=5), record(3, "b")])
    result = place.run()
    assert result.code == 1 and "totals" in result.stderr and "64 bits" in result.stderr
    assert failing(place) == {"totals": "input"}
    assert place.value('SELECT count(*) FROM "_plumb_q_totals"') == 3
    assert place.value("SELECT count(*) FROM totals") == 0
    assert place.query('SELECT "group", rows FROM counts ORDER BY 1') == [("a", 2), ("b", 1)]
    assert place.query("SELECT rows, groups FROM many ORDER BY 1") == [(1, 1), (2, 1)]
    assert place.value("SELECT count(*) FROM best") == 2
    shown = {row["transform"]: row for row in status(place)["transforms"]}
    assert shown["totals"]["waiting"] == 3 and "64 bits" in shown["totals"]["message"]
    assert shown["counts"]["waiting"] == 0 and shown["counts"]["message"] is None
    code, report = place.audit()
    assert code == 3 and any("totals" in finding["where"] for finding in report["findings"])


def test_it_catches_up_when_the_data_is_such_that_it_can(make):
    """The amounts are corrected by a later file: nothing that waited is lost or counted twice."""
    records = [record(1, amount=BIG), record(2, amount=5), record(3, "b")]
    mended = [record(1, amount=7)]
    place = make("over", records)
    assert place.run().code == 1
    add_file(place, 1, mended)
    place.ok()
    assert failing(place) == {}
    assert place.query('SELECT "group", amount FROM totals ORDER BY 1') == [("a", 12), ("b", 1)]
    straight = make("straight", records + mended)
    straight.ok()
    assert content(place) == content(straight)


def test_a_sum_may_pass_its_limit_in_between_when_the_end_fits(make):
    """One batch a record: the sum overflows on the way. It waits, takes everything at once later, and is right."""
    lines = [record(1, amount=BIG), record(2, amount=BIG), record(3, amount=-BIG), record(4, amount=-5)]
    slow, fast = make("slow", lines), make("fast", lines)
    slow.run(batch_rows=1)
    slow.ok(batch_rows=1)
    fast.ok()
    assert slow.query('SELECT "group", amount FROM totals') == [("a", BIG - 5)]
    assert end_state(slow)["content"] == end_state(fast)["content"]


def test_rows_on_which_the_sql_of_a_map_fails_are_rejected_and_only_they(make):
    lines = [record(number, wei="x" if number % 5 == 2 else str(number)) for number in range(50)]
    for rows in (1, 7, 50):
        place = make(f"map-{rows}", lines)
        place.run(batch_rows=rows)
        assert place.value("SELECT count(*) FROM rows") == 50
        assert place.query("SELECT id FROM checked") == [(number,) for number in range(50) if number % 5 != 2]
        found = place.query("SELECT b.first_record + r.pos, r.transform FROM _plumb_rejects r "
                            "JOIN _plumb_batches b ON b.id = r.batch ORDER BY 1")
        assert found == [(number, "checked") for number in range(50) if number % 5 == 2]


def test_a_map_that_fails_on_every_row_rejects_every_row_and_stops_nobody(make):
    place = make("none", [record(number, str(number % 3), wei="nothing") for number in range(30)])
    place.run(batch_rows=4)
    assert place.value("SELECT count(*) FROM checked") == 0
    assert place.value("SELECT count(*) FROM _plumb_rejects WHERE transform = 'checked'") == 30
    assert place.value("SELECT sum(rows) FROM counts") == 30


def test_keys_on_which_a_derive_fails_have_no_row_however_records_were_batched(make):
    """Group b had a good row before a bad one came; a clean run never gave it one. Law 3 wants the same table."""
    lines = [record(1, "a", wei="5"), record(2, "b", wei="6"), record(3, "b", wei="bad"), record(4, "c", wei="7")]
    states = []
    for rows in (1, 100):
        place = make(f"derive-{rows}", lines)
        place.run(batch_rows=rows)
        assert [group for (group,) in place.query('SELECT "group" FROM best ORDER BY 1')] == ["a", "c"], rows
        assert place.query('SELECT "group", _failed FROM "_plumb_q_best"') == [("b", 1)]
        assert place.audit()[0] == 3
        states.append(content(place))
    assert states[0] == states[1]


def test_a_failed_key_is_tried_again_when_it_changes(make):
    place = make("again", [record(1, "a", wei="5"), record(2, "b", wei="bad")])
    place.run()
    add_file(place, 1, [record(2, "b", wei="9")])
    place.run()
    assert [group for (group,) in place.query('SELECT "group" FROM best ORDER BY 1')] == ["a", "b"]
    assert place.value('SELECT count(*) FROM "_plumb_q_best"') == 0


def change_flow(place, before, after):
    path = place.directory / "flow.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("before, after, name", [
    ("SELECT id, i256(wei) AS wei FROM batch", "SELECT id, i256(wei) AS wei FROM batch WHERE id > 1", "checked"),
    ('sum: SELECT "group", amount FROM change', 'sum: SELECT "group", amount * 2 AS amount FROM change', "totals"),
    ("max(i256(r.wei))", "min(i256(r.wei))", "best")])
def test_a_changed_definition_is_refused_and_the_store_is_untouched(make, before, after, name):
    place = make("changed", [record(number) for number in range(5)])
    place.ok()
    state = end_state(place)
    add_file(place, 1, [record(99)])
    change_flow(place, before, after)
    result = place.run()
    assert result.code == 78 and f"'{name}'" in result.stderr and "replay" in result.stderr
    assert re.search(r"flow\.yaml:\d+:\d+", result.stderr)
    change_flow(place, after, before)
    (place.env["LAWS_DATA"] / "1.jsonl").unlink()
    assert {key: value for key, value in end_state(place).items() if key != "digests"} == \
        {key: value for key, value in state.items() if key != "digests"}
    assert place.tables() == state["digests"]


def test_after_the_sql_is_mended_a_replay_gives_a_clean_run_of_the_new_flow(make):
    """What the old SQL rejected is there, and its rejects are gone."""
    lines = [record(number, str(number % 4), wei="x" if number % 5 == 2 else str(number)) for number in range(40)]
    mended = ("SELECT id, i256(wei) AS wei FROM batch", "SELECT id, i256(nullif(wei, 'x')) AS wei FROM batch")
    place, straight = make("place", lines), make("straight", lines)
    place.run(batch_rows=7)
    assert place.value("SELECT count(*) FROM _plumb_rejects") == 8
    change_flow(place, *mended)
    change_flow(straight, *mended)
    place.run(command="replay")
    straight.run(batch_rows=3)
    assert place.value("SELECT count(*) FROM checked") == 40
    assert place.value("SELECT count(*) FROM _plumb_rejects") == 0
    assert content(place) == content(straight)


def test_what_a_rejected_row_points_to_is_the_raw_record(make):
    lines = [record(1), '{"id": 2, "group": 3}\n', record(3, wei="x"), "nonsense\n"]
    place = make("raw", lines)
    place.run(batch_rows=2)
    for number, batch, position in place.query("SELECT id, batch, pos FROM _plumb_rejects ORDER BY id"):
        shown = place.plumb.ok("rejects", "show", place.directory, number, "--raw", env=place.env, cwd=place.directory)
        first = place.value("SELECT first_record FROM _plumb_batches WHERE id = ?", batch)
        assert shown.stdout.rstrip("\n") == lines[first + position].rstrip("\n")
    assert place.value("SELECT count(*) FROM _plumb_rejects") == 3
