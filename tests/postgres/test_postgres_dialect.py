"""A flow's SQL gives the same rows in SQLite and in PostgreSQL: that of the shipped flows, of a table of cases, and random one."""
import contextlib
import json
import random

import pytest
from conftest import ROOT, rows_of
from postgres import expressions
from postgres.dialect import BigInt, Both, Failed, install, same_rows
from postgres.server import connect

RELATION = {"map": "batch", "sum": "change", "derive": "changed", "on": "change"}


@pytest.fixture(scope="module")
def both(postgres):
    name = "test_dialect"
    postgres.superuser(f"CREATE DATABASE {name} OWNER plumb")
    connection = connect(postgres.url(name), autocommit=False)
    with contextlib.closing(connection), connection.cursor() as cursor:
        install(cursor)
        install(cursor)  # over itself
        cursor.execute("SET search_path = public, plumb")
        connection.commit()
        asked = Both(cursor)
        yield asked
        asked.close()
    postgres.superuser(f"DROP DATABASE {name} WITH (FORCE)")


def show(rows):
    return f"failed: {rows}".strip() if isinstance(rows, Failed) else "\n".join(map(str, rows[:12])) + f"\n({len(rows)} rows)"


def differing(both, sql, left, right):
    with contextlib.suppress(Failed):
        sql = f"{sql}\n--- as PostgreSQL gets it\n{both.translate(sql)}"
    return f"{sql}\n--- SQLite\n{show(left)}\n--- PostgreSQL\n{show(right)}"


def agree(both, sql, ordered=True):
    left, right = both.ask(sql)
    if isinstance(left, Failed) or isinstance(right, Failed):
        return left, right, isinstance(left, Failed) and isinstance(right, Failed)
    if not ordered:
        left, right = (sorted(rows, key=lambda row: tuple(map(order_key, row))) for rows in (left, right))
    return left, right, same_rows(left, right)


def order_key(value):
    """So that rows of both stores can be sorted alike."""
    if isinstance(value, BigInt):
        return dialect_bytes(value)
    if isinstance(value, (bool, int, float)):
        return (1, float(value), "", b"")
    return (0, 0.0, "", b"") if value is None else (2, 0.0, value, b"") if isinstance(value, str) else (3, 0.0, "", value)


def dialect_bytes(value):
    magnitude = abs(int(value))
    size = (magnitude.bit_length() + 7) // 8
    data = magnitude.to_bytes(size, "big")
    return (3, 0.0, "", bytes([0x80 + size]) + data if value >= 0 else bytes([0x80 - size]) + bytes(byte ^ 0xFF for byte in data))


def assert_same(both, sql, ordered=True):
    left, right, ok = agree(both, sql, ordered)
    assert ok and not isinstance(left, Failed), differing(both, sql, left, right)
    return left


# ---- the shipped flows ----


class Flow:
    """What the helper says of a flow file."""

    def __init__(self, both, path):
        self.columns, self.keys, self.relations, self.selects = {}, {}, [], []
        changed, kinds = {}, {}
        for line in both.request("F", str(path)).split("\n")[:-1]:
            word, *fields = line.split("\t")
            if word == "column":
                self.columns.setdefault(fields[0], {})[fields[1]] = fields[2]
            elif word == "key":
                self.keys.setdefault(fields[0], []).append(fields[1])
            elif word == "relation":
                self.relations.append(fields[0])
            elif word == "transform":
                name, kind, source, _, sql = fields
                kinds[name] = kind
                self.selects.append((name, kind, source or name, bytes.fromhex(sql).decode()))
            elif word == "changed":
                changed.setdefault(fields[0], {})[fields[1]] = fields[2]
            elif word == "on":
                self.selects.append((f"{fields[0]} on {fields[1]}", "on", fields[1], bytes.fromhex(fields[2]).decode()))
        self.changed = changed

    def tables(self):
        return [name for name in self.columns if name not in self.relations]


