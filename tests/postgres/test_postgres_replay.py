"""A replay in PostgreSQL leaves the tables that one in SQLite leaves, as psycopg2 and sqlite3 see them; what is built aside
is a schema of its own."""
import json
import random

import pytest
from conftest import rows_of

FLOW = """\
flow: again
store: {store}
sources:
  events: {{type: file, path: "in/*.jsonl", columns: {{id: int64, name: text, n: int64, at: int64, blob: bytes, when: timestamp}}}}
tables:
  plain: {{columns: {{id: int64, name: text, n: int64, {more}blob: bytes, when: timestamp}}, key: [id]}}
  newest: {{columns: {{id: int64, name: text, at: int64}}, key: [id], indexes: [[name]]}}
  each: {{columns: {{name: text}}, key: auto}}
  names: {{columns: {{name: text, n: int64}}, key: [name]}}
  top: {{columns: {{name: text, n: int64}}, key: [name]}}
  known: {{columns: {{name: text, of: text}}, key: [name]}}
transforms:
  plain: {{from: events, into: plain, sql: "SELECT id, name, n + {add} AS n, {given}blob, \\"when\\" FROM batch WHERE id IS NOT NULL AND n < 4"}}
  newest: {{from: events, into: newest, latest_by: [at], sql: "SELECT id, name, at FROM batch WHERE id > {above}"}}
  each: {{from: events, into: each, sql: "SELECT name FROM batch"}}
  names: {{from: plain, into: names, sum: "SELECT name, n FROM change WHERE name IS NOT NULL"}}
  top: {{on: [names], into: top, derive: "SELECT k.name, n.n * 2 AS n FROM changed k JOIN names n ON n.name = k.name WHERE n.n > 0"}}
"""
CHANGED = {"add": 5, "above": 3}
COLUMNS = {"plain": "id, name, n, blob", "newest": "id, name, at", "each": "_record, name", "names": "name, n", "top": "name, n"}


def records(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        yield {"id": chance.choice([None, *range(20)]), "name": chance.choice([None, "", "a", "é", "zz'\"", "\\x"]), "n": chance.randrange(-5, 5),
               "at": chance.choice([None, *range(30)]), "blob": chance.choice([None, "0x00ff", "0x"]), "when": chance.choice([None, "1970-01-01T00:00:00Z", "2026-01-31T12:00:00.5Z", "never"])}


class Place:
    """A flow with its store of either kind."""

    def __init__(self, plumb, directory, store, ask):
        self.plumb, self.directory, self.store, self.ask = plumb, directory, store, ask
        (directory / "in").mkdir(parents=True)
        for number in range(3):
            self.add(number)
        self.write()

    def add(self, number):
        lines = [json.dumps(record) for record in records(number, 100)]
        (self.directory / "in" / f"{number}.jsonl").write_text("\n".join(lines) + "\n")

    def write(self, add=1, above=0, more="", given=""):
        (self.directory / "flow.yaml").write_text(FLOW.format(store=self.store, add=add, above=above, more=more, given=given))

    def ok(self, *command, **options):
        command, *rest = command
        return self.plumb.ok(command, self.directory, *rest, **options)

    def tables(self):
        def bare(row):
            return tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)

        return {name: sorted((bare(row) for row in self.ask(f"SELECT {columns} FROM {name}")), key=repr) for name, columns in COLUMNS.items()}

    def accounts(self):
        """What must be so after every replay, apart from times and numbers given by the database."""
        return {name: sorted(self.ask(sql), key=repr) for name, sql in {
            "marks": "SELECT transform, seq FROM _plumb_marks",
            "ledger": "SELECT batch, transform, rows_in, records_out, inserted, rejected FROM _plumb_ledger",
            "batches": "SELECT id, decoded, rejected FROM _plumb_batches", "rejects": "SELECT batch, pos, transform, reason FROM _plumb_rejects"}.items()}


@pytest.fixture
def places(plumb, postgres, database, psql, tmp_path):
    psql("SET search_path = again")
    here = Place(plumb, tmp_path / "sqlite", "sqlite:t.db", lambda sql: rows_of(tmp_path / "sqlite" / "t.db", sql))
    there = Place(plumb, tmp_path / "postgres", postgres.url(database), psql)
    for place in (here, there):
        place.ok("run", "--once")
    return here, there


