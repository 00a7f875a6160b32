"""A flow's state moved to PostgreSQL and back is the same to the byte, and both go on alike; a copy that is killed, meddled
with or aimed at another store leaves nothing."""
import json
import random
import sqlite3

import pytest
from conftest import rows_of

FLOW = """\
flow: moves
store: {store}
sources:
  events: {{type: file, path: "in/*.jsonl", columns: {{id: {{type: int64, required: true}}, name: text, n: int64, at: int64, big: int256, ok: bool, f: float64}}}}
tables:
  plain: {{columns: {{id: int64, name: text, n: int64, big: int256, ok: bool, f: float64}}, key: [id], lineage: true}}
  living: {{columns: {{name: text, id: int64, at: int64}}, key: [name]}}
  each: {{columns: {{name: text}}, key: auto}}
  names: {{columns: {{name: text, n: int64}}, key: [name]}}
  top: {{columns: {{name: text, n: int64}}, key: [name]}}
  known: {{columns: {{name: text, raw: bytes}}, key: [name]}}
transforms:
  plain: {{from: events, into: plain, sql: "SELECT id, name, n, big, ok, f FROM batch"}}
  living: {{from: events, into: living, latest_by: [at], delete_when: "gone < 2", sql: "SELECT name, id, at, n AS gone FROM batch WHERE name IS NOT NULL"}}
  each: {{from: events, into: each, sql: "SELECT name FROM batch"}}
  names: {{from: plain, into: names, sum: "SELECT name, n FROM change WHERE name IS NOT NULL"}}
  top: {{on: [names], into: top, derive: "SELECT k.name, n.n * 2 AS n FROM changed k JOIN names n ON n.name = k.name WHERE n.n > 0"}}
"""
TABLES = {"plain": "id, name, n, f", "living": "name, id, at", "each": "_record, name", "names": "name, n", "top": "name, n"}


def add(directory, number):
    chance = random.Random(number)
    lines = [json.dumps({"id": chance.choice([None, *range(30)]), "name": chance.choice([None, "", "a", "é", "zz'\""]), "n": chance.randrange(-3, 4),
                         "at": chance.randrange(50), "big": str(chance.randrange(-2**250, 2**250)), "ok": chance.random() < 0.5,
                         "f": chance.choice([None, -0.5, 1e300, 0.1])}) for _ in range(60)]
    (directory / "in" / f"{number}.jsonl").write_text("\n".join(lines) + "\n")


def use(directory, store):
    (directory / "flow.yaml").write_text(FLOW.format(store=store))


@pytest.fixture
def place(plumb, tmp_path):
    directory = tmp_path / "flow"
    (directory / "in").mkdir(parents=True)
    for number in range(3):
        add(directory, number)
    use(directory, "sqlite:first.db")
    plumb.ok("run", "--once", directory)
    with sqlite3.connect(directory / "first.db") as db:
        db.execute("INSERT INTO known VALUES ('a', X'00ff'), ('', X''), ('none', NULL)")
    return directory


def digests(result):
    return {table["table"]: table["digest"] for table in json.loads(result.stdout)["tables"]}


