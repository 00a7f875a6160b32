"""Random SQL as a person writes it for SQLite, over the table `r` of random rows.

    draw = random.Random(seed)
    sql = Expressions(draw).expression("int")      # int real text bool bytes big
    sql = select(draw)                             # a small SELECT with a fixed order of rows
"""
from postgres.dialect import BigInt

COLUMNS = {"k": "int64", "i": "int64", "j": "int64", "q": "int64", "f": "float64", "g": "float64", "s": "text", "t": "text", "b": "bool", "c": "bool",
           "x": "bytes", "y": "bytes", "m": "int256", "n": "int256", "d": "json", "Ab": "int64", "user": "text"}

INTEGERS = [0, 1, -1, 2, 7, 10, -13, 127, 1700000000, 2**31 - 1, 2**31, -2**31 - 1, 2**53 + 1, 2**62, 2**63 - 1, -2**63]
REALS = [0.0, 0.5, 1.0, -1.5, 2.675, 1.005, 0.1, 3.0, 1e15, 123456.789, -0.25, 1e20, 1e-5, 2.5e-7, 1e300, 1234567890123.4]
TEXTS = ["", "a", "A", "abc", "ABC", "aBc", " x ", "12", "-7.5e1", "12abc", "0x1F", "ü", "Ü", "日本", "a%b", "a_b", "a'b", "a\\b", "[x]", "zz\n", "paid"]
BYTES = [b"", b"\x00", b"a", b"abc", b"\xff\x00", bytes(range(5)), bytes.fromhex("c02aaa39")]
BIGS = [0, 1, -1, 5, 10**18, 2**63, -2**64, 2**128, 2**255, 2**256 - 1, -2**256 + 1]
JSONS = ['{"a": 1, "b": [1, 2.50, "x", null, true], "c": {"d": "e f", "g": -0.10}}', '{"a":"1","b":[]}', "[1,[2,{\"a\":3}],\"\\u00fc\\n\"]", "{}", '"text"', "12", "1.0",
         '{"a":1e3,"b":[ 9223372036854775808 ]}', "null", "true", '{"a b":{"c":[{"d":1},{"d":2}]}}']


def rows(draw, count):
    """Rows of r; k counts them."""
    def cell(kind):
        if draw.random() < 0.12:
            return None
        return {"int64": lambda: draw.choice(INTEGERS) if draw.random() < 0.5 else draw.randrange(-50, 50), "float64": lambda: draw.choice(REALS),
                "text": lambda: draw.choice(TEXTS), "bool": lambda: draw.random() < 0.5, "bytes": lambda: draw.choice(BYTES),
                "int256": lambda: BigInt(draw.choice(BIGS)), "json": lambda: draw.choice(JSONS)}[kind]()
    found = []
    for k in range(count):
        row = {name: cell(kind) for name, kind in COLUMNS.items()}
        row.update(k=k, q=draw.randrange(-4, 5))
        found.append(tuple(row.values()))
    return found


def text(value):
    return "'" + value.replace("'", "''") + "'"