def schemas(psql):
    return sorted(name for (name,) in psql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'again%'"))


def objects(psql):
    return psql("SELECT name, ddl FROM _plumb_objects ORDER BY name"), psql(
        "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")


def test_a_changed_flow_leaves_the_same_tables_and_says_the_same(places, psql):
    here, there = places
    assert here.tables() == there.tables() and here.accounts() == there.accounts()
    before, made = there.tables(), objects(psql)
    said = []
    for place in places:
        place.write(**CHANGED)
        said.append(json.loads(place.ok("replay", "--json").stdout))
    assert here.tables() == there.tables() != before
    assert here.accounts() == there.accounts()
    counts = [{t["table"]: [t[k] for k in ("made_anew", "rows", "updated", "inserted", "deleted")] for t in s["tables"]} for s in said]
    assert counts[0] == counts[1] and counts[1]["plain"][2] > 0 and counts[1]["newest"][4] > 0 and counts[1]["each"][2:] == [0, 0, 0]
    samples = {t["table"]: t["samples"] for t in said[1]["tables"]}
    assert len(samples["plain"]) == 3 and all("  n: " in line and " -> " in line for line in samples["plain"])
    assert schemas(psql) == ["again"], "nothing is left of what was built aside"
    assert objects(psql)[1] == made[1] and all("again_aside" not in ddl for _, ddl in objects(psql)[0])


def test_nothing_is_written_by_a_replay_of_the_same_flow(places, psql):
    _, there = places
    before = psql("SELECT id, xmin::text FROM plain ORDER BY id"), there.tables()
    said = json.loads(there.ok("replay", "--json").stdout)
    assert all(t["updated"] + t["inserted"] + t["deleted"] == 0 and not t["made_anew"] for t in said["tables"])
    assert before == (psql("SELECT id, xmin::text FROM plain ORDER BY id"), there.tables())


def test_what_a_hand_changed_is_put_right_and_hands_are_heard_after_it(places, psql):
    here, there = places
    psql("DELETE FROM plain WHERE id < 5")
    psql("UPDATE plain SET n = 1000 WHERE id = 9")
    psql("INSERT INTO plain(id, name, n) VALUES (77, 'a', 1)")
    there.ok("run", "--once")
    assert there.tables()["names"] != here.tables()["names"], "the sum has followed"
    there.ok("replay")
    assert there.tables() == here.tables()
    psql("UPDATE plain SET n = n + 1000 WHERE id = 9")
    there.ok("run", "--once")
    assert dict(there.tables()["names"]) != dict(here.tables()["names"]), "the triggers are back"


def test_other_columns_and_later_data(places, psql):
    here, there = places
    psql("INSERT INTO known(name, of) VALUES ('a', 'b')")
    for place in places:
        place.write(more="twice: int64, ", given="n * 2 AS twice, ")
        assert place.plumb.run("run", "--once", place.directory).code == 78, "not without a replay"
        said = json.loads(place.ok("replay", "--transform", "plain", "--json").stdout)
        assert {t["table"]: t["made_anew"] for t in said["tables"]} == {"plain": True, "names": False, "top": False}
        place.add(7)
        place.ok("run", "--once")
    assert here.tables() == there.tables() and here.accounts() == there.accounts()
    assert sorted(psql("SELECT id, twice FROM plain")) == sorted(here.ask("SELECT id, twice FROM plain"))
    assert psql("SELECT name, of FROM known") == [("a", "b")]
    assert psql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'again' AND tablename = 'newest'") == [(2,)]


def test_killed_it_leaves_the_old_tables_and_the_next_one_ends_it(places, psql):
    here, there = places
    before = there.tables()
    for place in places:
        place.write(**CHANGED)
    here.ok("replay")
    after = here.tables()
    steps = int(there.plumb.run("replay", there.directory, env={"PLUMB_FAULT": "count"}).stderr.split("step=")[1].split()[0])
    assert there.tables() == after
    there.write()
    there.ok("replay")
    assert there.tables() == before
    there.write(**CHANGED)
    for step in (1, steps // 2, steps - 2, steps - 1, steps):
        there.plumb.run("replay", there.directory, env={"PLUMB_FAULT": f"kill:{step}"})
        assert there.tables() in (before, after), f"killed at step {step}"
    there.ok("replay")
    assert there.tables() == after and schemas(psql) == ["again"]


def test_one_at_a_time_and_not_beside_who_stages(places, postgres, database, psql):
    _, there = places
    before = there.tables()
    there.write(**CHANGED)
    # A batch comes while the tables are built: when the triggers aside are made, all batches have been copied.
    psql("CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF to_regclass('again_aside.plain') IS NOT NULL THEN "
         "INSERT INTO again._plumb_batches(partition, seq, first_record, records, decoded, rejected, raw_bytes, hash, cursor, staged_us) "
         "VALUES (99, (SELECT count(*) FROM again._plumb_batches), 0, 1, 1, 0, 1, '\\x00', '', 0); END IF; END $$")
    postgres.superuser("CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION public.meddle()", database)
    meddled = there.plumb.run("replay", there.directory)
    assert meddled.code == 1 and "batches were staged while the tables were built" in meddled.stderr
    assert there.tables() == before
    postgres.superuser("DROP EVENT TRIGGER meddle", database)
    psql("DELETE FROM again._plumb_batches WHERE partition = 99")
    # Another replay: it is over when its process is.
    other = postgres.connect(database, autocommit=False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE again._plumb_transforms IN ACCESS EXCLUSIVE MODE")
        waiting = there.plumb.start("replay", there.directory)
        while not psql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'plumb%'"):
            assert waiting.poll() is None
        second = there.plumb.run("replay", there.directory)
        assert second.code == 1 and "another plumb replays or repairs it" in second.stderr
    other.rollback()
    other.close()
    assert waiting.wait(timeout=60) == 0
    assert there.tables() != before


def test_what_is_for_sqlite_only_says_so_and_changes_nothing(places):
    _, there = places
    before = there.tables()
    for command, words in ((["replay", "--from", "1", "--to", "2"], "in a store in SQLite only, so far"),
                           (["trace", "plain", "9"], "declare `lineage: true` and replay")):
        refused = there.plumb.run(command[0], there.directory, *command[1:])
        assert refused.code == 78 and words in refused.stderr and "syntax" not in refused.stderr
    assert there.tables() == before
    there.ok("replay")
