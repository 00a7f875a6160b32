"""A flow's tables in PostgreSQL are those it has in SQLite: read here by psycopg2 and sqlite3, not by plumb."""
import json
import random
import shutil
import sqlite3
from decimal import Decimal

from conftest import ROOT, rows_of

FLOW = """\
flow: twins
store: {store}
sources:
  events: {{type: file, path: "in/*.jsonl", columns: {{id: int64, name: text, n: int64, at: int64, gone: bool, big: int256}}}}
tables:
  plain: {{columns: {{id: int64, name: text, n: int64, big: int256}}, key: [id]}}
  newest: {{columns: {{id: int64, name: text, at: int64}}, key: [id]}}
  living: {{columns: {{name: text, id: int64, at: int64}}, key: [name]}}
  each: {{columns: {{name: text, gone: bool}}, key: auto}}
transforms:
  plain: {{from: events, into: plain, sql: "SELECT id, name, n + 1 AS n, i256_add(big, i256(n)) AS big FROM batch WHERE id IS NOT NULL"}}
  newest: {{from: events, into: newest, latest_by: [at], sql: "SELECT id, name, at FROM batch WHERE id IS NOT NULL"}}
  living: {{from: events, into: living, latest_by: [at], delete_when: gone_now,
            sql: "SELECT name, id, at, gone AS gone_now FROM batch WHERE name IS NOT NULL"}}
  each: {{from: events, into: each, sql: "SELECT name, gone FROM batch"}}
"""
COLUMNS = {"plain": "id, name, n", "newest": "id, name, at", "living": "name, id, at", "each": "_record, name"}


def records(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        yield {"id": chance.choice([None, *range(20)]), "name": chance.choice([None, "", "a", "é", "zz'\"", "\\x"]), "n": chance.randrange(-5, 5),
               "at": chance.choice([None, *range(30)]), "gone": chance.random() < 0.3, "big": str(chance.randrange(-2**200, 2**200))}


def place(directory, store, seed):
    (directory / "in").mkdir(parents=True)
    for number in range(3):
        lines = [json.dumps(record) for record in records(seed * 10 + number, 200)]
        (directory / "in" / f"{number}.jsonl").write_text("\n".join(lines) + "\n")
    (directory / "flow.yaml").write_text(FLOW.format(store=store))
    return directory / "flow.yaml"


def test_tables_are_those_of_sqlite(plumb, postgres, database, psql, tmp_path):
    here = place(tmp_path / "sqlite", "sqlite:t.db", 1)
    there = place(tmp_path / "postgres", postgres.url(database), 1)
    for flow in (here, there):
        assert plumb.run("run", "--once", flow).code == 0
    for table, columns in COLUMNS.items():
        mine = sorted(rows_of(tmp_path / "sqlite" / "t.db", f"SELECT {columns} FROM {table}"), key=repr)
        assert mine and mine == sorted(psql(f"SELECT {columns} FROM twins.{table}"), key=repr), table
    assert psql("SELECT sum(big) FROM twins.plain")[0][0] is not None


SHOP = ("people", "orders", "customers", "tiers", "vips")


def shop(directory, store):
    shutil.copytree(ROOT / "flows" / "shop", directory)
    (directory / "shop.db").unlink(missing_ok=True)
    flow = directory / "flow.yaml"
    flow.write_text(flow.read_text().replace("${PLUMB_STORE:-sqlite:shop.db}", store))
    return flow


def test_the_shop_is_that_of_sqlite(plumb, postgres, database, psql, tmp_path):
    """Maps with tombstones, sums, derives and what hangs on them; then more data, a correction by hand, and nothing new."""
    here = shop(tmp_path / "sqlite", "sqlite:shop.db")
    there = shop(tmp_path / "postgres", postgres.url(database))

    def both(*steps):
        for flow in (here, there):
            assert plumb.run("run", "--once", flow).code == 0
        for table in SHOP:
            mine = rows_of(tmp_path / "sqlite" / "shop.db", f"SELECT * FROM {table}")
            theirs = psql(f"SELECT * FROM shop.{table}")
            assert mine and sorted(map(comparable, mine)) == sorted(map(comparable, theirs)), (table, steps)

    both()
    both("nothing new")
    for directory in ("sqlite", "postgres"):
        for path in sorted((tmp_path / directory / "data").glob("orders*")):
            path.with_name("more-" + path.name).write_text(path.read_text())
    both("the same again")
    connection = sqlite3.connect(tmp_path / "sqlite" / "shop.db")
    connection.execute("DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT 5)")
    connection.commit()
    connection.close()
    psql("DELETE FROM shop.orders WHERE id IN (SELECT id FROM shop.orders ORDER BY id LIMIT 5)")
    both("by hand")
    graves = psql('SELECT * FROM shop."_plumb_q_orders.gone"')
    for flow in (here, there):  # what was deleted by hand comes back, what a record deleted does not
        assert plumb.run("replay", flow).code == 0
    both("replayed")
    assert graves and sorted(graves) == sorted(psql('SELECT * FROM shop."_plumb_q_orders.gone"'))


def comparable(row):
    return repr(tuple(int(cell) if isinstance(cell, (bool, Decimal)) else cell for cell in row))