class Expressions:
    """Of a type, down to a depth. `alias` goes before columns."""

    def __init__(self, draw, alias=""):
        self.draw, self.alias = draw, alias

    def column(self, *names):
        return self.alias + self.draw.choice(names)

    def expression(self, kind, depth=3):
        return getattr(self, kind)(depth)

    def inner(self, kind, depth):
        """An operand: in brackets unless it is one piece."""
        sql = self.expression(kind, depth - 1)
        return sql if sql.replace("_", "").replace(".", "").isalnum() else f"({sql})"

    def loose(self, kind, depth):
        """An operand of arithmetic: what it is made of may bind with what stands beside it."""
        return self.inner(kind, depth) if self.draw.random() < 0.5 or depth < 2 else self.expression(kind, depth - 1)

    def any_of(self, kind, depth, makers):
        """For several types."""
        one, two = (lambda: self.inner(kind, depth)), (lambda: self.expression(kind, depth - 1))
        shared = [
            lambda: f"CASE WHEN {self.expression('bool', depth - 1)} THEN {two()} ELSE {two()} END",
            lambda: f"CASE {self.inner('int', depth)} WHEN {self.expression('int', 0)} THEN {two()} WHEN {self.expression('int', 0)} THEN {two()} END",
            lambda: f"coalesce({two()}, {two()})", lambda: f"ifnull({two()}, {two()})", lambda: f"nullif({two()}, {two()})",
            lambda: f"iif({self.expression('bool', depth - 1)}, {two()}, {two()})", lambda: f"({one()})",
        ]
        return self.draw.choice(makers + makers + shared)()

    def int(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("i", "j", "q", "k", "Ab", "ab"), str(abs(draw.choice(INTEGERS[:11]))), self.column("q")])
        a, of = (lambda: self.loose("int", depth)), (lambda kind: self.expression(kind, depth - 1))
        return self.any_of("int", depth, [
            lambda: f"{a()} + {a()}", lambda: f"{a()} - {self.inner('int', depth)}", lambda: f"{a()} * {self.inner('int', depth)}",
            lambda: f"{self.inner('int', depth)} / {self.inner('int', depth)}", lambda: f"{self.inner('int', depth)} % {self.inner('int', depth)}",
            lambda: f"-{self.inner('int', depth)}", lambda: f"~{self.inner('int', depth)}", lambda: f"abs({of('int')})",
            lambda: f"{self.inner('int', depth)} & {self.inner('int', depth)}", lambda: f"{self.inner('int', depth)} | {self.inner('int', depth)}",
            lambda: f"{self.inner('int', depth)} << {draw.choice([0, 1, 5, 63, 64, -2])}", lambda: f"{self.inner('int', depth)} >> {draw.choice([0, 1, 5, 63, 64, -70])}",
            lambda: f"length({of('text')})", lambda: f"length({of('bytes')})", lambda: f"instr({of('text')}, {of('text')})", lambda: f"unicode({of('text')})",
            lambda: f"CAST({of('int')} AS INTEGER)", lambda: f"CAST({of('real')} AS INTEGER)", lambda: f"CAST({of('text')} AS bigint)", lambda: f"CAST({of('bool')} AS INT)",
            lambda: f"max({of('int')}, {of('int')})", lambda: f"min({of('int')}, {of('int')}, {of('int')})", lambda: f"sign({of('real')})",
            lambda: f"i256_cmp({of('big')}, {of('big')})", lambda: f"i256_to_int({of('big')})", lambda: f"{self.inner('bool', depth)} + {self.inner('bool', depth)}",
            lambda: f"{self.inner('int', depth)} - {self.inner('bool', depth)}", lambda: f"{self.inner('bool', depth)} * {self.inner('int', depth)}",
            lambda: f"unixepoch({of('int')}, 'unixepoch')", lambda: f"json_array_length({self.column('d')})", lambda: f"json_array_length({self.column('d')}, '$.b')",
            lambda: f"(SELECT {draw.choice(['count(*)', 'max(o.q)', 'min(o.i)', 'sum(o.q)', 'sum(o.b)', 'sum(o.q > 1)', 'count(DISTINCT o.s)'])} FROM r o WHERE o.q = {self.inner('int', depth)})",
        ])

    def real(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("f", "g"), repr(draw.choice([0.5, 1.25, 10.0, 0.1])), ".5", "1e3", "1.5e-2"])
        one, of = (lambda: self.inner("real", depth)), (lambda kind: self.expression(kind, depth - 1))
        return self.any_of("real", depth, [
            lambda: f"{one()} + {one()}", lambda: f"{one()} - {one()}", lambda: f"{one()} * {one()}", lambda: f"{one()} / {one()}", lambda: f"-{one()}", lambda: f"abs({of('real')})",
            lambda: f"round({of('real')})", lambda: f"round({of('real')}, {draw.choice([0, 1, 2, 3])})", lambda: f"CAST({of('int')} AS REAL)", lambda: f"CAST({of('text')} AS DOUBLE)",
            lambda: f"{self.inner('int', depth)} * 1.5", lambda: f"{self.inner('int', depth)} / 4.0", lambda: f"max({of('real')}, {of('real')})", lambda: f"i256_to_real({of('big')})",
            lambda: f"(SELECT {draw.choice(['avg(o.q)', 'total(o.q)', 'avg(o.q * 0.5)'])} FROM r o WHERE o.q < {self.inner('int', depth)})",
        ])

    def text(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("s", "t"), text(draw.choice(TEXTS)), self.column("user")])
        one, of = (lambda: self.inner("text", depth)), (lambda kind: self.expression(kind, depth - 1))
        place = lambda: draw.choice([str(draw.randrange(-4, 6)), self.inner("int", depth)])  # pylint: disable=unnecessary-lambda-assignment
        path = lambda: draw.choice(["$.a", "$.b", "$.b[1]", "$.b[#-1]", "$.c.d", "$.c.g", "$", "$[1]", "$[1][1].a", '$."a b".c[1].d', "$.b[0]", "a", "c"])  # pylint: disable=unnecessary-lambda-assignment
        return self.any_of("text", depth, [
            lambda: f"{one()} || {one()}", lambda: f"{one()} || {self.inner('int', depth)} || {text(draw.choice(TEXTS))}", lambda: f"{self.inner('real', depth)} || {one()}",
            lambda: f"{one()} || {self.inner('bool', depth)}",
            lambda: f"lower({of('text')})", lambda: f"upper({of('text')})", lambda: f"trim({of('text')})", lambda: f"ltrim({of('text')}, 'a ')", lambda: f"rtrim({of('text')}, {of('text')})",
            lambda: f"trim({of('text')}, ' a')", lambda: f"replace({of('text')}, {of('text')}, {of('text')})", lambda: f"substr({of('text')}, {place()})",
            lambda: f"substr({of('text')}, {place()}, {place()})", lambda: f"substring({of('text')}, {place()}, 2)", lambda: f"CAST({of('int')} AS TEXT)",
            lambda: f"CAST({of('real')} AS VARCHAR(10))", lambda: f"CAST({of('bool')} AS TEXT)", lambda: f"hex({of('bytes')})", lambda: f"hex({of('text')})", lambda: f"i256_text({of('big')})",
            lambda: f"i256_hex({of('big')})", lambda: f"max({of('text')}, {of('text')})", lambda: f"min({of('text')}, {of('text')})", lambda: f"typeof({of(draw.choice(['int', 'real', 'text', 'bytes']))})",
            lambda: f"CAST({self.column('d')} ->> {text(path())} AS TEXT)", lambda: f"{self.column('d')} -> {text(path())}", lambda: f"CAST({self.column('d')} ->> {draw.randrange(3)} AS TEXT)",
            lambda: f"CAST(json_extract({self.column('d')}, {text(draw.choice(['$.a', '$.b[2]', '$.c']))}) AS TEXT)", lambda: f"json_type({self.column('d')}, '$.b[1]')",
            lambda: f"json({self.column('d')})", lambda: f"date({of('int')}, 'unixepoch')", lambda: f"datetime({of('int')}, 'unixepoch', '{draw.choice(['+1 day', 'start of month', '-2 months', 'start of year', '+3 hours'])}')",
            lambda: f"strftime('{draw.choice(['%Y-%m', '%H:%M:%S', '%j %w %W', '%s', '%d%%'])}', {of('int')}, 'unixepoch')", lambda: f"time({self.column('q')} * 1000, 'unixepoch')",
        ])

    def bool(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("b", "c"), f"{self.column('i')} > {self.column('q')}", f"{self.column('s')} IS NULL"])
        kind = draw.choice(["int", "real", "text", "bytes", "big", "int", "text"])
        one, condition = (lambda: self.inner(kind, depth)), (lambda: self.expression("bool", depth - 1))
        bracketed = lambda: f"({condition()})"  # pylint: disable=unnecessary-lambda-assignment
        pattern = lambda: text(draw.choice(["a%", "%B%", "_", "a\\_%", "", "%", "%ü%", "A_C", "[x]"]))  # pylint: disable=unnecessary-lambda-assignment
        glob = lambda: text(draw.choice(["a*", "*B*", "?", "[a-c]*", "[^a]*", "", "*", "[]x]*", "[[]x]", "a[", "a\\*", "a.c", "*[0-9]*"]))  # pylint: disable=unnecessary-lambda-assignment
        return draw.choice([
            lambda: f"{one()} {draw.choice(['=', '==', '<>', '!=', '<', '<=', '>', '>='])} {one()}", lambda: f"{one()} IS {one()}", lambda: f"{one()} IS NOT {one()}",
            lambda: f"{one()} BETWEEN {one()} AND {one()}", lambda: f"{one()} IN ({one()}, {one()})", lambda: f"{one()} NOT IN ({one()}, {one()})",
            lambda: f"{one()} IS NULL", lambda: f"{one()} IS NOT NULL", lambda: f"{one()} NOTNULL",
            lambda: f"{bracketed()} AND {condition()}", lambda: f"{bracketed()} OR {bracketed()}", lambda: f"NOT {bracketed()}", lambda: f"NOT {one()} = {one()}",
            lambda: f"{self.inner('text', depth)} LIKE {pattern()}", lambda: f"{self.inner('text', depth)} NOT LIKE {pattern()}", lambda: f"{self.column('s')} LIKE {self.column('t')} || '%'",
            lambda: f"{self.inner('text', depth)} LIKE {pattern()} ESCAPE '\\'", lambda: f"{self.inner('text', depth)} GLOB {glob()}", lambda: f"{self.inner('text', depth)} NOT GLOB {glob()}",
            lambda: f"{self.column('b')} = {draw.randrange(3)}", lambda: f"{self.column('b', 'c')} IS {draw.choice(['1', '0', 'TRUE', 'NOT FALSE', 'NOT 1'])}", lambda: f"{self.column('b')} <> {self.column('c')}",
            lambda: f"json_valid({self.inner('text', depth)})", lambda: f"EXISTS (SELECT 1 FROM r o WHERE o.q = {self.inner('int', depth)})",
            lambda: f"{self.inner('int', depth)} IN (SELECT o.q FROM r o WHERE o.k < 5)", lambda: f"({self.column('i')}, {self.column('q')}) < ({self.inner('int', depth)}, {self.inner('int', depth)})",
            lambda: f"iif({condition()}, {bracketed()}, {bracketed()})",
        ])()

    def bytes(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("x", "y"), f"X'{draw.choice(BYTES).hex()}'"])
        of = lambda kind: self.expression(kind, depth - 1)  # pylint: disable=unnecessary-lambda-assignment
        return self.any_of("bytes", depth, [
            lambda: f"substr({of('bytes')}, {draw.randrange(-4, 5)})", lambda: f"substr({of('bytes')}, {draw.randrange(-4, 5)}, {draw.randrange(-3, 4)})", lambda: f"CAST({of('text')} AS BLOB)",
            lambda: f"max({of('bytes')}, {of('bytes')})", lambda: self.column("x"),
        ])

    def big(self, depth):
        draw = self.draw
        if depth <= 0:
            return draw.choice([self.column("m", "n"), f"i256({self.column('q')})", "i256('0xff')", "i256('340282366920938463463374607431768211456')"])
        of = lambda kind: self.expression(kind, depth - 1)  # pylint: disable=unnecessary-lambda-assignment
        return self.any_of("big", depth, [
            *[lambda f=f: f"i256_{f}({of('big')}, {of('big')})" for f in ("add", "sub", "mul", "div", "mod")], lambda: f"i256_neg({of('big')})", lambda: f"i256_abs({of('big')})",
            lambda: f"i256({of('int')})", lambda: f"i256(CAST({of('int')} AS TEXT))", lambda: f"max({of('big')}, {of('big')})",
            lambda: f"(SELECT {draw.choice(['i256_sum(o.m)', 'max(o.n)', 'min(o.m)'])} FROM r o WHERE o.q = {self.inner('int', depth)})",
        ])


