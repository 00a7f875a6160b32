"""docs/adr/0010-workers.md: each rule of the protocol in the interleaving that needs it, right with it and wrong without it; and random
schedules of workers that are killed, stopped and cut off."""
import contextlib
import multiprocessing
import os
import random
import signal
import time

import pytest
from postgres import workers
from postgres.server import NoPostgres, Postgres, connect
from postgres.workers import Beaten, Rules

psycopg2 = pytest.importorskip("psycopg2")

RUN_SECONDS_MAX = 60
# 200 for an evening; one beside a sanitized program, which this does not run anyway
SEEDS = int(os.environ.get("PLUMB_WORKER_SEEDS", "1" if "ASAN_OPTIONS" in os.environ else "4"))


@pytest.fixture(name="two")
def two_connections(postgres, database):
    """two(rules) -> cursors of two workers on a fresh store, and one to look with."""
    opened = []

    def make(rules):
        opened.extend(connect(postgres.url(database)) for _ in range(3))
        workers.create(opened[0], rules)
        return [connection.cursor() for connection in opened]

    yield make
    for connection in opened:
        connection.close()


def rest(cursor):
    """One worker, undisturbed, to the end."""
    worker = workers.Worker(lambda: cursor.connection, psycopg2.Error, "rest", 1)
    assert worker.run(RUN_SECONDS_MAX), "it did not come to an end"
    return workers.state(cursor.connection)


def staged(cursor, partition, batches=1):
    for _ in range(batches):
        workers.begin(cursor, Rules())
        workers.extract_stage(cursor, partition, workers.extract_read(cursor, partition), Rules())
        cursor.execute("COMMIT")


