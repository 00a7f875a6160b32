"""docs/store.md and docs/cli.md say what is there, and nothing else."""
import re
import sqlite3

import pytest
from conftest import ROOT

STORE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", name="database")
def a_store(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("docs") / "hello"
    plumb.ok("init", directory)
    plumb.ok("run", directory, "--once")
    connection = sqlite3.connect(f"file:{directory}/hello.db?mode=ro", uri=True)
    yield connection
    connection.close()


def test_every_table_is_documented_column_by_column_in_order(database):
    documented = {}
    for part in STORE.split("\n### ")[1:]:
        name, body = part.split("\n", 1)
        documented[name] = re.findall(r"^\| `(\w+)` \|", body.split("\n## ")[0].split("\n\n| table |")[0], re.M)
    real = {name: [column for (column,) in database.execute("SELECT name FROM pragma_table_info(?)", (name,))]
            for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '_plumb_*' "
                                            "AND name NOT GLOB '_plumb_q_*'")}
    assert documented == real


def test_the_useful_queries_run(database):
    queries = re.findall(r"```sql\n(.*?)```", STORE, re.S)[0].split(";")
    queries = [query for query in queries if query.strip()]
    assert len(queries) == 6
    for query in queries:
        database.execute(query).fetchall()


def test_every_command_and_option_is_documented(plumb):
    listed = re.findall(r"^  (\w+) +\S", plumb.ok("help").stdout, re.M)
    assert len(listed) >= 12
    for command in [name for name in listed if name != "plumb"]:
        row = re.search(rf"^\| `{command}\b.*$", CLI, re.M)
        assert row, f"docs/cli.md does not know {command}"
        rows = "\n".join(re.findall(rf"^\| `{command}\b.*$", CLI, re.M))
        for option in re.findall(r"^  (--[\w-]+)", plumb.ok("help", command).stdout, re.M):
            assert option in rows, f"docs/cli.md: {command} {option}"


def test_the_checks_of_audit_are_documented(plumb, tmp_path):
    plumb.ok("init", tmp_path / "hello")
    plumb.ok("run", tmp_path / "hello", "--once")
    names = re.findall(r"^  (\w+) +[\d,]+ +0  ", plumb.ok("audit", tmp_path / "hello", "--deep").stdout.split("\n\n")[1], re.M)
    section = CLI.split("## What audit checks")[1].split("\n##")[0]
    assert names and names == re.findall(r"^\| `(\w+)` \|", section, re.M)
