"""What is said when a store cannot be used: which file it is, and what to do about it."""
import json
import os
import re
import shutil
import signal
import sqlite3
import time

import pytest

COMMANDS = [["run", "--once"], ["status"], ["audit"], ["rejects"], ["replay"]]


@pytest.fixture(scope="module", name="ran")
def flow_that_ran(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("messages") / "hello"
    plumb.ok("init", directory)
    plumb.ok("run", directory, "--once")
    return directory


@pytest.fixture(name="flow")
def own_copy(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "hello")
    return tmp_path / "hello"


def said(done):
    assert done.code == 1, done
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("plumb: "), done.stderr
    return lines[0]


def damage(database):
    """Overwrites every page but the first: the schema is read, and then nothing fits."""
    size = os.path.getsize(database)
    with open(database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_text_file_as_store_is_called_that(plumb, flow, command):
    (flow / "hello.db").write_text("this is my shopping list\n" * 400)
    text = said(plumb.run(command[0], flow, *command[1:]))
    assert str(flow / "hello.db") in text and "is not a SQLite database" in text and "put a backup" in text


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] != "audit"], ids=lambda c: c[0])
def test_a_damaged_store_is_named_with_what_to_do(plumb, flow, command):
    damage(flow / "hello.db")
    text = said(plumb.run(command[0], flow, *command[1:]))
    assert str(flow / "hello.db") in text and "is damaged" in text
    assert "put a backup back" in text and ".recover" in text


def test_audit_finds_a_damaged_database(plumb, flow):
    """An index that lost its rows: nothing that reads tables would notice."""
    connection = sqlite3.connect(flow / "hello.db")
    connection.execute("CREATE TABLE extra(a)")
    connection.execute("CREATE INDEX extra_a ON extra(a)")
    connection.executemany("INSERT INTO extra VALUES (?)", [(i,) for i in range(5000)])
    connection.commit()
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'extra_a'").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with open(flow / "hello.db", "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    done = plumb.run("audit", flow, "--json")
    facts = json.loads(done.stdout)
    assert done.code == 3
    found = [finding for finding in facts["findings"] if finding["check"] == "database"]
    assert found and all(finding["where"] == str(flow / "hello.db") for finding in found)


def test_a_store_in_a_directory_that_is_not_there_is_named(plumb, flow):
    text = (flow / "flow.yaml").read_text()
    assert "hello.db" in text
    (flow / "flow.yaml").write_text(text.replace("sqlite:hello.db", "sqlite:away/hello.db"))
    told = said(plumb.run("run", flow, "--once"))
    assert str(flow / "away" / "hello.db") in told and "is its directory there" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_is_named(plumb, flow):
    os.chmod(flow / "hello.db", 0o444)
    told = said(plumb.run("run", flow, "--once"))
    assert str(flow / "hello.db") in told and "may this user write" in told


def test_check_refuses_a_store_it_does_not_know_as_run_does(plumb, flow):
    text = (flow / "flow.yaml").read_text()
    (flow / "flow.yaml").write_text(text.replace("sqlite:hello.db", "mysql://me:secret@localhost/hello"))
    done = plumb.run("check", flow)
    assert done.code == 78 and "must be sqlite:FILE or postgres://" in done.stderr and "sqlite:hello.db" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert done.stderr == plumb.run("run", flow, "--once").stderr


# ---- a run's troubles ----

def cut(flow, *names):
    for name in names:
        (flow / "data" / name).write_text("")


@pytest.fixture(name="two")
def two_files(plumb, tmp_path):
    flow = tmp_path / "hello"
    plumb.ok("init", flow)
    text = (flow / "data" / "orders-1.jsonl").read_text()
    (flow / "data" / "orders-2.jsonl").write_text("".join(reversed(text.splitlines(True))))
    plumb.ok("run", flow, "--once")
    return flow


def test_one_trouble_is_told_once_and_its_file_too(plumb, two):
    cut(two, "orders-1.jsonl")
    told = said(plumb.run("run", two, "--once"))
    assert told.count("orders-1.jsonl") == 1