def count(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchone()[0]


def test_the_model_is_right_alone(two):
    _, _, look = two(Rules())
    assert rest(look) == workers.expected()


@pytest.mark.parametrize("holds", [True, False])
def test_a_worker_that_slept_through_its_lease_is_turned_away(two, holds):
    """Rule 2. A reads, sleeps; B takes the lease over and stages; A wakes and stages what it has read."""
    rules = Rules(compare_then_set=holds)
    a, b, look = two(rules)
    assert workers.lease(a, "extract:0", "a", seconds=0.05) and not workers.lease(b, "extract:0", "b")
    read = workers.extract_read(a, 0)
    until = time.monotonic() + 30
    while not workers.lease(b, "extract:0", "b"):
        assert time.monotonic() < until
    staged(b, 0)
    workers.begin(a, rules)
    if holds:
        with pytest.raises(Beaten):
            workers.extract_stage(a, 0, read, rules)
        a.execute("ROLLBACK")
    else:
        workers.extract_stage(a, 0, read, rules)
        a.execute("COMMIT")
    doubled = count(look, "SELECT count(*) FROM batches WHERE partition = 0 AND first = 0")
    assert doubled == (1 if holds else 2)


@pytest.mark.parametrize("holds", [True, False])
def test_the_mark_is_read_after_the_lock_is_there(two, holds):
    """Rule 1. B's transaction begins to wait for the lock while A is at the batch, and gets it when A has committed."""
    rules = Rules(lock_then_look=holds)
    a, b, _ = two(rules)
    staged(a, 0, batches=2)
    workers.begin(a, rules)
    assert workers.map_apply(a, 0, rules) == 1
    workers.begin(b, rules)
    with pytest.raises(Beaten):
        workers.lock(b, "map:0")  # the snapshot of a transaction with one is taken here
    a.execute("COMMIT")
    workers.lock(b, "map:0", wait=True)
    seq = workers.mark_get(b, "map:0")
    assert seq == (1 if holds else 0), "what the last holder committed must be seen"
    b.execute("ROLLBACK")


@pytest.mark.parametrize("holds", [True, False])
def test_a_change_behind_a_queued_key_is_not_lost(two, holds):
    """Rule 3. The key is queued; A changes it again and has not committed; B takes the queued key and reads what it sees."""
    rules = Rules(append=holds)
    a, b, look = two(rules)
    a.execute("INSERT INTO items VALUES (1, 0, 10, 1)")
    workers.begin(a, rules)
    a.execute("UPDATE items SET amount = 99, version = 2 WHERE id = 1")
    workers.begin(b, rules)
    assert workers.derive_apply(b, 0, rules) == 1
    b.execute("COMMIT")
    a.execute("COMMIT")
    workers.begin(b, rules)
    workers.derive_apply(b, 0, rules)
    b.execute("COMMIT")
    assert count(look, "SELECT amount FROM largest WHERE grp = 0") == (99 if holds else 10)


@pytest.mark.parametrize("holds", [True, False])
def test_an_older_evaluation_of_a_key_does_not_overwrite_a_newer_one(two, holds):
    """Rule 4. A has evaluated a key and not written; the key changes; B evaluates and writes it; A writes."""
    rules = Rules(one_worker_a_key=holds)
    a, b, look = two(rules)
    look.execute("INSERT INTO items VALUES (1, 0, 10, 1)")
    workers.begin(a, rules)
    groups = workers.derive_take(a, 0, rules)
    results = workers.derive_read(a, groups)
    look.execute("UPDATE items SET amount = 99, version = 2 WHERE id = 1")
    workers.begin(b, rules)
    if holds:
        with pytest.raises(Beaten):
            workers.derive_apply(b, 0, rules)
        b.execute("ROLLBACK")
    else:
        assert workers.derive_apply(b, 0, rules) == 1
        b.execute("COMMIT")
    workers.derive_write(a, groups, results)
    a.execute("COMMIT")
    workers.begin(b, rules)
    workers.derive_apply(b, 0, rules)
    b.execute("COMMIT")
    assert count(look, "SELECT amount FROM largest WHERE grp = 0") == (99 if holds else 10)


@pytest.mark.parametrize("holds", [True, False])
def test_an_unknown_commit_is_asked_after_behind_the_lock(two, holds):
    """Rule 5. A's commit is on its way when its client is cut off; the client comes back as B and asks for the mark at once."""
    a, b, _ = two(Rules())
    staged(a, 0, batches=1)
    workers.begin(a, Rules())
    assert workers.map_apply(a, 0, Rules()) == 1
    # From here on the client of A is gone and its COMMIT is under way; it arrives after B has asked.
    workers.begin(b, Rules())
    if holds:
        with pytest.raises(Beaten):
            workers.lock(b, "map:0")
        a.execute("COMMIT")
        workers.lock(b, "map:0", wait=True)
        assert workers.mark_get(b, "map:0") == 1
    else:
        assert workers.mark_get(b, "map:0") == 0, "it looks as if it had failed"
        a.execute("COMMIT")
        assert workers.mark_get(b, "map:0") == 1, "and it had not"
    b.execute("ROLLBACK")


def test_a_stopped_transaction_lets_go_of_its_locks(two):
    a, b, _ = two(Rules())
    workers.begin(a, Rules())  # and then nothing, as from a process that is stopped
    workers.lock(a, "map:0")
    workers.begin(b, Rules())
    started = time.monotonic()
    workers.lock(b, "map:0", wait=True)
    assert time.monotonic() - started < 20
    b.execute("ROLLBACK")
    with pytest.raises(psycopg2.Error):
        a.execute("COMMIT")


# ---- random schedules ----


def work(url, name, seed):
    workers.Worker(lambda: connect(url), psycopg2.Error, name, seed).run(RUN_SECONDS_MAX)


class Chaos:
    """Workers as processes, and what happens to them."""

    def __init__(self, server, url, seed):
        self.server, self.url, self.rng = server, url, random.Random(seed)
        self.context = multiprocessing.get_context("fork")
        self.running, self.started, self.happened = [], 0, []

    def start(self):
        self.started += 1
        process = self.context.Process(target=work, args=(self.url, f"w{self.started}", self.rng.random()))
        process.start()
        self.running.append(process)

    def disturb(self):
        what = self.rng.choice(["kill", "stop", "cut", "cut", "cut all"])
        victim = self.rng.choice(self.running)
        self.happened.append(what)
        if what == "kill":
            victim.kill()
            victim.join()
            self.running.remove(victim)
            self.start()
        elif what == "stop":
            os.kill(victim.pid, signal.SIGSTOP)
            time.sleep(self.rng.random() * 1.2)  # longer and shorter than a transaction may stand still
            os.kill(victim.pid, signal.SIGCONT)
        else:
            limit = "LIMIT 1" if what == "cut" else ""
            self.server.superuser("SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE usename = 'plumb' AND "
                                  f"datname <> 'postgres' ORDER BY random() {limit}) a")

    def run(self, count_of_workers, disturbances):
        for _ in range(count_of_workers):
            self.start()
        for _ in range(disturbances):
            time.sleep(self.rng.random() * 0.15)
            self.running = [process for process in self.running if process.is_alive()]
            if not self.running:
                break
            self.disturb()
        for process in self.running:
            process.join(RUN_SECONDS_MAX)
            if process.is_alive():
                process.kill()
                pytest.fail(f"a worker did not come to an end; happened: {self.happened}")


@pytest.fixture(name="chaos_server", scope="module")
def own_server():
    try:
        with Postgres() as server:
            server.bouncer(pool=12)
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_number_of_workers_and_accidents_give_the_same_tables(chaos_server, seed):
    rng = random.Random(seed)
    name = f"chaos_{seed}"
    chaos_server.superuser(f"CREATE DATABASE {name} OWNER plumb")
    way = chaos_server.others[0] if seed % 2 else chaos_server
    look = connect(chaos_server.url(name))
    workers.create(look)
    chaos = Chaos(chaos_server, way.url(name), seed)
    chaos.run(count_of_workers=[1, 8, 3, 5][seed % 4] if SEEDS <= 4 else rng.randrange(1, 9), disturbances=10)
    with contextlib.closing(connect(chaos_server.url(name))) as calm:
        got = rest(calm.cursor())
    assert got == workers.expected(), f"seed {seed}, happened: {chaos.happened}"