def select(draw):
    """A SELECT whose rows have one order."""
    e, a, b = Expressions(draw), Expressions(draw, "a."), Expressions(draw, "b.")
    kind = draw.choice(["int", "real", "text", "bool", "bytes", "big"])
    down = lambda: draw.choice(["", " ASC", " DESC", " NULLS LAST"])  # pylint: disable=unnecessary-lambda-assignment
    frame = draw.choice(["", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS UNBOUNDED PRECEDING"])
    return draw.choice([
        lambda: f"SELECT k, {e.expression(kind)} AS v FROM r ORDER BY v{down()}, k",
        lambda: f"SELECT {e.expression(kind)}, k FROM r ORDER BY 1{down()}, 2 LIMIT {draw.randrange(20)} OFFSET {draw.randrange(5)}",
        lambda: f"SELECT {e.expression(kind, 2)} AS g, count(*), sum(q), avg(q), min(s), max(t), total(q), sum(b), sum({e.expression('bool', 2)}), max(x), min(c), count(DISTINCT s), i256_sum(n), max(f) FROM r GROUP BY 1 ORDER BY g{down()}",
        lambda: f"SELECT s, count(*) AS n FROM r WHERE {e.expression('bool', 2)} GROUP BY s HAVING count(*) > 1 ORDER BY n DESC, s",
        lambda: f"SELECT k, row_number() OVER (PARTITION BY s ORDER BY {e.expression(kind, 2)}{down()}, k), lag(i, 2) OVER w, lead(t, 1, '-') OVER w, first_value(q) OVER w, sum(q) OVER (ORDER BY k{frame}), count(b) OVER (PARTITION BY b), ntile(3) OVER w FROM r WINDOW w AS (ORDER BY f{down()}, k) ORDER BY k",
        lambda: f"SELECT a.k, b.k, {a.expression(kind, 2)} FROM r a {draw.choice(['JOIN', 'LEFT JOIN', 'CROSS JOIN', 'INNER JOIN'])} r AS b ON a.q = b.q AND {b.expression('bool', 1)} ORDER BY a.k, b.k LIMIT 60",
        lambda: f"SELECT a.k, b.v FROM r a, (SELECT k, {e.expression(kind, 2)} AS v FROM r) b WHERE b.k = a.q ORDER BY a.k",
        lambda: f"SELECT count(*), max(v) FROM (SELECT {e.expression('int', 2)} AS v FROM r WHERE {e.expression('bool', 2)})",
        lambda: f"WITH c AS (SELECT k, {e.expression(kind, 2)} AS v FROM r), n(k, w) AS (VALUES (1, 'one'), (2, 'two'), (3, NULL)) SELECT c.k, c.v, n.w FROM c LEFT JOIN n ON n.k = c.k ORDER BY n.w, c.k",
        lambda: f"SELECT k, v FROM (SELECT k, {e.expression(kind, 2)} AS v FROM r UNION ALL SELECT k, {e.expression(kind, 1)} FROM r WHERE q > 0) ORDER BY k, v",
        lambda: "SELECT r.k, CAST(e.key AS TEXT), CAST(e.value AS TEXT), e.type, CAST(e.atom AS TEXT) FROM r, json_each(r.d) e WHERE r.d IS NOT NULL ORDER BY r.k, CAST(e.key AS INTEGER), e.key",
        lambda: f"SELECT DISTINCT {e.expression(kind, 2)} AS v FROM r ORDER BY v",
    ])()
