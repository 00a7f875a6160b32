"""Several `plumb run` on one store while they are killed, stopped, cut off, and the server dies: tables, ledger and marks come out as a
computation in this file says, which knows nothing of workers.

PLUMB_CHAOS_ROUNDS=200 for an evening; CI takes fewer.
"""
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import defaultdict

import pytest
from postgres.server import NoPostgres, Postgres

# A sanitized program is slow, and beside it this tries little that it does not try elsewhere.
ROUNDS = int(os.environ.get("PLUMB_CHAOS_ROUNDS", "4" if "ASAN_OPTIONS" in os.environ else "12"))
SOURCES = "abcd"
SETTLE_SECONDS_MAX = 90
FLOW = """\
flow: chaos
store: {store}
sources:
{sources}
tables:
  moves: {{columns: {{id: int64, account: int64, amount: int64, at: int64}}, key: [id]}}
  newest: {{columns: {{account: int64, at: int64, name: text}}, key: [account]}}
  balances: {{columns: {{account: int64, total: int64, moves: int64}}, key: [account]}}
  summary: {{columns: {{account: int64, total: int64, name: text}}, key: [account]}}
transforms:
{maps}
  balances: {{from: tables.moves, into: balances, sum: "SELECT account, amount AS total, 1 AS moves FROM change"}}
  summary:
    on: [balances, newest]
    into: summary
    derive: |
      SELECT c.account, b.total, n.name FROM changed c JOIN balances b ON b.account = c.account LEFT JOIN newest n ON n.account = c.account
"""
SOURCE = '  {name}: {{type: file, path: "in/{name}-*.jsonl", columns: {{id: int64, account: int64, amount: int64, at: int64}}}}'
MAPS = """\
  moves_{name}: {{from: {name}, into: moves, latest_by: [at], sql: "SELECT id, account, amount, at FROM batch"}}
  newest_{name}: {{from: {name}, into: newest, latest_by: [at], sql: "SELECT account, at, 'n' || at AS name FROM batch"}}"""


class World:
    """What was given to the sources, and what must become of it."""

    def __init__(self, directory, seed):
        self.directory, self.random, self.records, self.files = directory, random.Random(seed), [], 0
        (directory / "in").mkdir()

    def add(self, count):
        name = self.random.choice(SOURCES)
        fresh = [{"id": len(self.records) + i, "account": self.random.randrange(40), "amount": self.random.randrange(-50, 90),
                  "at": len(self.records) + i} for i in range(count)]
        self.records += fresh
        again = self.random.sample(self.records, min(len(self.records), 5))  # twice is once
        path = self.directory / "in" / f"{name}-{self.files:05}.jsonl"
        self.files += 1
        temporary = path.with_suffix(".part")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in fresh + again))
        temporary.rename(path)

    def expected(self):
        totals, newest = defaultdict(lambda: [0, 0]), {}
        for record in self.records:
            totals[record["account"]][0] += record["amount"]
            totals[record["account"]][1] += 1
            newest[record["account"]] = record["at"]
        return {"moves": sorted((r["id"], r["account"], r["amount"]) for r in self.records),
                "newest": sorted((account, at, f"n{at}") for account, at in newest.items()),
                "balances": sorted((account, total, count) for account, (total, count) in totals.items()),
                "summary": sorted((account, total, f"n{newest[account]}") for account, (total, _) in totals.items())}


class Workers:
    def __init__(self, program, flow, log):
        self.program, self.flow, self.log, self.processes = program, flow, log, []

    def start(self):
        environment = {**self.program.environment(), "PLUMB_FAULT": "hurry"}
        # pylint: disable=consider-using-with # they live as long as chaos lets them
        self.processes.append(subprocess.Popen([str(self.program.path), "run", str(self.flow)], env=environment, stdout=self.log, stderr=self.log))

    def alive(self):
        self.processes = [p for p in self.processes if p.poll() is None]
        return self.processes

    def end(self):
        for process in self.alive():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


class Link:
    """A way to the server that can be cut: nothing comes through any more, and nobody is told."""

    def __init__(self, port):
        self.target, self.cut, self.ending = port, threading.Event(), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ending:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                while self.cut.is_set() and not self.ending:
                    time.sleep(0.01)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.ending = True
        self.listener.close()


def kill(server, workers, link, chance):
    """kill -9 of a worker; another comes."""
    del server, link
    chance.choice(workers.alive()).kill()
    time.sleep(0.02)
    workers.start()


def pause(server, workers, link, chance):
    """Stopped for longer than its leases and its transaction may last, and then it goes on."""
    del server, link
    process = chance.choice(workers.alive())
    process.send_signal(signal.SIGSTOP)
    time.sleep(chance.choice([0.05, 1.3, 2.5]))
    process.send_signal(signal.SIGCONT)


def terminate(server, workers, link, chance):
    """pg_terminate_backend of some or all."""
    del workers, link
    share = chance.choice([1, 2, 100])
    server.superuser(f"SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'plumb%' ORDER BY random() "
                     f"LIMIT {share}) AS victims")


def crash(server, workers, link, chance):
    """The server dies at once and comes back."""
    del workers, link, chance
    server.restart(signal.SIGQUIT)


def cut(server, workers, link, chance):
    """Nothing gets through for longer than leases last."""
    del server, workers
    link.cut.set()
    time.sleep(chance.choice([0.1, 1.5]))
    link.cut.clear()


