"""What is said when a store cannot be used: which file it is, and what to do about it."""
import json
import os
import shutil
import sqlite3

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
    (flow / "flow.yaml").write_text(text.replace("sqlite:hello.db", "postgres://localhost/hello"))
    done = plumb.run("check", flow)
    assert done.code == 78 and "store 'postgres://localhost/hello' is not supported" in done.stderr
    assert done.stderr == plumb.run("run", flow, "--once").stderr
