"""Runs that stay, a flow read again while it runs, and raw records that are not kept for ever."""
import json
import signal
import subprocess
import time

import pytest
from conftest import rows_of

FLOW = """\
flow: run
staging: {{keep: {keep}}}
sources:
  r:
    type: file
    path: r*.jsonl
    poll: 20ms
    columns: {{id: int64, v: text}}
tables:
  t: {{key: [id], columns: {{id: int64, v: text}}}}
{tables}
transforms:
  t: {{from: r, into: t, sql: "SELECT id, v FROM batch"}}
{transforms}
"""
COUNTS_TABLE = "  counts: {key: [v], columns: {v: text, n: int64}}"
COUNTS = "  counts: {from: tables.t, into: counts, sum: 'SELECT v, 1 AS n FROM change'}"
SECONDS_MAX = 20


def write_flow(directory, keep="forever", tables="", transforms=""):
    (directory / "flow.yaml").write_text(FLOW.format(keep=keep, tables=tables, transforms=transforms))


def write_records(directory, name, first, count):
    lines = [json.dumps({"id": i, "v": f"v{i % 7}-{'x' * 60}"}) for i in range(first, first + count)]
    (directory / name).write_text("\n".join(lines) + "\n")


def wait_for(condition):
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except Exception:  # the store may not be there yet
            pass
        time.sleep(0.02)
    return False


@pytest.fixture
def living(plumb, tmp_path):
    """Starts `plumb run` and stops it when the test is over."""
    started = []

    def start():
        process = subprocess.Popen([str(plumb.path), "run", str(tmp_path)], env=plumb.environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(process):
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, stderr.decode()


def test_a_flow_read_again_takes_over_and_its_new_table_is_filled_from_what_is_there(plumb, tmp_path, living):
    write_flow(tmp_path)
    write_records(tmp_path, "r1.jsonl", 0, 70)
    process = living()
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(70,)])
    write_flow(tmp_path, tables=COUNTS_TABLE, transforms=COUNTS)
    process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT sum(n) FROM counts") == [(70,)])
    write_records(tmp_path, "r2.jsonl", 100, 30)
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT sum(n) FROM counts") == [(100,)])
    code, stderr = stop(process)
    assert code == 0 and "at=reload" in stderr


def test_a_flow_with_a_mistake_is_refused_and_the_old_one_goes_on(plumb, tmp_path, living):
    write_flow(tmp_path)
    write_records(tmp_path, "r1.jsonl", 0, 10)
    process = living()
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(10,)])
    write_flow(tmp_path, transforms="  oops: {form: r}")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    write_records(tmp_path, "r2.jsonl", 10, 10)
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(20,)])
    code, stderr = stop(process)
    assert code == 0 and "the old flow goes on" in stderr and "did you mean 'from'" in stderr


def test_a_flow_the_store_refuses_is_refused_and_the_old_one_comes_back(plumb, tmp_path, living):
    write_flow(tmp_path)
    write_records(tmp_path, "r1.jsonl", 0, 10)
    process = living()
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(10,)])
    text = (tmp_path / "flow.yaml").read_text().replace("SELECT id, v FROM", "SELECT id, upper(v) AS v FROM")
    (tmp_path / "flow.yaml").write_text(text)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    write_records(tmp_path, "r2.jsonl", 10, 10)
    assert wait_for(lambda: rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(20,)])
    assert rows_of(tmp_path / "run.db", "SELECT count(*) FROM t WHERE v <> lower(v)") == [(0,)]
    code, stderr = stop(process)
    assert code == 0 and "plumb replay" in stderr


def frames(directory):
    return rows_of(directory / "run.db", "SELECT count(*), sum(length(frame)) FROM _plumb_frames")[0]


def test_retention_by_size_drops_the_oldest_and_the_ledger_stays(plumb, tmp_path):
    write_flow(tmp_path, keep="20KB")
    write_records(tmp_path, "r1.jsonl", 0, 3000)
    plumb.ok("run", tmp_path, "--once", "--batch-rows", "5")
    count, size = frames(tmp_path)
    assert 0 < count < 600 and size <= 21000
    assert rows_of(tmp_path / "run.db", "SELECT count(*) FROM _plumb_batches") == [(600,)]
    oldest = rows_of(tmp_path / "run.db", "SELECT min(batch) FROM _plumb_frames")[0][0]
    assert oldest == 600 - count + 1
    plumb.ok("audit", tmp_path)


def test_everything_is_kept_unless_the_flow_says_otherwise(plumb, tmp_path):
    write_flow(tmp_path)
    write_records(tmp_path, "r1.jsonl", 0, 3000)
    plumb.ok("run", tmp_path, "--once", "--batch-rows", "5")
    assert frames(tmp_path)[0] == 600


def test_replay_without_the_raw_records_is_refused_and_changes_nothing(plumb, tmp_path):
    write_flow(tmp_path, keep="20KB")
    write_records(tmp_path, "r1.jsonl", 0, 3000)
    plumb.ok("run", tmp_path, "--once", "--batch-rows", "5")
    refused = plumb.run("replay", tmp_path)
    assert refused.code == 78 and "no longer kept" in refused.stderr
    assert rows_of(tmp_path / "run.db", "SELECT count(*) FROM t") == [(3000,)]
    plumb.ok("audit", tmp_path)


def test_a_queue_with_changes_in_it_is_never_replaced(plumb, tmp_path):
    write_flow(tmp_path, tables=COUNTS_TABLE, transforms=COUNTS)
    write_records(tmp_path, "r1.jsonl", 0, 10)
    plumb.ok("run", tmp_path, "--once")
    script = 'DROP TABLE "_plumb_q_counts"; CREATE TABLE "_plumb_q_counts"("_sign" INTEGER, v TEXT, old TEXT);'
    subprocess.run(["sqlite3", str(tmp_path / "run.db"), script + 'INSERT INTO "_plumb_q_counts" VALUES (1, \'a\', \'b\');'],
                   check=True)
    refused = plumb.run("run", tmp_path, "--once")
    assert refused.code == 78 and "still holds changes" in refused.stderr
    subprocess.run(["sqlite3", str(tmp_path / "run.db"), 'DELETE FROM "_plumb_q_counts";'], check=True)
    plumb.ok("run", tmp_path, "--once")