def test_several_troubles_are_logged_and_counted(plumb, two):
    cut(two, "orders-1.jsonl", "orders-2.jsonl")
    done = plumb.run("run", two, "--once")
    lines = done.stderr.splitlines()
    assert done.code == 1 and len(lines) == 3
    assert all(f"orders-{i + 1}.jsonl" in line and "at=trouble" in line for i, line in enumerate(lines[:2]))
    assert lines[2] == f"plumb: 2 troubles, told above; `plumb status {two}/flow.yaml` tells them again"


def test_a_service_logs_how_it_begins_and_ends(plumb, flow):
    running = plumb.start("run", flow)
    try:
        first = running.stderr.readline()
    finally:
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=30)[1]
    text = [line if isinstance(line, str) else line.decode() for line in (first, rest)]
    assert re.search(r"at=run flow=hello store=sqlite:hello.db sources=\w+ version=[0-9a-f]{32}$", text[0].rstrip())
    assert re.search(r"at=end flow=hello ok=true batches=0 records=0 rejected=0 troubles=0 failing=0$", text[1].rstrip())


def test_status_tells_that_a_transform_is_not_as_its_rows_were_made(plumb, flow):
    def states():
        facts = json.loads(plumb.ok("status", flow, "--json").stdout)
        return {transform["transform"]: transform["state"] for transform in facts["transforms"]}

    assert set(states().values()) == {"ok"}
    text = (flow / "flow.yaml").read_text()
    (flow / "flow.yaml").write_text(text.replace("total AS spent", "total * 2 AS spent"))
    assert sorted(states().values()) == ["changed: plumb replay"] + ["ok"] * (len(states()) - 1)
    assert "changed: plumb replay" in plumb.ok("status", flow).stdout
    plumb.ok("replay", flow)
    assert set(states().values()) == {"ok"}


def test_a_second_writer_is_a_conflict_told_once(plumb, flow):
    """What two machines on one network file system would do: the lock file keeps two processes of one machine apart."""
    orders = flow / "data" / "orders-1.jsonl"
    line = orders.read_text().splitlines(True)[0]
    running = plumb.start("run", flow)
    with orders.open("a") as file:
        file.write(line)
    connection = sqlite3.connect(flow / "hello.db", timeout=30)
    deadline = time.monotonic() + 30
    while connection.execute("SELECT records FROM _plumb_partitions").fetchone() != (7,) and time.monotonic() < deadline:
        pass
    connection.execute("UPDATE _plumb_partitions SET records = records + 1")
    connection.commit()
    connection.close()
    with orders.open("a") as file:
        file.write(line)
    rest = running.communicate(timeout=30)[1]
    text = rest if isinstance(rest, str) else rest.decode()
    last = text.splitlines()[-1]
    assert running.returncode == 1
    assert last.endswith("another plumb is writing to this store (record 7 follows record 8)"), text
    assert last.count("orders-1.jsonl") == 1 and text.count("record 7 follows record 8") == 1


def test_a_run_in_which_a_map_rejects_most_rows_warns_of_it(plumb, tmp_path):
    """abs() of the smallest integer fails."""
    (tmp_path / "flow.yaml").write_text("""\
flow: many
store: sqlite:many.db
sources: {s: {type: file, path: "*.jsonl", columns: {id: int64, v: int64}}}
tables: {t: {key: [id], columns: {id: int64, v: int64}}}
transforms: {most: {from: sources.s, into: t, sql: "SELECT id, abs(v) AS v FROM batch"}}
""")
    def write(name, first, bad, good):
        values = [-2**63] * bad + [1] * good
        (tmp_path / name).write_text("".join(json.dumps({"id": first + i, "v": v}) + "\n" for i, v in enumerate(values)))
    write("a.jsonl", 0, 51, 49)
    text = plumb.ok("run", tmp_path, "--once").stdout
    assert "warning: transform 'most' rejected 51 of 100 rows, most often for: " in text and "integer overflow" in text
    write("b.jsonl", 1000, 50, 50)
    assert "warning" not in plumb.ok("run", tmp_path, "--once").stdout
    write("c.jsonl", 2000, 99, 0)
    assert "warning" not in plumb.ok("run", tmp_path, "--once").stdout
