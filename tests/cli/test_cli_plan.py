"""plumb plan: what it foretells is what run and replay then do."""
import json
import shutil
import sqlite3

import pytest
from conftest import ROOT

SHOP = ROOT / "flows" / "shop"
NAMES = """\
  names:
    from: people
    into: names
    sum: SELECT name, 1 AS n FROM change
"""
MIRROR = """\
  mirror:
    from: sources.orders
    into: mirror
    sql: SELECT id, total FROM batch
"""
TABLES = "  tiers:                      # how"


@pytest.fixture(name="shop")
def a_shop(plumb, tmp_path):
    directory = tmp_path / "shop"
    shutil.copytree(SHOP, directory)
    plumb.ok("run", directory, "--once")
    return directory


def edit(shop, *changes, more=""):
    path = shop / "flow.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    transforms, checks = text.split("\nchecks:")
    path.write_text(f"{transforms}{more}\nchecks:{checks}", encoding="utf-8")


def planned(plumb, shop, code):
    done = plumb.run("plan", shop, "--json")
    assert done.code == code, done.stderr
    plan = json.loads(done.stdout)
    assert plan["refused"] == (code == 3)
    return plan


def lines(plan):
    return {(line["change"], line["kind"], line["name"], line["effect"]) for line in plan["changes"]}


def write(database, sql):
    connection = sqlite3.connect(database)
    connection.executescript(sql)
    connection.close()


def test_before_the_first_run_and_after_it_there_is_nothing_to_do(plumb, tmp_path):
    directory = tmp_path / "shop"
    shutil.copytree(SHOP, directory)
    assert "there is no store yet; the first run makes it, with 5 tables" in plumb.ok("plan", directory).stdout
    assert not (directory / "shop.db").exists()
    assert planned(plumb, directory, 0)["store_exists"] is False
    plumb.ok("run", directory, "--once")
    assert "nothing to do" in plumb.ok("plan", directory).stdout
    assert planned(plumb, directory, 0)["changes"] == []


ADDITIVE = {
    "index": ([("indexes: [[customer]]", "indexes: [[customer], [status, total]]")], "",
              {("new", "index", "orders", "run")}),
    "sum": ([(TABLES, "  names: {key: [name], columns: {name: text, n: int64}}\n" + TABLES)], NAMES,
            {("new", "table", "names", "run"), ("new", "sum", "names", "run")}),
    "map": ([(TABLES, "  mirror: {key: [id], columns: {id: int64, total: int64}}\n" + TABLES)], MIRROR,
            {("new", "table", "mirror", "run"), ("new", "map", "mirror", "run")}),
    "removed": ([("  tiers:\n    from: vips\n    into: tiers\n    sum: SELECT tier, 1 AS members FROM change\n", ""),
                 ("  tiers:                      # how many of them there are\n    key: [tier]\n"
                  "    columns: {tier: text, members: int64}\n", "")], "",
                {("removed", "sum", "tiers", "stays")}),
    "layout": ([("SELECT tier, 1 AS members FROM change", "SELECT tier,   1 AS members\n      FROM change -- so\n")], "", set()),
}


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_is_additive_is_done_by_the_next_run(plumb, shop, name, dump):
    changes, more, expected = ADDITIVE[name]
    edit(shop, *changes, more=more)
    before = dump(shop / "shop.db")
    assert lines(planned(plumb, shop, 0)) == expected
    assert dump(shop / "shop.db") == before
    plumb.ok("run", shop, "--once")
    assert planned(plumb, shop, 0)["changes"] == []
    if name == "map":
        assert len(dump(shop / "shop.db")["mirror"]) > 40


REBUILT = {
    "sum": ([("total AS spent FROM", "total + 1 AS spent FROM")],
            {("changed", "sum", "customers", "rebuild"), ("below", "derive", "vips", "rebuild"),
             ("below", "sum", "tiers", "rebuild")}),
    "column": ([("country: text, updated: timestamp}", "country: text, zip: text, updated: timestamp}"),
                ("SELECT id AS customer, name, country", "SELECT id AS customer, name, country, 'x' AS zip")],
               {("changed", "table", "people", "rebuild"), ("changed", "map", "people", "rebuild"),
                ("changed", "derive", "vips", "rebuild"), ("below", "sum", "tiers", "rebuild")}),
    "last": ([("SELECT tier, 1 AS members", "SELECT upper(tier) AS tier, 1 AS members")],
             {("changed", "sum", "tiers", "rebuild")}),
    "contract": ([("one_of: [AT, CH, DE, FR, IT]", "one_of: [AT, CH, DE, FR]")],
                 {("changed", "map", "people", "rebuild"), ("below", "derive", "vips", "rebuild"),
                  ("below", "sum", "tiers", "rebuild")}),
    "renamed": ([("  tiers:\n    from: vips", "  levels:\n    from: vips")],
                {("new", "sum", "levels", "rebuild"), ("removed", "sum", "tiers", "rebuild")}),
}


