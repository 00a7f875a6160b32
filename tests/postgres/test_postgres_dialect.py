"""A flow's SQL gives the same rows in SQLite and in PostgreSQL: that of the shipped flows, of a table of cases, and random one."""
import contextlib
import random

import pytest
from conftest import ROOT
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