ADDRESSES = [bytes(20), *(bytes.fromhex(f"{n:02x}" * 20) for n in (0xAA, 0xBB, 0xCC)), bytes.fromhex("663a5c229c09b049e36dcc11a9b0d4a8eb9db214")]


def random_cell(draw, name, kind):
    if kind == "bytes":
        return draw.choice(ADDRESSES)
    if kind == "int256":
        return BigInt(draw.choice([0, 5, 10**9, 10**18, 2**111, 2**130, 2**210]) + draw.randrange(10**6))
    if kind in ("int64", "timestamp"):
        small = {"chain_id": 2, "log_index": 4, "slot": 3, "hour": 3, "quote_side": 2, "drop_ppm": 10}.get(name, 6)
        value = draw.randrange(small)
        return value * 1000000 * 300 if kind == "timestamp" else value * 111111 if name.endswith("_ppm") else value
    if kind == "bool":
        return draw.random() < 0.5
    if kind == "float64":
        return draw.choice([0.0, 1.5, -2.25, 1e10])
    return draw.choice(["a", "B", "paid", "void", "x y", "ü", ""])


def random_rows(draw, columns, key, count):
    rows = {}
    for _ in range(count):
        row = {name: None if name not in key and draw.random() < 0.1 else random_cell(draw, name, kind) for name, kind in columns.items()}
        rows[tuple(row[name] for name in key) if key else len(rows)] = tuple(row.values())
    return list(rows.values())


@pytest.mark.parametrize("name", ["shop", "onchain"])
def test_the_selects_of_a_shipped_flow_give_equal_rows(both, name):
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    flow = Flow(both, ROOT / "flows" / name)
    both.cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    for table in flow.tables():
        both.make(table, flow.columns[table], random_rows(draw, flow.columns[table], flow.keys.get(table, ()), 40), flow.keys.get(table, ()))
    seen = 0
    for name, kind, source, sql in flow.selects:
        columns = flow.changed[name] if kind == "derive" else flow.columns[source]
        key = list(columns) if kind == "derive" else flow.keys.get(source, [])
        rows = random_rows(draw, columns, key, 40)
        both.cursor.execute("SAVEPOINT relation")
        both.make(RELATION[kind], columns, rows)
        # The derives' own rows: there is nothing else at hand that knows what they read.
        left, right, ok = agree(both, sql, ordered=False)
        assert ok, differing(both, sql, left, right)
        seen += not isinstance(left, Failed) and len(left) > 0
        both.cursor.execute("ROLLBACK TO relation")
        both.sqlite(f"DROP TABLE {RELATION[kind]}")
    assert seen > len(flow.selects) // 2, "hardly any of them gave a row"


# ---- random SQL ----

OVERFLOW = ("bigint out of range", "out of range: overflow", "out of range: underflow", "is out of range for type double precision")


@pytest.fixture(scope="module")
def rows_of_r(both, tmp_path_factory):
    flow = tmp_path_factory.mktemp("flow") / "flow.yaml"
    columns = ", ".join(f"{name}: {kind}" for name, kind in expressions.COLUMNS.items())
    flow.write_text(f"flow: r\nsources: {{}}\ntables:\n  r: {{key: [k], columns: {{{columns}}}}}\ntransforms: {{}}\n")
    both.request("F", str(flow))  # the names, and what is never NULL
    seed = random.randrange(2**32)
    print("seed of the rows", seed)
    both.cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    rows = expressions.rows(random.Random(seed), 40)
    both.make("r", expressions.COLUMNS, rows, ["k"])
    return rows


def is_unreached(left, right):
    """An operand failed in one store, and did not matter in the other: which are worked out is each store's own affair. docs/postgres.md"""
    return isinstance(left, Failed) != isinstance(right, Failed) and any("i256_" in str(answer) for answer in (left, right) if isinstance(answer, Failed))


