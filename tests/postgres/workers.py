"""The protocol of docs/adr/0010-workers.md as a model: as little as has the same races.

A source has partitions of records (a pure function of partition and number). A worker stages them in batches (extract), puts
them into `items` where the newest version wins (map), counts items and their amounts by group (sum), and keeps for each group its
largest item (derive). `expected()` computes the same without a database.

A unit is a function of a connection, one transaction each. `Rules` takes single rules away, for the tests that show that each is needed.
"""
import contextlib
import random
import time
from dataclasses import dataclass

PARTITIONS, RECORDS, BATCH, KEYS, GROUPS, BUCKETS = 3, 60, 4, 25, 6, 4

SCHEMA = """
CREATE TABLE partitions(id int PRIMARY KEY, last_seq bigint NOT NULL, cursor bigint NOT NULL);
CREATE TABLE batches(partition int, seq bigint, first bigint, count bigint, PRIMARY KEY(partition, seq));
CREATE TABLE leases(unit text PRIMARY KEY, holder text, until timestamptz);
CREATE TABLE marks(unit text PRIMARY KEY, seq bigint NOT NULL);
CREATE TABLE items(id bigint PRIMARY KEY, grp bigint, amount bigint, version bigint);
CREATE TABLE totals(grp bigint PRIMARY KEY, items bigint, amount bigint);
CREATE TABLE largest(grp bigint PRIMARY KEY, amount bigint);
CREATE TABLE q_totals(sign int, grp bigint, amount bigint);
CREATE TABLE q_largest(n bigserial PRIMARY KEY, grp bigint {unique});
CREATE FUNCTION capture() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO q_totals SELECT -1, grp, amount FROM old_rows;
        INSERT INTO q_largest(grp) SELECT DISTINCT grp FROM old_rows ORDER BY 1 {conflict};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO q_totals SELECT 1, grp, amount FROM new_rows;
        INSERT INTO q_largest(grp) SELECT DISTINCT grp FROM new_rows ORDER BY 1 {conflict};
    END IF;
    RETURN NULL;
END $f$;
CREATE TRIGGER i AFTER INSERT ON items REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION capture();
CREATE TRIGGER u AFTER UPDATE ON items REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION capture();
CREATE TRIGGER d AFTER DELETE ON items REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION capture();
"""


@dataclass(frozen=True)
class Rules:
    """What of the protocol holds. All of it, unless a test says otherwise."""
    lock_then_look: bool = True    # False: one snapshot for the whole transaction, lock included
    compare_then_set: bool = True  # False: the mark is set to what we think comes next
    append: bool = True            # False: a key that is queued is not queued again
    one_worker_a_key: bool = True  # False: queued rows are locked instead, and what others hold is skipped
    ask_behind_lock: bool = True   # False: an unknown commit is taken for a failed one, or the mark is read without the lock


class Beaten(Exception):
    """Somebody else was faster, or is at it: roll back, do something else."""


def record(partition, number):
    """(id, group, amount, version): versions differ everywhere, so that the newest is one."""
    rng = random.Random(partition * 1_000_003 + number)
    return rng.randrange(KEYS), rng.randrange(GROUPS), rng.randrange(-50, 1000), number * PARTITIONS + partition


def expected():
    items = {}
    for partition in range(PARTITIONS):
        for number in range(RECORDS):
            key, group, amount, version = record(partition, number)
            if key not in items or version > items[key][2]:
                items[key] = (group, amount, version)
    groups = {}
    for group, amount, _ in items.values():
        groups.setdefault(group, []).append(amount)
    return {"items": sorted((key, *value) for key, value in items.items()),
            "totals": sorted((group, len(amounts), sum(amounts)) for group, amounts in groups.items()),
            "largest": sorted((group, max(amounts)) for group, amounts in groups.items())}


def create(connection, rules=Rules()):
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA.format(unique="" if rules.append else "UNIQUE", conflict="" if rules.append else "ON CONFLICT DO NOTHING"))
        cursor.executemany("INSERT INTO partitions VALUES (%s, 0, 0)", [(p,) for p in range(PARTITIONS)])
        cursor.executemany("INSERT INTO marks VALUES (%s, 0)", [(f"map:{p}",) for p in range(PARTITIONS)])


