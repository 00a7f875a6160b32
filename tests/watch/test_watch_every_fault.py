"""A round of checks and notices under every fault: each allocation, file and store operation of it fails, once and from then on.

The source had its say before, so what a run does beside looking is the same each time. After the fault comes an undisturbed
run: the alert is there once, and its notice arrived once, or twice under one number when what it said could not be written down.
PLUMB_SWEEP=N tries every Nth point, for builds that are slow."""
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from laws.lawlib import CLEAN_CODES, SIGKILLED, in_parallel
from laws.test_kill import counts_of

sys.path.insert(0, str(Path(__file__).parent.parent / "notify"))
from receivers import Receiver  # noqa: E402 # pylint: disable=wrong-import-position

HOUR = 3600 * 10**6
BEGIN = 20000 * 24 * HOUR
SWEEP = int(os.environ.get("PLUMB_SWEEP", "1"))
FLOW = """\
flow: w
store: sqlite:w.db
sources:
  orders: {{type: file, path: data/*.jsonl, columns: {{id: int64}}}}
tables:
  orders: {{key: [id], columns: {{id: int64}}}}
transforms:
  load: {{from: sources.orders, into: orders, sql: "SELECT id FROM batch"}}
checks:
  arrive: {{heartbeat: orders, within: 1h, keep: 0s}}
  gone: {{sql: "SELECT count(*) FROM orders", max: 0, keep: 0s, severity: warn}}
alerts:
  routes:
    hook: {{type: webhook, url: "{url}"}}
"""


class Case:
    def __init__(self, plumb, before, directory, receiver):
        shutil.copytree(before, directory)
        self.plumb, self.directory, self.receiver = plumb, directory, receiver
        path = directory / "flow.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("HOOK", f"{receiver.url}/{directory.name}"), encoding="utf-8")

    def run(self, at, fault=None):
        return self.plumb.run("run", self.directory, "--once", env={"PLUMB_CLOCK": at, **({"PLUMB_FAULT": fault} if fault else {})})

    def rows(self, sql):
        connection = sqlite3.connect(f"file:{self.directory}/w.db?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def whole(self):
        """No half state: an open alert is of a check that is wrong, and has its notice."""
        assert self.rows("SELECT count(*) FROM _plumb_alerts a WHERE NOT EXISTS (SELECT 1 FROM _plumb_deliveries d WHERE d.alert = a.id)") == [(0,)]
        assert self.rows("SELECT count(*) FROM _plumb_checks WHERE state IN ('error', 'warn') AND name NOT IN "
                         "(SELECT check_name FROM _plumb_alerts WHERE state = 'firing')") == [(0,)]

    def told(self):
        """{number of the notice: event and check}, in the order in which they first came."""
        found = {}
        for _, path, headers, body in list(self.receiver.got):
            if path == f"/{self.directory.name}":
                what = (body["plumb"]["event"], body["alerts"][0]["labels"]["alertname"])
                assert found.setdefault(headers["Idempotency-Key"], what) == what
        return list(found.values())


@pytest.fixture(name="before", scope="module")
def a_store_before_the_trouble(plumb, tmp_path_factory):
    """One record long ago; 'gone' fires and was told, two hours later 'arrive' will, too."""
    receiver = Receiver()
    directory = tmp_path_factory.mktemp("before") / "w"
    (directory / "data").mkdir(parents=True)
    (directory / "data/1.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    (directory / "flow.yaml").write_text(FLOW.format(url="HOOK"), encoding="utf-8")
    counted = Case(plumb, directory, directory.with_name("count"), receiver)
    counted.run(BEGIN)
    assert counted.told() == [("firing", "gone")]
    counts = counts_of(counted.run(BEGIN + 2 * HOUR, "count"))
    assert counted.told() == [("firing", "gone"), ("firing", "arrive")]
    yield directory, counts, receiver
    receiver.close()


@pytest.mark.parametrize("kind, suffix", [("store", ""), ("store", "+"), ("alloc", ""), ("file", ""), ("kill", "")])
def test_a_disturbed_round_leaves_nothing_half_and_tells_nothing_twice(plumb, tmp_path, before, kind, suffix):
    directory, counts, receiver = before
    points = counts["step" if kind == "kill" else kind]
    first = Case(plumb, directory, tmp_path / f"first-{kind}{len(suffix)}", receiver)
    first.run(BEGIN)
    step = max(1, points // 30) * SWEEP

    def disturb(point):
        case = Case(plumb, first.directory, tmp_path / f"{kind}-{point}{len(suffix)}", receiver)
        path = case.directory / "flow.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace(first.directory.name, case.directory.name), encoding="utf-8")
        result = case.run(BEGIN + 2 * HOUR, f"{kind}:{point}{suffix},hurry")
        allowed = (SIGKILLED, 0) if kind == "kill" else CLEAN_CODES
        assert result.code in allowed, f"{kind}:{point}{suffix} ended with {result.code}: {result.stderr[-2000:]}"
        case.whole()
        case.run(BEGIN + 2 * HOUR + 60_000_000)
        case.whole()
        assert case.told() == [("firing", "arrive")], f"{kind}:{point}{suffix}"
        assert case.rows("SELECT check_name, state FROM _plumb_alerts ORDER BY id") == [("gone", "firing"), ("arrive", "firing")]
        assert case.rows("SELECT event, state FROM _plumb_deliveries") == [("firing", "sent")] * 2
        shutil.rmtree(case.directory)
        return result.code

    # The round comes last in a run: the later half of the points is its own.
    codes = in_parallel(disturb, range(points, points // 3, -step))
    assert kind == "file" or any(codes) or suffix == "", "no fault was felt"
