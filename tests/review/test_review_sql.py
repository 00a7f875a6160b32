"""What `plumb check` must refuse because it would break "same input, same tables", and what only looks as if."""
import textwrap

import pytest

FLOW = """\
flow: f
store: sqlite:f.db
sources:
  s:
    type: file
    path: data/*.jsonl
    columns:
      id: {type: int64}
      k: {type: text}
      v: {type: int64}
      ts: {type: timestamp}
      gone: {type: bool}
      items: {type: json}
      offset: {type: int64}
tables:
  ref: {key: [k], columns: {k: text, name: text, n: int64}}
  t: {key: [id], columns: {id: int64, k: text, v: int64}}
  g: {key: [k], columns: {k: text, n: int64}}
transforms:
"""
MAP = "  m: {from: s, into: t, sql: 'SELECT id, k, v FROM batch'}\n"


def block(sql):
    return "|\n" + textwrap.indent(sql, "      ") + "\n"


def map_of(sql, more=""):
    return f"  m:\n    from: s\n    into: t\n{more}    sql: {block(sql)}"


def sum_of(sql):
    return f"{MAP}  g:\n    from: t\n    into: g\n    sum: {block(sql)}"


def derive_of(sql, on="[t]"):
    return f"{MAP}  g:\n    on: {on}\n    into: g\n    derive: {block(sql)}"


def delete_when(condition):
    gone = ", gone" if "gone" in condition.lower() else ""
    return map_of(f"SELECT id, k, v{gone} FROM batch", f"    delete_when: {block(condition)}")


MANY = "    many: true\n"
ACCEPTED = {
    "comments after the semicolon": map_of("SELECT id, k, v FROM batch /* a; */ ; -- the end;"),
    "a comment after a sum": sum_of("SELECT k, v AS n FROM change; -- the end"),
    "names in capitals": map_of("SELECT ID, K, V FROM BATCH"),
    "a column named offset": map_of("SELECT offset AS id, k, v FROM batch"),
    "a column named limit": map_of('SELECT id, k, "limit" AS v FROM (SELECT id, k, v AS "limit" FROM batch)'),
    "the text now": map_of("SELECT id, date(ts, 'unixepoch') AS k, CASE WHEN k = 'now' THEN 1 END AS v FROM batch"),
    "an aggregate over the record's own list":
        map_of("SELECT id, k, (SELECT sum(value) FROM json_each(batch.items)) AS v FROM batch"),
    "the greatest of the record's own list":
        map_of("SELECT id, k, (SELECT value FROM json_each(items) ORDER BY value DESC LIMIT 1) AS v FROM batch"),
    "an aggregate over a reference table":
        map_of("SELECT id, k, (SELECT count(*) FROM ref r WHERE r.k = batch.k) AS v FROM batch"),
    "a subquery of its own over a reference table":
        map_of("SELECT id, k, (SELECT max(n) FROM ref) AS v FROM batch WHERE EXISTS (SELECT 1 FROM ref)"),
    "a limit in such a subquery":
        map_of("SELECT id, k, coalesce(v, (SELECT n FROM ref r WHERE r.name = batch.k LIMIT 1)) AS v FROM batch"),
    "a recursion that multiplies each record":
        map_of("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3)\n"
               "SELECT id * 10 + n AS id, k, v FROM batch, c", MANY),
    "delete_when with a comment": delete_when("gone -- a comment"),
    "delete_when in capitals": delete_when("GONE"),
    "delete_when over a reference table": delete_when("gone AND k IN (SELECT k FROM ref)"),
    "a sum of unions": sum_of("SELECT k, v AS n FROM change UNION ALL SELECT name, v FROM change JOIN ref USING (k)"),
    "a sum with a reference table": sum_of("SELECT c.k, r.n FROM change c LEFT JOIN ref r ON c.k = r.k"),
    "a sum with an aggregate over a reference table":
        sum_of("SELECT k, (SELECT max(n) FROM ref r WHERE r.k = change.k) AS n FROM change"),
    "a constant sum": sum_of("SELECT 'all' AS k, 1 AS n FROM change"),
    "a window within a key":
        derive_of("SELECT k, n FROM (SELECT c.k, t.v AS n, row_number() OVER (PARTITION BY c.k ORDER BY t.v, t.id) AS r\n"
                  "FROM changed c JOIN t ON t.k = c.k) WHERE r = 1"),
    "a limit within a key": derive_of("SELECT c.k, (SELECT v FROM t WHERE t.k = c.k ORDER BY v LIMIT 1) AS n FROM changed c"),
}

