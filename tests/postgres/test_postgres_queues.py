"""What a person changes with psql flows through; a queue whose statistics are stale is emptied all the same."""
import json

FLOW = """\
flow: hand
store: {store}
sources:
  events: {{type: file, path: "in/*.jsonl", columns: {{id: int64, name: text, n: int64}}}}
tables:
  plain: {{columns: {{id: int64, name: text, n: int64}}, key: [id]}}
  sums: {{columns: {{name: text, n: int64}}, key: [name]}}
  best: {{columns: {{name: text, top: int64}}, key: [name]}}
transforms:
  plain: {{from: events, into: plain, sql: "SELECT id, name, n FROM batch WHERE id IS NOT NULL"}}
  sums: {{from: tables.plain, into: sums, sum: "SELECT name, n FROM change WHERE name IS NOT NULL"}}
  best: {{on: {{plain: [name]}}, into: best, derive: "SELECT k.name, max(p.n) AS top FROM changed k JOIN plain p ON p.name = k.name GROUP BY k.name"}}
"""


def place(directory, store, records):
    (directory / "in").mkdir(parents=True)
    add(directory, "0", records)
    (directory / "flow.yaml").write_text(FLOW.format(store=store))
    return directory / "flow.yaml"


def add(directory, name, records):
    (directory / "in" / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def expected(psql):
    """sums and best, computed from the table by the server."""
    return (psql("SELECT name, sum(n)::bigint FROM hand.plain WHERE name IS NOT NULL GROUP BY name ORDER BY name"),
            psql("SELECT name, max(n) FROM hand.plain WHERE name IS NOT NULL GROUP BY name ORDER BY name"))


def found(psql):
    return psql("SELECT name, n FROM hand.sums ORDER BY name"), psql("SELECT name, top FROM hand.best ORDER BY name")


def test_corrections_by_hand_flow_through(plumb, postgres, database, psql, tmp_path):
    flow = place(tmp_path, postgres.url(database), [{"id": i, "name": f"n{i % 5}", "n": i} for i in range(50)])
    assert plumb.run("run", "--once", flow).code == 0
    assert found(psql) == expected(psql) and len(found(psql)[0]) == 5
    for correction in ("UPDATE hand.plain SET n = n + 1000 WHERE id % 7 = 0", "DELETE FROM hand.plain WHERE name = 'n3'",
                       "UPDATE hand.plain SET name = 'moved' WHERE id < 10", "INSERT INTO hand.plain VALUES (100, 'new', 1), (101, NULL, 1)",
                       "BEGIN; UPDATE hand.plain SET n = 0; ROLLBACK", "TRUNCATE hand.plain"):
        psql(correction)
        assert plumb.run("run", "--once", flow).code == 0
        assert found(psql) == expected(psql), correction
    assert found(psql) == ([], [])


def test_a_queue_that_was_vacuumed_when_empty_is_emptied_as_fast(plumb, postgres, database, psql, tmp_path):
    """The server then plans it as one row: with a join of the queue with itself, this many rows took a minute."""
    flow = place(tmp_path, postgres.url(database), [{"id": 0, "name": "n", "n": 1}])
    assert plumb.run("run", "--once", flow).code == 0
    psql('INSERT INTO hand."_plumb_q_sums"(_sign, name, n) SELECT 1, name, i FROM hand.plain, generate_series(1, 3000) i')
    psql('DELETE FROM hand."_plumb_q_sums"')
    psql('VACUUM (TRUNCATE false) hand."_plumb_q_sums"')
    assert psql("SELECT reltuples, relpages > 0 FROM pg_class WHERE oid = 'hand.\"_plumb_q_sums\"'::regclass") == [(0, True)]
    psql(f"ALTER DATABASE {database} SET statement_timeout = '10s'")
    psql("INSERT INTO hand.plain SELECT i, 'n' || i % 10, i FROM generate_series(1, 10000) i")
    assert plumb.run("run", "--once", flow).code == 0
    assert found(psql) == expected(psql)