def is_overflow(answer):
    """Integers beyond 64 bits are an error there, and floats beyond theirs; SQLite goes on with a float. docs/postgres.md"""
    return isinstance(answer, Failed) and any(words in str(answer) for words in OVERFLOW)


def compare_by_rows(both, expression):
    """The rows on which the stores differ, of those that do not overflow."""
    differing = []
    for k in range(40):
        left, right, ok = agree(both, f"SELECT {expression} FROM r WHERE k = {k}")
        if not ok and not is_overflow(right) and not is_unreached(left, right):
            differing.append((k, left, right))
    return differing


@pytest.mark.parametrize("kind", ["int", "real", "text", "bool", "bytes", "big"])
def test_random_expressions_give_equal_values(both, rows_of_r, kind):
    assert rows_of_r
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    values = 0
    for _ in range(80):
        sql = expressions.Expressions(draw).expression(kind, draw.choice([1, 2, 2, 3]))
        left, right, ok = agree(both, f"SELECT {sql} FROM r ORDER BY k")
        if not ok or isinstance(left, Failed):
            for k, of_sqlite, of_postgres in compare_by_rows(both, sql):
                pytest.fail(f"row {rows_of_r[k]}\n" + differing(both, sql, of_sqlite, of_postgres))
        values += not isinstance(left, Failed) and len(left)
    assert values > 1000, "hardly any of them gave a value"


def test_random_selects_give_equal_rows(both, rows_of_r):
    assert rows_of_r
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    rows = 0
    for _ in range(150):
        sql = expressions.select(draw)
        left, right, ok = agree(both, sql)
        assert ok or is_overflow(right) or is_unreached(left, right), differing(both, sql, left, right)
        rows += not isinstance(left, Failed) and len(left)
    assert rows > 500, "hardly any of them gave a row"


# ---- cells, and the whole way ----

CELLS = [("_plumb_int", "true", 1), ("_plumb_int", "3::float8", 3), ("_plumb_int", "' -12.0 '::text", -12), ("_plumb_int", "12::numeric", 12), ("_plumb_int", "NULL::bytea", None),
         ("_plumb_int", "1.5::float8", "cannot store REAL value in INTEGER column c"), ("_plumb_int", "'x'::text", "cannot store TEXT value in INTEGER column c"),
         ("_plumb_int", "'1e30'::text", "cannot store REAL value in INTEGER column c"), ("_plumb_int", "''::bytea", "cannot store BLOB value in INTEGER column c"),
         ("_plumb_int", "9223372036854775808::numeric", "beyond 64 bits"), ("_plumb_int", "1.5::numeric", "with a fraction"), ("_plumb_int", "9223372036854775807::bigint", 2**63 - 1),
         ("_plumb_float", "5::bigint", 5.0), ("_plumb_float", "false", 0.0), ("_plumb_float", "'1e2'::text", 100.0), ("_plumb_float", "'e'::text", "cannot store TEXT value in REAL column c"),
         ("_plumb_float", "1::numeric", "cannot store BLOB value in REAL column c"), ("_plumb_bool", "1::float8", True), ("_plumb_bool", "'0'::text", False), ("_plumb_bool", "2::bigint", "column 'c' is a bool"),
         ("_plumb_text", "5::bigint", "5"), ("_plumb_text", "0.5::float8", "0.5"), ("_plumb_text", "true", "1"), ("_plumb_text", "''::bytea", "cannot store BLOB value in TEXT column c"),
         ("_plumb_bytes", "''::bytea", b""), ("_plumb_bytes", "''::text", "cannot store TEXT value in BLOB column c"), ("_plumb_bytes", "1::bigint", "cannot store INTEGER value in BLOB column c"),
         ("_plumb_int256", "5::numeric", BigInt(5)), ("_plumb_int256", "5::bigint", "column 'c' is an int256"), ("_plumb_int256", "0.5::numeric", "column 'c' is an int256"), ("_plumb_int256", "NULL", None)]