REFUSED = {
    "a limit in a subquery": (map_of("SELECT * FROM (SELECT id, k, v FROM batch LIMIT 5)"), "LIMIT"),
    "a limit in a WITH": (map_of("WITH x AS (SELECT id, k, v FROM batch) SELECT * FROM (SELECT * FROM x LIMIT 5)"),
                          "LIMIT"),
    "a window that is no aggregate": (map_of("SELECT id, k, first_value(v) OVER () AS v FROM batch"), "OVER"),
    "a recursion over the batch":
        (map_of("WITH RECURSIVE c(id, k, v) AS (SELECT id, k, v FROM batch UNION ALL\n"
                "SELECT id + 1, k, v FROM c WHERE v < 3) SELECT * FROM c"), "where a batch ends"),
    "its own table in capitals": (map_of("SELECT id, k, (SELECT count(*) FROM T) AS v FROM batch"), "own table"),
    "an engine's table in capitals":
        (map_of("SELECT id, k, (SELECT count(*) FROM _PLUMB_BATCHES) AS v FROM batch"), "belongs to the engine"),
    "the schema in capitals":
        (map_of("SELECT id, k, v FROM batch WHERE EXISTS (SELECT 1 FROM SQLITE_MASTER)"), "no table of the flow"),
    "the engine's name of the batch": (map_of("SELECT id, k, v FROM temp._plumb_batch_s"), "belongs to the engine"),
    "now in capitals": (map_of("SELECT id, date('NOW') AS k, v FROM batch"), "depends on when it runs"),
    "now in double quotes": (map_of('SELECT id, date("now") AS k, v FROM batch'), "depends on when it runs"),
    "strftime without a time": (map_of("SELECT id, k, strftime('%s') AS v FROM batch"), "without a time"),
    "local time": (map_of("SELECT id, datetime(ts, 'unixepoch', 'localtime') AS k, v FROM batch"), "time zone"),
    "a parameter": (map_of("SELECT id, ?1 AS k, v FROM batch"), "'?1' is a parameter"),
    "an aggregate in delete_when": (delete_when("count(*) > 1"), "where a batch ends"),
    "a window in delete_when": (delete_when("row_number() OVER () > 1"), "'OVER'"),
    "the table itself in delete_when": (delete_when("id IN (SELECT id FROM t)"), "own table"),
    "now in delete_when": (delete_when("k < date('now')"), "depends on when it runs"),
    "two conditions in delete_when": (delete_when("gone), (k"), "one condition"),
    "a sum without change": (sum_of("SELECT 'x' AS k, 1 AS n"), "does not read `change`"),
    "a sum that joins change with itself": (sum_of("SELECT a.k, b.v AS n FROM change a JOIN change b USING (id)"),
                                            "does not add up"),
    "a sum that looks whether another row changed":
        (sum_of("SELECT k, v AS n FROM change WHERE EXISTS (SELECT 1 FROM change o WHERE o.v > 3)"), "does not add up"),
    "a sum with a limit": (sum_of("SELECT * FROM (SELECT k, v AS n FROM change LIMIT 3)"), "limits"),
    "a sum with rows of its own": (sum_of("SELECT k, v AS n FROM change UNION ALL SELECT 'x', 1"), "does not add up"),
    "a sum that keeps rows without a change":
        (sum_of("SELECT r.k, coalesce(c.v, 1) AS n FROM ref r LEFT JOIN change c ON c.k = r.k"), "does not add up"),
    "a sum that keeps rows without a change, the other way round":
        (sum_of("SELECT r.k, coalesce(c.v, 1) AS n FROM change c RIGHT JOIN ref r ON c.k = r.k"), "does not add up"),
    "a sum with a window": (sum_of("SELECT k, first_value(v) OVER () AS n FROM change"), "'OVER'"),
    "a sum that reads another changing table": (sum_of("SELECT k, (SELECT count(*) FROM T) AS n FROM change"),
                                                "are called `change` here"),
    "a derive that reads its own table": (derive_of("SELECT c.k, (SELECT count(*) FROM G) AS n FROM changed c"),
                                          "own table"),
    "a derive with a limit over all keys": (derive_of("SELECT c.k, t.v AS n FROM changed c JOIN t ON t.k = c.k LIMIT 1"),
                                            "subquery that looks at one key"),
    "a derive with a window over all keys":
        (derive_of("SELECT c.k, rank() OVER (ORDER BY t.v) AS n FROM changed c JOIN t ON t.k = c.k"), "PARTITION BY"),
    "a mapping without change":
        (derive_of("SELECT c.k, 1 AS n FROM changed c", "{t: SELECT k FROM ref}"), "does not read `change`"),
    "a mapping that gives one key of many":
        (derive_of("SELECT c.k, 1 AS n FROM changed c", "{t: SELECT max(k) AS k FROM change}"), "keys would be missed"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_the_same_in_every_run_is_accepted(plumb, make_flow, name):
    assert plumb.run("check", make_flow({"flow.yaml": FLOW + ACCEPTED[name]})).code == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_differs_between_runs_is_refused(plumb, make_flow, name):
    transforms, words = REFUSED[name]
    result = plumb.run("check", make_flow({"flow.yaml": FLOW + transforms}))
    assert result.code == 78
    assert words in result.stderr