def test_there_and_back_and_on(plumb, place, postgres, database, psql, tmp_path):
    # What a hand changed waits in queues: it has to come along.
    with sqlite3.connect(place / "first.db") as db:
        db.execute("UPDATE plain SET n = n + 10000 WHERE id < 10")
    there = plumb.ok("copy-store", place, "--to", postgres.url(database), "--json")
    assert not json.loads(there.stdout)["was_there"] and {"_plumb_q_names", "_plumb_q_living.gone", "known"} <= set(digests(there))
    psql("SET search_path = moves")
    frames = [(batch, bytes(frame)) for batch, frame in psql("SELECT batch, frame FROM _plumb_frames ORDER BY batch")]
    assert frames and frames == rows_of(place / "first.db", "SELECT batch, frame FROM _plumb_frames ORDER BY batch")
    assert [(n, None if r is None else bytes(r)) for n, r in psql("SELECT name, raw FROM known ORDER BY name")] == \
        rows_of(place / "first.db", "SELECT name, raw FROM known ORDER BY name")
    rejects = "SELECT id, batch, pos, reason, message FROM _plumb_rejects ORDER BY id"
    assert psql(rejects) == rows_of(place / "first.db", rejects) != []
    use(place, postgres.url(database))
    back = plumb.ok("copy-store", place, "--to", "sqlite:back.db", "--json")
    assert digests(back) == digests(there)
    # Three stores, the same new data.
    add(place, 8)
    for store in ("sqlite:first.db", "sqlite:back.db", postgres.url(database)):
        use(place, store)
        plumb.ok("run", "--once", place)
    for table, columns in TABLES.items():
        rows = sorted(psql(f"SELECT {columns} FROM {table}"), key=repr)
        for name in ("first.db", "back.db"):
            assert rows == sorted(rows_of(place / name, f"SELECT {columns} FROM {table}"), key=repr), (table, name)
    assert max(dict(psql("SELECT name, n FROM names")).values()) > 5000, "the hand's change has come through"
    assert psql("SELECT count(DISTINCT id) = count(*), max(id) FROM _plumb_rejects") == rows_of(place / "first.db", "SELECT 1, max(id) FROM _plumb_rejects")


def test_a_second_copy_says_so_and_another_store_is_refused(plumb, place, postgres, database, psql):
    to = postgres.url(database)
    plumb.ok("copy-store", place, "--to", to)
    again = plumb.ok("copy-store", place, "--to", to)
    assert "It is there already" in again.stdout
    psql("UPDATE moves.plain SET f = 17 WHERE id = 3")
    refused = plumb.run("copy-store", place, "--to", to)
    assert refused.code == 78 and "is not empty, and holds something else" in refused.stderr and "plain differs" in refused.stderr
    assert psql("SELECT f FROM moves.plain WHERE id = 3") == [(17,)]
    assert plumb.run("copy-store", place).code == 2
    assert plumb.run("copy-store", place, "--to", "sqlite:first.db").code == 1
    assert plumb.run("copy-store", place, "--to", "mysql://x").code == 78
    assert not rows_of(place / "first.db", "SELECT 1 FROM _plumb_meta WHERE key NOT IN ('version', 'flow')")


def test_killed_it_leaves_nothing_and_the_next_copy_is_whole(plumb, place, postgres, database, psql):
    to = postgres.url(database)
    for step in (3, 12, 30, 39):
        killed = plumb.run("copy-store", place, "--to", to, env={"PLUMB_FAULT": f"kill:{step}"})
        if killed.code == -9 and psql("SELECT to_regclass('moves.plain')")[0][0] is not None:
            assert psql("SELECT count(*) FROM moves._plumb_batches")[0][0] in (0, 3)
    assert digests(plumb.ok("copy-store", place, "--to", to, "--json"))["plain"].startswith("30-") or psql("SELECT 1 FROM moves.plain")
    assert psql("SELECT count(*) FROM moves.plain")[0] == rows_of(place / "first.db", "SELECT count(*) FROM plain")[0]


def test_what_reads_back_otherwise_is_not_kept(plumb, place, postgres, database, psql):
    to = postgres.url(database)
    assert plumb.run("copy-store", place, "--to", to, env={"PLUMB_FAULT": "kill:12"}).code == -9
    psql("CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.rows_in := 7; RETURN NEW; END $$")
    psql("CREATE TRIGGER meddle BEFORE INSERT ON moves._plumb_ledger FOR EACH ROW EXECUTE FUNCTION public.meddle()")
    meddled = plumb.run("copy-store", place, "--to", to)
    assert meddled.code == 1 and "_plumb_ledger' reads back otherwise" in meddled.stderr
    assert psql("SELECT count(*) FROM moves._plumb_batches") == [(0,)] and psql("SELECT count(*) FROM moves.plain") == [(0,)]
    psql("DROP TRIGGER meddle ON moves._plumb_ledger")
    plumb.ok("copy-store", place, "--to", to)