@pytest.mark.parametrize("function, value, expected", CELLS)
def test_cells_take_what_a_column_of_sqlite_takes(both, function, value, expected):
    answer = both.postgres(f"SELECT {function}({value}, 'c')", translated=False)
    if isinstance(answer, Failed):
        assert isinstance(expected, str) and expected in str(answer)
    else:
        assert answer == [(expected,)] and type(answer[0][0]) is type(expected)


FLOW = """\
flow: odd
store: {store}
sources:
  s: {{type: file, path: "*.jsonl", format: jsonl, columns: {{id: int64, userName: text, n: int64, f: float64, doc: json}}}}
tables:
  t: {{key: [id], columns: {{id: int64, name: text, half: int64, rate: float64, is_a: bool, positive: int64, qty: int64, Day: text}}}}
  days: {{key: [Day], columns: {{Day: text, rows: int64, positives: int64}}}}
transforms:
  t:
    from: s
    into: t
    sql: |
      SELECT id, lower(username) AS name, n / (id % 3) AS half, round(f * 1.15, 1) AS rate, userName LIKE 'a%' AS is_a, n > 0 AS positive, -- not 0
             CAST(doc ->> '$.qty' AS INTEGER) + 1000000 * 3000 AS qty, date(n * 86400, 'unixepoch') AS Day
      FROM batch WHERE username IS NOT 'skip'
  days: {{from: t, into: days, sum: "SELECT day, 1 AS rows, positive AS positives FROM change WHERE day IS NOT NULL"}}
"""
RECORDS = [{"id": i, "userName": name, "n": n, "f": f, "doc": {"qty": qty}}
           for i, (name, n, f, qty) in enumerate([("Anna", 7, 1.5, "12abc"), ("skip", 1, 1.0, 1), ("\u00dcnal", -9, 0.35, 5), (None, 0, 2.675, None), ("aB", 365, -1.0, 2.9), ("b", 7, 1e10, "x")])]


def test_a_flow_gives_equal_tables_with_either_store(plumb, postgres, database, psql, tmp_path):
    for name, store in (("here", "sqlite:t.db"), ("there", postgres.url(database))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
        (tmp_path / name / "flow.yaml").write_text(FLOW.format(store=store))
        plumb.ok("run", "--once", tmp_path / name)
    for table in ("t", "days"):
        here = rows_of(tmp_path / "here" / "t.db", f"SELECT * FROM {table} ORDER BY 1")
        assert len(here) > 2 and here == psql(f"SELECT * FROM odd.{table} ORDER BY 1"), table


@pytest.mark.parametrize("sql, word", [("SELECT id, printf('%d', n) AS name FROM batch", "printf"),
                                       ("SELECT id, username AS name FROM batch WHERE username = 'A' COLLATE NOCASE", "COLLATE")])
def test_check_refuses_what_has_no_equal_without_a_server(plumb, tmp_path, sql, word):
    flow = FLOW.split("transforms:")[0].format(store="postgres://nobody@127.0.0.1:1/none") + f"transforms:\n  t:\n    from: s\n    into: t\n    sql: {sql}\n"
    columns = "id: int64, name: text"
    flow = flow.replace(flow[flow.index("  t: {"):flow.index("transforms:")], f"  t: {{key: [id], columns: {{{columns}}}}}\n")
    (tmp_path / "flow.yaml").write_text(flow)
    result = plumb.run("check", tmp_path)
    place = f"flow.yaml:11:{len('    sql: ') + 1 + sql.index(word)}: on PostgreSQL '{word}' has no equal there: "
    assert result.code == 78 and place in result.stderr
    (tmp_path / "flow.yaml").write_text(flow.replace("postgres://nobody@127.0.0.1:1/none", "sqlite:t.db"))
    assert "PostgreSQL" not in plumb.run("check", tmp_path).stderr