@pytest.mark.parametrize("name", REBUILT)
def test_what_run_refuses_is_planned_and_a_replay_does_it(plumb, shop, name, dump):
    changes, expected = REBUILT[name]
    edit(shop, *changes)
    before = dump(shop / "shop.db")
    plan = planned(plumb, shop, 3)
    assert lines(plan) == expected
    scope = {"sum": "customers", "column": "people", "last": "tiers", "contract": "people", "renamed": None}[name]
    assert plan["rebuild"]["transform"] == scope
    batches = {"sum": 0, "column": 1, "last": 0, "contract": 1, "renamed": 3}[name]
    assert plan["rebuild"]["batches"] == batches and (plan["rebuild"]["records"] > 0) == (batches > 0)
    assert plan["rebuild"]["rows"] > 0 and (plan["rebuild"]["estimate_us"] or 0) * batches >= batches
    refused = plumb.run("run", shop, "--once")
    assert refused.code == 78 and "A rebuild is needed" in refused.stderr and f"plumb replay {shop}/flow.yaml" in refused.stderr
    for change, kind, table, _ in expected:
        assert any(line.split()[:3] == [change, kind, table] for line in refused.stderr.splitlines())
    assert dump(shop / "shop.db") == before
    (command,) = [line.split() for line in refused.stderr.splitlines() if line.startswith("  plumb replay")]
    done = json.loads(plumb.ok(*command[1:], "--json").stdout)
    assert done["replayed_batches"] == plan["rebuild"]["batches"]
    assert planned(plumb, shop, 0)["changes"] == []
    rebuilt = dump(shop / "shop.db")
    (shop / "shop.db").unlink()
    plumb.ok("run", shop, "--once")
    assert rebuilt == dump(shop / "shop.db")


def test_a_table_nobody_fills_any_more_is_for_a_person_to_change(plumb, shop):
    edit(shop, ADDITIVE["removed"][0][0])
    (line,) = [line for line in planned(plumb, shop, 3)["changes"] if line["kind"] == "table"]
    assert "no transform fills it" in line["what"] and line["rows"] == 2 and line["effect"] == "by_hand"
    assert plumb.run("run", shop, "--once").code == plumb.run("replay", shop).code == 78


def test_a_rename_is_noticed(plumb, shop):
    edit(shop, *REBUILT["renamed"][0])
    (line,) = [line for line in planned(plumb, shop, 3)["changes"] if line["change"] == "removed"]
    assert "looks renamed to 'levels'" in line["what"]


def test_raw_batches_that_are_gone_make_a_rebuild_a_loss(plumb, shop, dump):
    edit(shop, *REBUILT["contract"][0])
    write(shop / "shop.db", "DELETE FROM _plumb_frames WHERE batch = (SELECT b.id FROM _plumb_batches b JOIN "
                            "_plumb_partitions p ON p.id = b.partition WHERE p.source = 'people')")
    plan = planned(plumb, shop, 3)
    assert plan["effects"]["lost"] == 1 and ("lost", "batches", "", "lost") in lines(plan)
    (line,) = [line for line in plan["changes"] if line["effect"] == "lost"]
    assert line["batches"] == 1 and line["rows"] > 0
    before = dump(shop / "shop.db")
    done = plumb.run("replay", shop)
    assert done.code == 78 and "no longer kept" in done.stderr and dump(shop / "shop.db") == before


def test_raw_batches_that_are_gone_do_not_matter_to_a_sum(plumb, shop):
    edit(shop, *REBUILT["last"][0])
    write(shop / "shop.db", "DELETE FROM _plumb_frames")
    assert planned(plumb, shop, 3)["effects"]["lost"] == 0
    plumb.ok("replay", shop, "--transform", "tiers")
    planned(plumb, shop, 0)


def test_raw_batches_that_are_gone_are_missed_by_a_new_map(plumb, shop):
    edit(shop, *ADDITIVE["map"][0], more=MIRROR)
    write(shop / "shop.db", "DELETE FROM _plumb_frames")
    assert ("new", "map", "mirror", "lost") in lines(planned(plumb, shop, 3))
    assert plumb.run("run", shop, "--once").code != 0


def test_rows_of_a_person_are_for_a_person_to_move(plumb, shop):
    write(shop / "shop.db", "CREATE TABLE names(name TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;"
                            "INSERT INTO names VALUES ('Ann', 1)")
    edit(shop, *ADDITIVE["sum"][0], more=NAMES)
    plan = planned(plumb, shop, 3)
    assert plan["effects"]["by_hand"] == 2
    refused = plumb.run("run", shop, "--once")
    assert refused.code == 78 and "Your turn" in refused.stderr
    write(shop / "shop.db", "DROP TABLE names")
    planned(plumb, shop, 0)
    plumb.ok("run", shop, "--once")


def test_sources_that_come_and_go_are_named(plumb, shop):
    edit(shop, ("  people:\n    type: file", "  persons:\n    type: file"), ("from: sources.people", "from: sources.persons"))
    plan = planned(plumb, shop, 3)
    assert {("new", "source", "persons", "run"), ("removed", "source", "people", "stays")} <= lines(plan)
    assert ("changed", "map", "people", "rebuild") in lines(plan)


def test_a_flow_that_is_wrong_is_no_plan(plumb, shop):
    edit(shop, ("SELECT tier, 1 AS members", "SELECT teir AS tier, 1 AS members"))
    done = plumb.run("plan", shop)
    assert done.code == 78 and "teir" in done.stderr and done.stdout == ""


def test_run_without_a_refusal_of_the_plan_says_nothing_of_it(plumb, shop):
    edit(shop, ("type: file\n    path: ${SHOP_DATA:-data}/customers.csv", "type: fil\n    path: data/customers.csv"))
    done = plumb.run("run", shop, "--once")
    assert done.code == 78 and "rebuild" not in done.stderr
