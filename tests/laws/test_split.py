"""Law 3: the same input gives the same tables, however it is cut, repeated, corrected or rebuilt."""
import gzip
import json
import re
import shutil

import pytest
from laws.lawlib import BATCH_ROWS, Place, content, copy_place, end_state, new_place, write_data


@pytest.mark.parametrize("rows", [1, 7, 1000, 100000])
def test_any_batch_size_gives_the_same_state(fresh, clean, rows):
    place = fresh(f"rows-{rows}")
    place.ok(batch_rows=rows)
    assert end_state(place) == clean.state
    batches = place.value("SELECT count(*) FROM _plumb_batches")
    records = place.value("SELECT sum(records) FROM _plumb_batches")
    assert batches == records if rows == 1 else batches < records


def test_the_flow_has_every_feature_in_its_data(clean):
    """The comparisons would be worth little if the data did not reach what they are about."""
    reasons = {(source, transform): reason for source, _, _, transform, reason in clean.state["rejects"]}
    assert {("orders", ""), ("orders", "orders"), ("orders", "items"), ("people", ""), ("hits", "")} <= set(reasons)
    assert all(count > 1 for count, _ in clean.state["content"].values()), clean.state["content"]
    totals = clean.query("SELECT transform, sum(filtered), sum(rejected), sum(inserted), sum(updated), sum(unchanged), "
                         "sum(deleted), sum(superseded), sum(rows_out - records_out) FROM _plumb_ledger GROUP BY 1")
    by_name = {row[0]: row[1:] for row in totals}
    assert all(by_name["orders"][i] > 0 for i in (1, 2, 3, 5, 6)), by_name
    assert by_name["items"][7] > 0 and by_name["people"][0] > 0 and by_name["hits"][0] > 0, by_name
    assert clean.value('SELECT count(*) FROM "_plumb_q_orders.gone"') > 0, "no tombstone"


def test_another_input_gives_another_state(blank, clean, tmp_path):
    """The negative twin of every comparison here: one more cent in one record is seen."""
    data = tmp_path / "data"
    shutil.copytree(clean.env["LAWS_DATA"], data)
    total, updated = clean.query("SELECT o.total, o.updated FROM orders o JOIN _plumb_batches b ON b.id = o._batch "
                                 "JOIN _plumb_partitions p ON p.id = b.partition "
                                 "WHERE o.status = 'paid' AND p.name LIKE '%orders-0.jsonl' ORDER BY o.id LIMIT 1")[0]
    text = (data / "orders-0.jsonl").read_text()
    other = re.sub(rf'"total": {total}, (.*"updated": {updated}}})', rf'"total": {total + 1}, \1', text)
    assert other != text
    (data / "orders-0.jsonl").write_text(other)
    place = copy_place(blank, tmp_path / "other")
    place.env = {"LAWS_DATA": data}
    place.ok(batch_rows=BATCH_ROWS)
    changed = {name for name, value in end_state(place)["digests"].items() if value != clean.state["digests"][name]}
    assert changed >= {"orders", "spent", "countries"}, changed


def test_run_again_nothing_changes(filled, clean):
    place = filled("again")
    batches = place.value("SELECT count(*) FROM _plumb_batches")
    for rows in (1, 100000):
        place.ok(batch_rows=rows)
        assert end_state(place) == clean.state
        assert place.value("SELECT count(*) FROM _plumb_batches") == batches


