"""What one worker is held up with, another need not wait for."""
import json
import os
import subprocess
import time

import pytest

FLOW = """\
flow: share
store: {store}
sources:
  events: {{type: file, path: "in/*.jsonl", columns: {{id: int64, name: text}}}}
tables:
  plain: {{columns: {{id: int64, name: text}}, key: [id]}}
  best: {{columns: {{name: text, top: int64}}, key: [name]}}
transforms:
  plain: {{from: events, into: plain, sql: "SELECT id, name FROM batch"}}
  best: {{on: {{plain: [name]}}, into: best, derive: "SELECT k.name, max(p.id) AS top FROM changed k JOIN plain p ON p.name = k.name GROUP BY k.name"}}
"""
KEYS = 64
SECONDS_MAX = 60


def wait_for(what, is_so):
    end = time.monotonic() + SECONDS_MAX
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture(name="start")
def fixture_start(plumb):
    processes = []

    def start(flow):
        environment = {**plumb.environment(), "PLUMB_FAULT": "hurry"}
        # pylint: disable=consider-using-with # they live as long as the test
        processes.append(subprocess.Popen([str(plumb.path), "run", str(flow)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield start
    for process in processes:
        process.terminate()
        process.wait()


def add(directory, name, first):
    temporary = directory / "in" / f"{name}.part"
    temporary.write_text("".join(json.dumps({"id": first + i, "name": f"n{i}"}) + "\n" for i in range(KEYS)))
    os.rename(temporary, directory / "in" / f"{name}.jsonl")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_derive_is_shared_by_its_keys(plumb, start, postgres, database, psql, tmp_path, workers):
    """Somebody holds one key of the result. The worker at that key waits, and all keys of its buckets with it; a second worker does the
    others. One worker alone has all buckets, and nothing moves: that is the twin."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "none.jsonl").touch()
    flow = tmp_path / "flow.yaml"
    flow.write_text(FLOW.format(store=postgres.url(database)))
    assert plumb.run("run", "--once", flow).code == 0
    for _ in range(workers):
        start(flow)
    wait_for("the workers", lambda: psql("SELECT count(*) FROM share._plumb_leases WHERE unit LIKE 'worker:%'") == [(workers,)])
    time.sleep(0.5)  # until each has heard of the other
    with postgres.connect(database, autocommit=False) as holder:
        with holder.cursor() as cursor:
            cursor.execute("INSERT INTO share.best VALUES ('n7', 0)")
        add(tmp_path, "first", 0)
        wait_for("a worker that waits", lambda: psql("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'transactionid'") == [(True,)])
        if workers == 1:
            time.sleep(0.5)
            assert psql("SELECT count(*) FROM share.best") == [(0,)]
        else:
            wait_for("keys of the other worker", lambda: psql("SELECT count(*) > 0 FROM share.best") == [(True,)])
        assert psql("SELECT count(*) FROM share.best WHERE name = 'n7'") == [(0,)]
        holder.rollback()
    wait_for("all keys", lambda: psql("SELECT count(*), count(DISTINCT top) FROM share.best") == [(KEYS, KEYS)])
    assert psql("SELECT name, top FROM share.best ORDER BY top") == [(f"n{i}", i) for i in range(KEYS)]


def lease(psql, unit, holder, seconds):
    psql("INSERT INTO share._plumb_leases(unit, holder, until_us) VALUES (%s, %s, (extract(epoch FROM clock_timestamp()) + %s) * 1000000) "
         "ON CONFLICT (unit) DO UPDATE SET holder = excluded.holder, until_us = excluded.until_us", unit, holder, seconds)


@pytest.mark.parametrize("worker", ["dead here", "dead elsewhere", "alive elsewhere"])
def test_a_run_that_ends_by_itself_does_what_a_dead_worker_left(plumb, postgres, database, psql, tmp_path, worker):
    """A crash and then `run --once`: the leases of the dead have not ended yet. Only to one that lives a source is left, and that is told."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "none.jsonl").touch()
    flow = tmp_path / "flow.yaml"
    flow.write_text(FLOW.format(store=postgres.url(database)))
    assert plumb.run("run", "--once", flow).code == 0
    assert psql("SELECT unit FROM share._plumb_leases") == []
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, check=True, text=True).stdout.strip()
    here = f"{os.uname().nodename} {os.readlink('/proc/self/ns/pid')} {dead} 5f3a"
    holder = here if worker == "dead here" else f"{os.uname().nodename} pid:[1] {dead} 5f3a"
    seconds = {"dead here": 3600, "dead elsewhere": 0.7, "alive elsewhere": 3600}[worker]
    for unit in ("source:events", f"worker:{holder}"):
        lease(psql, unit, holder, seconds)
    add(tmp_path, "first", 0)
    result = plumb.run("run", "--once", flow, env={"PLUMB_FAULT": "hurry"})
    assert result.code == 0
    is_read = worker != "alive elsewhere"
    assert ("source=events is left to another worker" in result.stderr) == (not is_read)
    assert psql("SELECT count(*) FROM share.best") == [(KEYS if is_read else 0,)]
    assert psql("SELECT count(*) FROM share._plumb_leases") == [(0 if is_read else 2,)]
