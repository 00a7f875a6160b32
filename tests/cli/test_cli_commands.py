"""The commands themselves: what is typed, what is printed, how they end."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ROOT

COMMANDS = ["init", "check", "plan", "run", "status", "alerts", "rejects", "audit", "trace", "prove", "test", "replay", "rewind", "copy-store", "list", "help", "schema",
            "docs", "version"]


@pytest.fixture
def hello(plumb, tmp_path):
    directory = tmp_path / "hello"
    plumb.ok("init", directory)
    return directory


def test_nothing_typed_shows_the_overview_as_a_mistake(plumb):
    done = plumb.run()
    assert done.code == 2 and done.stdout == ""
    assert all(f"  {name} " in done.stderr for name in COMMANDS)


def test_help_describes_every_command_with_its_options(plumb):
    assert plumb.ok("help").stdout == plumb.ok("--help").stdout
    for name in COMMANDS:
        text = plumb.ok("help", name).stdout
        assert text.startswith(f"plumb {name}") and text == plumb.ok(name, "--help").stdout
    for option in ("--once", "--batch-rows", "--json"):
        assert option in plumb.ok("help", "run").stdout


def test_help_describes_a_connector(plumb):
    text = plumb.ok("help", "file").stdout
    assert "path" in text and "follow" in text and "columns" in text


def test_help_for_something_unknown_names_the_nearest(plumb):
    done = plumb.run("help", "statsu")
    assert done.code == 2 and "did you mean 'status'?" in done.stderr
    done = plumb.run("help", "fiel")
    assert done.code == 2 and "did you mean 'file'?" in done.stderr


@pytest.mark.parametrize("typed, words", [
    (["chekc", "x"], "unknown command 'chekc'; did you mean 'check'?"),
    (["zzzzzz"], "unknown command 'zzzzzz'"),
    (["check"], "something is missing: plumb check FLOW"),
    (["check", "a", "b"], "one argument too many: 'b'"),
    (["check", "a", "--jsn"], "unknown option '--jsn'; did you mean '--json'?"),
    (["check", "a", "--json=1"], "option '--json' takes no value"),
    (["check", "a", "--json", "--json"], "option '--json' is given twice"),
    (["check", "a", "-j"], "unknown option '--j'"),
    (["run", "a", "--batch-rows"], "option '--batch-rows' needs a value: N"),
    (["run", "a", "--batch-rows", "0"], "must be a whole number from 1 to 1000000, not '0'"),
    (["run", "a", "--batch-rows=1e3"], "must be a whole number from 1 to 1000000, not '1e3'"),
    (["list", "pipes"], "'sources' and 'sinks'"),
    (["docs"], "plumb docs --reference DIR"),
    (["rejects", "shwo", "a", "1"], "list FLOW, show FLOW ID, replay FLOW"),
    (["rejects", "show", "a"], "list FLOW, show FLOW ID, replay FLOW"),
    (["rejects", "show", "a", "first"], "list FLOW, show FLOW ID, replay FLOW"),
])
def test_a_typing_mistake_ends_with_2_and_a_hint(plumb, typed, words):
    done = plumb.run(*typed)
    assert done.code == 2 and words in done.stderr and done.stdout == ""


def test_control_characters_of_what_is_typed_do_not_reach_the_terminal(plumb):
    for typed in (["\x1b[31mred"], ["check", "x", "--\x1b[31mred"], ["check", "\x1b[31mred"]):
        assert "\x1b" not in plumb.run(*typed).stderr


def test_two_dashes_end_the_options(plumb, tmp_path):
    done = plumb.run("check", "--", "--json", cwd=tmp_path)
    assert done.code == 78 and "--json" in done.stderr


def test_version_is_one_line(plumb):
    assert re.fullmatch(r"plumb \d+\.\d+\.\d+ \(store version \d+\)\n", plumb.ok("version").stdout)
    assert plumb.ok("--version").stdout == plumb.ok("version").stdout
    assert set(json.loads(plumb.ok("version", "--json").stdout)) == {"version", "store_version"}


def test_list_names_the_connectors(plumb):
    named = json.loads(plumb.ok("list", "sources", "--json").stdout)
    assert "file" in [connector["name"] for connector in named]
    assert {connector["kind"] for connector in named} == {"source"}
    assert "This plumb has no sinks." in plumb.ok("list", "sinks").stdout or "sink" in plumb.ok("list", "sinks").stdout


def test_schema_is_a_json_schema_that_knows_the_connectors(plumb):
    schema = json.loads(plumb.ok("schema").stdout)
    assert "sources" in schema["properties"] and '"file"' in json.dumps(schema)


def test_the_reference_in_the_repository_is_what_the_program_writes(plumb, tmp_path):
    plumb.ok("docs", "--reference", tmp_path / "reference")
    committed = ROOT / "docs" / "reference"
    fresh = sorted(path.name for path in (tmp_path / "reference").iterdir())
    assert fresh == sorted(path.name for path in committed.iterdir()), "run: make docs"
    for name in fresh:
        assert (tmp_path / "reference" / name).read_bytes() == (committed / name).read_bytes(), f"run: make docs ({name})"


# ---- init ----

def test_init_writes_a_flow_that_runs_and_audits(plumb, hello, dump):
    assert sorted(path.name for path in hello.iterdir()) == [".gitignore", "README.md", "data", "flow.yaml", "tests"]
    plumb.ok("check", hello)
    plumb.ok("run", hello, "--once")
    assert dump(hello / "hello.db")["customers"] == [("ada", 2, 1950)]
    plumb.ok("audit", hello)
    assert json.loads(plumb.ok("rejects", "list", hello, "--json").stdout)["groups"][0]["reason"] == "type"


def test_init_refuses_a_directory_that_holds_something(plumb, tmp_path):
    (tmp_path / "kept").write_text("mine")
    done = plumb.run("init", tmp_path)
    assert done.code == 1 and "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_init_takes_an_empty_directory_and_names_that_are_no_flow_names(plumb, tmp_path):
    for name in ("empty", "7 things", "_plumb", "ok-1/"):
        directory = tmp_path / name
        if name == "empty":
            directory.mkdir()
        plumb.ok("init", f"{directory}/" if name.endswith("/") else directory)
        plumb.ok("check", directory)


# ---- check ----

def test_check_sums_up_the_flow(plumb):
    text = plumb.ok("check", ROOT / "flows" / "shop").stdout
    assert "flow.yaml: ok — 2 sources, 5 tables, 5 transforms" in text
    assert "every record once, in order" in text
    facts = json.loads(plumb.ok("check", ROOT / "flows" / "shop", "--json").stdout)
    assert facts["ok"] and [t["kind"] for t in facts["transforms"]].count("sum") == 2


def test_check_touches_no_store(plumb, hello):
    plumb.ok("check", hello)
    assert not list(hello.glob("*.db*"))


@pytest.mark.parametrize("before, after, place, words", [
    ("required: true, min", "requird: true, min", r"flow\.yaml:12:51", "did you mean 'required'?"),
    ("SELECT id, customer, total,", "SELECT id, custmer, total,", r"flow\.yaml:30:21", "custmer"),
    ("total AS spent", "random() AS spent", r"flow\.yaml:34:40", "random"),
])
def test_check_says_where_a_mistake_is(plumb, hello, before, after, place, words):
    text = (hello / "flow.yaml").read_text()
    assert before in text
    (hello / "flow.yaml").write_text(text.replace(before, after))
    done = plumb.run("check", hello)
    assert done.code == 78 and words in done.stderr
    assert re.match(rf"plumb: \S*{place}: ", done.stderr), done.stderr
    done = plumb.run("check", hello, "--json")
    facts = json.loads(done.stdout)
    assert done.code == 78 and not facts["ok"] and re.search(place, facts["error"]["where"])


def test_a_flow_that_is_not_there_is_a_configuration_error(plumb, tmp_path):
    done = plumb.run("check", tmp_path / "nowhere")
    assert done.code == 78 and "nowhere" in done.stderr


# ---- run ----

def test_run_says_what_it_did(plumb, hello):
    text = plumb.ok("run", hello, "--once").stdout
    assert "6 records in 1 batch, 1 rejected" in text and "plumb rejects" in text
    assert "0 records in 0 batches" in plumb.ok("run", hello, "--once").stdout
    (hello / "data" / "orders-2.jsonl").write_text((hello / "data" / "orders-1.jsonl").read_text())
    facts = json.loads(plumb.ok("run", hello, "--once", "--json").stdout)
    assert facts["ok"] and facts["records"] == 6 and facts["rejected"] == 1 and facts["batches"] == 1


def test_batch_rows_fixes_the_size_of_batches(plumb, hello, query):
    plumb.ok("run", hello, "--once", "--batch-rows", "4")
    assert query(hello / "hello.db", "SELECT records FROM _plumb_batches ORDER BY seq") == [(4,), (2,)]


def test_a_second_run_on_a_store_in_use_is_refused(plumb, hello):
    running = plumb.start("run", hello)
    try:
        deadline = time.monotonic() + 30
        while plumb.run("status", hello).code != 0 and time.monotonic() < deadline:
            pass
        done = plumb.run("run", hello, "--once")
        assert done.code == 1 and "in use" in done.stderr
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    assert running.returncode == 0


def test_replay_rebuilds_the_same_tables(plumb, hello, dump):
    plumb.ok("run", hello, "--once", "--batch-rows", "2")
    before = dump(hello / "hello.db")
    shutil.rmtree(hello / "data")
    assert "3 staged batches applied" in plumb.ok("replay", hello).stdout
    assert dump(hello / "hello.db") == before
    plumb.ok("audit", hello)


def test_replay_after_a_transform_changed_makes_what_the_flow_now_says(plumb, hello, query):
    plumb.ok("run", hello, "--once")
    text = (hello / "flow.yaml").read_text()
    (hello / "flow.yaml").write_text(text.replace("total AS spent", "total * 2 AS spent"))
    done = plumb.run("run", hello, "--once")
    assert done.code == 78 and "plumb replay" in done.stderr
    plumb.ok("replay", hello)
    assert query(hello / "hello.db", "SELECT customer, spent FROM customers") == [("ada", 3900)]


# ---- the terminal ----

def output_on_a_terminal(plumb, arguments, env=None):
    """What plumb writes when its standard output is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    try:
        environment = plumb.environment({"TERM": "xterm", **(env or {})})
        subprocess.run([plumb.path, *arguments], stdout=theirs, env=environment, check=False, timeout=60)
        os.set_blocking(ours, False)
        return os.read(ours, 1 << 20).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colour_is_for_terminals_only_and_not_with_no_color(plumb, hello):
    plumb.ok("run", hello, "--once")
    assert "\x1b[" not in plumb.ok("status", hello).stdout
    assert "\x1b[32mok" in output_on_a_terminal(plumb, ["status", str(hello)])
    assert "\x1b[" not in output_on_a_terminal(plumb, ["status", str(hello)], {"NO_COLOR": "1"})
    assert "\x1b[" not in output_on_a_terminal(plumb, ["status", str(hello)], {"TERM": "dumb"})


def test_lines_are_cut_at_the_edge_of_a_terminal_only(plumb, hello):
    (hello / "data" / "orders-9.jsonl").write_text('{"id": "%s"}\n' % ("x" * 300))
    plumb.ok("run", hello, "--once")
    shown = output_on_a_terminal(plumb, ["rejects", str(hello)], {"NO_COLOR": "1"})
    messages = [line for line in shown.splitlines() if "orders-9" in line]
    assert messages and all(len(line.rstrip("\r")) <= 80 and "..." in line for line in messages)
    assert any(len(line) > 80 for line in plumb.ok("rejects", hello).stdout.splitlines())


def test_a_reader_that_goes_away_is_an_error_and_no_crash(plumb, hello):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run([plumb.path, "check", hello], stdout=write_end, env=plumb.environment(), check=False)
    finally:
        os.close(write_end)
    assert done.returncode == 1


def test_a_clock_that_is_no_clock_is_refused(plumb):
    assert plumb.run("version", env={"PLUMB_CLOCK": "noon"}).code == 78
    assert plumb.run("version", env={"PLUMB_FAULT": "gremlins:1"}).code == 78