def split_file(path, pieces, directory):
    """Cut into files whose names sort in the file's order."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    header = lines.pop(0) if path.suffix == ".csv" else ""
    stem, end = path.name.split(".", 1)
    size = len(lines) // pieces + 1
    for number in range(pieces):
        content_of = header + "".join(lines[number * size:(number + 1) * size])
        target = directory / f"{stem}-{number:03}.{end.removesuffix('.gz')}"
        target.write_text(content_of)


def test_files_cut_in_pieces_give_the_same_tables(blank, clean, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in clean.env["LAWS_DATA"].iterdir():
        split_file(path, 5, data)
    place = copy_place(blank, tmp_path / "pieces")
    place.env = {"LAWS_DATA": data}
    place.ok(batch_rows=7)
    state = end_state(place)
    assert state["digests"] == clean.state["digests"] and state["content"] == clean.state["content"]
    assert sum(state["records"].values()) == sum(clean.state["records"].values())
    assert len(state["rejects"]) == len(clean.state["rejects"])


def test_files_that_come_one_by_one_give_the_same_tables(blank, clean, tmp_path):
    """Each file in a run of its own: every cascade happens on a store that is partly filled."""
    data = tmp_path / "data"
    data.mkdir()
    place = copy_place(blank, tmp_path / "steps")
    place.env = {"LAWS_DATA": data}
    for path in sorted(clean.env["LAWS_DATA"].iterdir(), reverse=True):
        shutil.copy(path, data)
        place.run(batch_rows=11)
    place.ok()
    keyed = {name: value for name, value in end_state(place)["content"].items()}
    assert keyed == clean.state["content"]


def test_records_delivered_twice_change_no_table_with_a_key(blank, clean, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(clean.env["LAWS_DATA"], data)
    for name in ("orders-0.jsonl", "orders-1.jsonl"):
        shutil.copy(data / name, data / name.replace("orders-", "orders-again-"))
    (data / "people-1.csv").write_text((data / "people-0.csv").read_text())
    place = copy_place(blank, tmp_path / "twice")
    place.env = {"LAWS_DATA": data}
    place.ok(batch_rows=BATCH_ROWS)
    state = end_state(place)
    assert sum(state["records"].values()) > sum(clean.state["records"].values())
    assert state["digests"] == clean.state["digests"]


def test_replay_gives_the_same_state(filled, clean):
    place = filled("replay")
    for _ in range(2):
        place.ok(command="replay")
        assert end_state(place) == clean.state


def test_replay_mends_what_was_broken_by_hand(filled, clean):
    place = filled("broken")
    place.sql("UPDATE spent SET total = total + 1; DELETE FROM orders WHERE id % 3 = 0; DELETE FROM tiers;")
    assert content(place) != clean.state["content"]
    place.ok(command="replay")
    assert end_state(place) == clean.state


def test_rows_corrected_by_hand_flow_through_and_back(filled, clean):
    place = filled("hand")
    before = place.query("SELECT customer, orders, total FROM spent ORDER BY 1")
    order, customer, total = place.query("SELECT id, customer, total FROM orders WHERE status = 'paid' ORDER BY id LIMIT 1")[0]
    place.sql(f"UPDATE orders SET total = total + 7 WHERE id = {order}")
    place.ok()
    assert place.value("SELECT total FROM spent WHERE customer = ?", customer) == \
        dict((c, t) for c, _, t in before)[customer] + 7
    assert {name for name, value in content(place).items() if value != clean.state["content"][name]} >= \
        {"orders", "spent", "countries"}
    place.sql(f"UPDATE orders SET total = {total} WHERE id = {order}")
    place.ok()
    assert end_state(place)["content"] == clean.state["content"]


@pytest.mark.sqlite_only("puts int256 in as SQLite's bytes")
def test_rows_deleted_inserted_and_moved_by_hand_flow_through(filled, clean):
    place = filled("moved")
    saved = place.query("SELECT id, customer, total, hex(wei), status, updated, _batch, _pos FROM orders")
    place.sql("UPDATE orders SET customer = 'c0' WHERE customer = 'c1'; UPDATE orders SET id = id + 1000;"
              "DELETE FROM people WHERE customer < 'c2'")
    place.ok()
    assert place.value("SELECT count(*) FROM spent WHERE customer = 'c1'") == 0
    assert place.value("SELECT count(*) FROM vips WHERE customer < 'c2'") == 0
    expected = place.query("SELECT customer, count(*), sum(total) FROM orders WHERE status = 'paid' GROUP BY 1 ORDER BY 1")
    assert place.query("SELECT customer, orders, total FROM spent ORDER BY 1") == expected
    expected = place.query("SELECT orders, count(*) FROM spent GROUP BY 1 ORDER BY 1")
    assert place.query("SELECT orders, customers FROM histogram ORDER BY 1") == expected
    place.sql("DELETE FROM orders;" + "".join(
        f"INSERT INTO orders(id, customer, total, wei, status, updated, _batch, _pos) VALUES ({row[0]}, '{row[1]}', "
        f"{row[2]}, x'{row[3]}', '{row[4]}', {row[5]}, {row[6]}, {row[7]});" for row in saved))
    place.ok()
    rest = ("spent", "histogram", "last_orders", "orders")
    now = content(place)
    assert {name: now[name] for name in rest} == {name: clean.state["content"][name] for name in rest}


@pytest.mark.sqlite_only("REPLACE and its pragma are SQLite's")
def test_replace_by_hand_flows_through_when_sqlite_runs_delete_triggers(filled, clean):
    """INSERT OR REPLACE tells triggers of the old row only with this pragma (docs/laws.md)."""
    place = filled("replace")
    order, customer, total = place.query("SELECT id, customer, total FROM orders WHERE status = 'paid' ORDER BY id LIMIT 1")[0]
    for amount, expected in ((total + 9, False), (total, True)):
        place.sql(f"PRAGMA recursive_triggers = ON; REPLACE INTO orders SELECT id, customer, {amount}, wei, status, "
                  f"updated, _batch, _pos FROM orders WHERE id = {order}")
        place.ok()
        assert (content(place) == clean.state["content"]) == expected
        paid = place.value("SELECT sum(total) FROM orders WHERE status = 'paid' AND customer = ?", customer)
        assert place.value("SELECT total FROM spent WHERE customer = ?", customer) == paid


@pytest.mark.sqlite_only("PostgreSQL refuses it in its own words")
def test_the_store_refuses_a_value_of_the_wrong_type(filled):
    """Tables are STRICT: a hand cannot put in what a run could not."""
    place = filled("strict")
    with pytest.raises(Exception, match="cannot store TEXT"):
        place.sql("UPDATE orders SET total = 'many'")


# ---- a flow that changes ----

def without(place, *transforms):
    """The flow without these transforms and the tables they make."""
    path = place.directory / "flow.yaml"
    kept, section, skipping = [], "", False
    for line in path.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            section, skipping = line, False
        elif line.startswith("  ") and not line.startswith("   "):
            name = line.strip().split(":", 1)[0]
            skipping = section in ("tables:", "transforms:") and name in transforms
        if not skipping:
            kept.append(line)
    path.write_text("\n".join(kept) + "\n")


LATER = ["traffic", "histogram", "vips", "last_orders", "countries", "tiers"]


@pytest.mark.parametrize("later", [LATER, ["histogram"], ["tiers"], ["countries"], ["spent", "histogram", "vips",
                                   "countries", "tiers"], ["items"], ["hits", "traffic"], ["people", "vips",
                                   "countries", "tiers"]], ids="-".join)
def test_transforms_added_to_a_filled_store_catch_up(fresh, clean, later):
    place = fresh("later")
    flow = (place.directory / "flow.yaml").read_text()
    without(place, *later)
    place.ok(command="check")
    place.ok(batch_rows=BATCH_ROWS)
    assert not set(later) & {name for (name,) in place.query("SELECT name FROM _plumb_transforms")}
    (place.directory / "flow.yaml").write_text(flow)
    place.ok()
    assert end_state(place) == clean.state


def test_a_transform_removed_and_added_again_is_up_to_date(filled, clean, tmp_path):
    place = filled("removed")
    flow = (place.directory / "flow.yaml").read_text()
    data = tmp_path / "data"
    shutil.copytree(clean.env["LAWS_DATA"], data)
    place.env = {"LAWS_DATA": data}
    without(place, "histogram", "tiers")
    place.ok()
    place.sql("DROP TABLE histogram; DROP TABLE tiers")
    (data / "orders-9.jsonl").write_text(json.dumps(
        {"id": 900, "customer": "c1", "total": 50, "wei": "5", "status": "paid", "items": [], "updated": 10 ** 7}) + "\n")
    place.ok()
    (place.directory / "flow.yaml").write_text(flow)
    place.ok()
    other = copy_place(filled("removed-not"), tmp_path / "straight")
    other.env = {"LAWS_DATA": data}
    other.ok()
    assert end_state(place) == end_state(other)


def test_a_map_added_while_new_files_wait_keeps_the_order_of_records(plumb, tmp_path):
    """Without latest_by the last record wins. The old batches come first, also for a map that is new."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.jsonl").write_text("".join(f'{{"id": {i % 5}, "v": "old {i}"}}\n' for i in range(40)))
    straight = Place(plumb, tmp_path / "straight", data, "last")
    late = Place(plumb, tmp_path / "late", data, "last")
    flow = (late.directory / "flow.yaml").read_text()
    without(late, "second")
    for place in (straight, late):
        place.ok(batch_rows=3)
    (late.directory / "flow.yaml").write_text(flow)
    (data / "b.jsonl").write_text("".join(f'{{"id": {i}, "v": "new {i}"}}\n' for i in range(5)))
    for place in (straight, late):
        place.ok(batch_rows=3)
        assert [v for (v,) in place.query("SELECT v FROM second ORDER BY id")] == [f"new {i}" for i in range(5)]
    assert end_state(late) == end_state(straight)