def state(connection):
    with connection.cursor() as cursor:
        tables = {}
        for table in ("items", "totals", "largest"):
            cursor.execute(f"SELECT * FROM {table}")
            tables[table] = sorted(cursor.fetchall())
        return tables


# ---- parts of units ----


def begin(cursor, rules):
    level = "READ COMMITTED" if rules.lock_then_look else "REPEATABLE READ"
    cursor.execute(f"BEGIN ISOLATION LEVEL {level}; SET LOCAL idle_in_transaction_session_timeout = '700ms'; SET LOCAL lock_timeout = '20s'")


def lock(cursor, unit, wait=False):
    name = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    cursor.execute(f"SELECT {name}(hashtextextended(%s, 0))", (unit,))
    if not wait and not cursor.fetchone()[0]:
        raise Beaten(unit)


def mark_get(cursor, unit):
    cursor.execute("SELECT seq FROM marks WHERE unit = %s", (unit,))
    return cursor.fetchone()[0]


def mark_move(cursor, unit, seq, rules):
    if rules.compare_then_set:
        cursor.execute("UPDATE marks SET seq = %s WHERE unit = %s AND seq = %s", (seq + 1, unit, seq))
        if cursor.rowcount != 1:
            raise Beaten(unit)
    else:
        cursor.execute("UPDATE marks SET seq = %s WHERE unit = %s", (seq + 1, unit))


def lease(cursor, unit, holder, seconds=0.5):
    """True when it is ours now, for so long. By the server's clock. A statement of its own."""
    cursor.execute("INSERT INTO leases VALUES (%s, %s, clock_timestamp() + %s * interval '1 second') ON CONFLICT (unit) DO UPDATE "
                   "SET holder = excluded.holder, until = excluded.until WHERE leases.holder = excluded.holder OR leases.until < clock_timestamp() "
                   "RETURNING 1", (unit, holder, seconds))
    return cursor.fetchone() is not None


# ---- units: each returns what it did, None when there was nothing to do; the caller commits ----


def extract_read(cursor, partition):
    """Where the source is, and what would be staged next. What happens outside happens after this."""
    cursor.execute("SELECT last_seq, cursor FROM partitions WHERE id = %s", (partition,))
    return cursor.fetchone()


def extract_stage(cursor, partition, read, rules):
    last_seq, position = read
    count = min(BATCH, RECORDS - position)
    if count <= 0:
        return None
    if rules.compare_then_set:
        cursor.execute("UPDATE partitions SET last_seq = %s, cursor = %s WHERE id = %s AND last_seq = %s",
                       (last_seq + 1, position + count, partition, last_seq))
        if cursor.rowcount != 1:
            raise Beaten(f"extract:{partition}")
    else:  # whoever comes last is right; the batch gets the next free number
        cursor.execute("SELECT coalesce(max(seq), 0) FROM batches WHERE partition = %s", (partition,))
        last_seq = cursor.fetchone()[0]
        cursor.execute("UPDATE partitions SET last_seq = %s, cursor = %s WHERE id = %s", (last_seq + 1, position + count, partition))
    cursor.execute("INSERT INTO batches VALUES (%s, %s, %s, %s)", (partition, last_seq + 1, position, count))
    return last_seq + 1


def map_apply(cursor, partition, rules):
    lock(cursor, f"map:{partition}")
    seq = mark_get(cursor, f"map:{partition}")
    cursor.execute("SELECT first, count FROM batches WHERE partition = %s AND seq = %s", (partition, seq + 1))
    batch = cursor.fetchone()
    if batch is None:
        return None
    newest = {}
    for number in range(batch[0], batch[0] + batch[1]):
        row = record(partition, number)
        if row[0] not in newest or row[3] > newest[row[0]][3]:
            newest[row[0]] = row
    for row in sorted(newest.values()):  # in the order of keys: fewer deadlocks
        cursor.execute("INSERT INTO items VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET grp = excluded.grp, amount = excluded.amount, "
                       "version = excluded.version WHERE items.version < excluded.version", row)
    mark_move(cursor, f"map:{partition}", seq, rules)
    return seq + 1