def nothing(server, workers, link, chance):
    del server, link
    if chance.random() < 0.5 and len(workers.alive()) < 8:
        workers.start()
    elif len(workers.alive()) > 1:
        workers.alive()[0].terminate()  # an orderly end


def tables(server, world):
    with server.connect() as connection, connection.cursor() as cursor:
        found = {}
        cursor.execute("SELECT to_regclass('chaos._plumb_transforms') IS NULL OR to_regclass('chaos.summary') IS NULL")
        if cursor.fetchone()[0]:
            return found
        for table in world.expected():
            cursor.execute(f"SELECT * FROM chaos.{table}")
            found[table] = sorted(row for row in cursor.fetchall())
    connection.close()
    for table in ("balances",):  # plumb's own column comes last
        found[table] = [row[:3] for row in found[table]]
    found["moves"] = [row[:3] for row in found["moves"]]
    found["newest"] = [row[:3] for row in found["newest"]]
    return found


def settle(server, world):
    """Waits until the tables are what they must be; what is there at the end."""
    until, found = time.monotonic() + SETTLE_SECONDS_MAX, {}
    while time.monotonic() < until:
        found = tables(server, world)
        if found == world.expected():
            break
        time.sleep(0.2)
    return found


def wrong_ledger(server):
    """Batches and maps whose line is missing, or does not add up."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT b.id, t.name FROM chaos._plumb_batches b JOIN chaos._plumb_partitions p ON p.id = b.partition JOIN chaos._plumb_transforms t ON "
                       "t.kind = 'map' AND right(t.name, 2) = '_' || p.source LEFT JOIN chaos._plumb_ledger l ON l.batch = b.id AND l.transform = t.name "
                       "WHERE l.batch IS NULL OR l.rows_in <> b.decoded OR l.rows_in <> l.records_out + l.filtered + l.rejected OR "
                       "l.rows_out <> l.inserted + l.updated + l.unchanged + l.superseded UNION ALL "
                       "SELECT p.id, 'partition' FROM chaos._plumb_partitions p WHERE p.records <> (SELECT sum(records - taken_back) FROM chaos._plumb_batches b "
                       "WHERE b.partition = p.id) OR p.last_seq <> (SELECT count(*) FROM chaos._plumb_batches b WHERE b.partition = p.id)")
        rows = cursor.fetchall()
    connection.close()
    return rows


def place(directory, store):
    flow = directory / "flow.yaml"
    flow.write_text(FLOW.format(store=store, sources="\n".join(SOURCE.format(name=name) for name in SOURCES),
                                maps="\n".join(MAPS.format(name=name) for name in SOURCES)))
    return flow


def test_who_is_left_takes_over(plumb, tmp_path):
    """One of two is killed, and nobody comes instead: the other reads all sources."""
    try:
        server = Postgres()
    except NoPostgres as error:
        pytest.skip(str(error))
    with server, open(tmp_path / "log", "wb") as log:
        world = World(tmp_path, 7)
        workers = Workers(plumb, place(tmp_path, f"{server.url()}?schema=chaos"), log)
        try:
            for _ in range(2):
                workers.start()
            for _ in range(8):
                world.add(20)
            assert settle(server, world) == world.expected()
            assert len(set(holders(server, 2).values())) == 2
            workers.alive()[0].kill()
            began = time.monotonic()
            for _ in range(8):
                world.add(20)
            assert settle(server, world) == world.expected()
            print(f"handed over in {time.monotonic() - began:.1f} s")
            assert len(set(holders(server, 1).values())) == 1
        finally:
            workers.end()


def holders(server, readers):
    """{source: who reads it}, once every source has a reader and there are so many of them."""
    found = {}
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while (len(found) < len(SOURCES) or len(set(found.values())) != readers) and time.monotonic() < until:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT unit, split_part(holder, ' ', 3) FROM chaos._plumb_leases WHERE unit LIKE 'source:%' AND "
                           "until_us > extract(epoch FROM clock_timestamp()) * 1000000")
            found = dict(cursor.fetchall())
        connection.close()
    return found


@pytest.mark.parametrize("way", ["direct", "pgbouncer"])
def test_chaos(plumb, tmp_path, way):
    seed = int(os.environ.get("PLUMB_CHAOS_SEED", "1"))
    print(f"seed {seed}, {ROUNDS} rounds, {way}")
    try:
        server = Postgres()
    except NoPostgres as error:
        pytest.skip(str(error))
    with server, open(tmp_path / "log", "wb") as log:
        near = server.bouncer(pool=20).port if way == "pgbouncer" else server.port
        link = Link(near)
        world = World(tmp_path, seed)
        flow = place(tmp_path, f"postgres://plumb@127.0.0.1:{link.port}/plumb?schema=chaos")
        workers = Workers(plumb, flow, log)
        try:
            world.add(50)
            for _ in range(1 + seed % 4):
                workers.start()
            for number in range(ROUNDS):
                world.add(world.random.choice([1, 50, 400]))
                action = world.random.choice([kill, kill, pause, terminate, cut, nothing, nothing] + [crash] * (number % 6 == 5))
                print(number, action.__name__, len(workers.alive()))
                action(server, workers, link, world.random)
                time.sleep(world.random.choice([0, 0.05, 0.3]))
                if not workers.alive():
                    workers.start()
            found = settle(server, world)
        finally:
            workers.end()
            link.close()
        told = (tmp_path / "log").read_text(errors="replace")
        print(told[-4000:])
        for table, rows in world.expected().items():
            assert found[table] == rows, table
        assert wrong_ledger(server) == []