def sum_apply(cursor):
    lock(cursor, "sum")
    cursor.execute("WITH taken AS (DELETE FROM q_totals RETURNING sign, grp, amount) INSERT INTO totals AS t SELECT grp, sum(sign), sum(sign * amount) "
                   "FROM taken GROUP BY grp ORDER BY grp ON CONFLICT (grp) DO UPDATE SET items = t.items + excluded.items, "
                   "amount = t.amount + excluded.amount")
    changed = cursor.rowcount
    cursor.execute("DELETE FROM totals WHERE items = 0")
    return changed or None


def derive_take(cursor, bucket, rules):
    """Rule 3: exactly the rows that were read go."""
    if rules.one_worker_a_key:
        lock(cursor, f"derive:{bucket}")
        cursor.execute("DELETE FROM q_largest WHERE grp %% %s = %s RETURNING grp", (BUCKETS, bucket))
    else:
        cursor.execute("DELETE FROM q_largest WHERE n IN (SELECT n FROM q_largest WHERE grp %% %s = %s FOR UPDATE SKIP LOCKED) RETURNING grp",
                       (BUCKETS, bucket))
    return sorted({group for (group,) in cursor.fetchall()})


def derive_read(cursor, groups):
    cursor.execute("SELECT grp, max(amount) FROM items WHERE grp = ANY(%s) GROUP BY grp", (groups,))
    return dict(cursor.fetchall())


def derive_write(cursor, groups, results):
    for group in groups:
        if group in results:
            cursor.execute("INSERT INTO largest VALUES (%s, %s) ON CONFLICT (grp) DO UPDATE SET amount = excluded.amount", (group, results[group]))
        else:
            cursor.execute("DELETE FROM largest WHERE grp = %s", (group,))
    return len(groups) or None


def derive_apply(cursor, bucket, rules):
    groups = derive_take(cursor, bucket, rules)
    return derive_write(cursor, groups, derive_read(cursor, groups)) if groups else None


# ---- a worker: units in random order until nothing is left to do ----


def is_done(cursor):
    cursor.execute("SELECT (SELECT count(*) FROM partitions WHERE cursor < %s) + (SELECT count(*) FROM partitions p JOIN marks m ON m.unit = "
                   "'map:' || p.id WHERE m.seq < p.last_seq) + (SELECT count(*) FROM (SELECT 1 FROM q_totals LIMIT 1) a) + (SELECT count(*) FROM "
                   "(SELECT 1 FROM q_largest LIMIT 1) b)", (RECORDS,))
    return cursor.fetchone()[0] == 0


class Worker:
    """One process' loop. connect() gives a new connection; errors of the database mean: again, anew."""

    def __init__(self, connect, errors, name, seed, rules=Rules()):
        self.connect, self.errors, self.name, self.rules = connect, errors, name, rules
        self.rng = random.Random(seed)
        self.connection = None
        self.done = 0

    def unit(self, cursor):
        kind = self.rng.choice(["extract", "map", "map", "sum", "derive", "derive"])
        partition = self.rng.randrange(PARTITIONS)
        if kind == "extract":
            if not lease(cursor, f"extract:{partition}", self.name):
                return None
            read = extract_read(cursor, partition)
            time.sleep(self.rng.random() * 0.004)  # the source answers; nothing is open meanwhile
            begin(cursor, self.rules)
            return extract_stage(cursor, partition, read, self.rules)
        begin(cursor, self.rules)
        if kind == "map":
            return map_apply(cursor, partition, self.rules)
        if kind == "sum":
            return sum_apply(cursor)
        return derive_apply(cursor, self.rng.randrange(BUCKETS), self.rules)

    def turn(self):
        """One unit, one transaction. A commit without an answer needs nothing more here: the next turn looks behind the lock."""
        if self.connection is None or self.connection.closed:
            self.connection = self.connect()
        with self.connection.cursor() as cursor:
            try:
                if self.unit(cursor) is not None:
                    self.done += 1
                cursor.execute("COMMIT")
            except Beaten:
                cursor.execute("ROLLBACK")
            return is_done(cursor)

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if self.turn():
                    return True
            except self.errors:
                if self.connection is not None:
                    with contextlib.suppress(self.errors):
                        self.connection.close()
                self.connection = None
                time.sleep(0.005 + self.rng.random() * 0.02)
        return False
