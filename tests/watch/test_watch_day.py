"""A day of trouble: the program over flows/onchain and a node, its notices at a real receiver, hours in a second.

Time is PLUMB_CLOCK, so each look at the day is a `run --once` of its own, as by a timer; what is known between them is what the
store holds. The list of what arrives must be exactly the expected one, in order, and without one of the troubles it must lack what
that one caused. There are no sinks yet: what is slow is the receiver of the notices.
"""
import json
import shutil
import sys
from pathlib import Path

import pytest
from chain.evm import plain_logs
from chain.fakechain import Chain
from chain.hostile import HostileNode
from conftest import ROOT, Program

sys.path.insert(0, str(Path(__file__).parent.parent / "notify"))
from receivers import Receiver  # noqa: E402 # pylint: disable=wrong-import-position

MINUTE = 60 * 10**6
MIDNIGHT = 20000 * 24 * 60 * MINUTE
FIRST, HEAD = 90, 160
ODD = range(230, 240)  # in these blocks the contract speaks otherwise: no amount in a Transfer
MORE_CHECKS = "  contract-changed: {rejects: chain, max: 10%, over: 20m, keep: 5m, min_rows: 20}\n"
ALERTS = """
alerts:
  remind: 12h
  routes:
    hook: {{type: webhook, url: "{url}/hook", timeout: 5s}}
    central: {{type: alertmanager, url: "{url}/am", timeout: 5s}}
  ping: {{url: "{url}/ping", every: 1m}}
"""


class Day:
    def __init__(self, plumb, directory, odd):
        shutil.copytree(ROOT / "flows" / "onchain", directory)
        self.plumb, self.directory, self.minute, self.blocks = plumb, directory, 0, HEAD
        logs = [dict(log, data="0x") if int(log["blockNumber"], 16) in odd else log for log in plain_logs(1500, 100, 700, seed=5)]
        self.chain = Chain(logs, first=FIRST, last=710, head=HEAD, seed=5)
        self.node = HostileNode(self.chain, seed=5).start()
        self.url = self.node.url
        self.receiver = Receiver()
        self.full = directory.parent / "on-a-full-disk"  # no file grows beyond 4 KiB: an error at each write, and no signal
        self.full.write_text(f'#!/bin/sh\ntrap "" XFSZ\nulimit -f 8\nexec {plumb.path} "$@"\n', encoding="utf-8")
        self.full.chmod(0o755)
        flow = directory / "flow.yaml"
        text = flow.read_text(encoding="utf-8")
        assert text.count("\nchecks:\n") == 1
        assert "over: 5m, min_rows: 20" in text  # a node that is asked every ten seconds gives more answers than a day in a minute
        text = text.replace("over: 5m, min_rows: 20", "over: 5m, min_rows: 4")
        flow.write_text(text.replace("\nchecks:\n", "\nchecks:\n" + MORE_CHECKS) + ALERTS.format(url=self.receiver.url), encoding="utf-8")

    def close(self):
        self.node.stop()
        self.receiver.close()

    def look(self, minutes, blocks=10, is_full=False, fails=False):
        """So much later, after so many blocks. fails: the run ends with 1, as the trouble is its own too; None: it may."""
        self.minute += minutes
        if blocks:
            self.chain.grow(blocks)
        env = {"PLUMB_CLOCK": MIDNIGHT + self.minute * MINUTE, "RPC_URL": self.url, "FROM_BLOCK": FIRST,
               "PLUMB_STORE": f"sqlite:{self.directory}/onchain.db"}
        if fails is not False:
            env["PLUMB_FAULT"] = "count,hurry"
        program = Program(self.full) if is_full else self.plumb
        done = program.run("run", self.directory, "--once", env=env)
        assert done.code in ((0, 1) if fails is None else (int(fails),))

    def calm(self):
        for _ in range(3):
            self.look(4)

    def told(self):
        """What arrived at the webhook: (event, check, severity), and each notice once."""
        got = [(headers["Idempotency-Key"], body) for _, path, headers, body in self.receiver.got if path == "/hook"]
        assert len({key for key, _ in got}) == len(got), "a notice came twice"
        return [(body["plumb"]["event"], body["alerts"][0]["labels"]["alertname"], body["alerts"][0]["labels"]["severity"]) for _, body in got]

    def central(self):
        """What an Alertmanager holds in the end: {check: over?}, of what was said last."""
        state = {}
        for _, path, _, body in self.receiver.got:
            if path == "/am/api/v2/alerts":
                state.update({alert["labels"]["alertname"]: alert["endsAt"] < "2024-10-05T00:00:00" for alert in body})
        return state

    def pings(self):
        return sum(path == "/ping" for _, path, _, _ in self.receiver.got)


def source_dies(day):
    day.node.stop()
    for _ in range(3):
        day.look(4, blocks=0, fails=True)
    day.look(25, blocks=0, fails=True)


def source_comes_back(day):
    day.node = HostileNode(day.chain, seed=6).start()
    day.url = day.node.url
    day.calm()


def contract_changes(day):
    while day.chain.view.head < ODD.stop:
        day.look(2, blocks=20)
    for _ in range(7):
        day.look(4)


def refusals(day):
    day.node.faults.update(rate_429=0.5, retry_after="0")
    day.node.budget["rate_429"] = 20
    for _ in range(3):
        day.look(1, fails=None)
    day.node.faults.update(rate_429=0.0)
    for _ in range(13):  # enough answers in five minutes, or nothing can be said and nothing ends
        day.look(1, blocks=4)


def reorg_storm(day):
    for depth in (3, 6, 4, 5):
        day.chain.fork(depth)
        day.look(1, blocks=0)
        day.chain.unfork()
        day.look(1, blocks=3)


def slow_receiver(day):
    """While it is slow, the chain stands still for a while: it is told all the same, once."""
    day.receiver.wait_seconds = 0.7
    day.look(7, blocks=0)
    day.receiver.wait_seconds = 0
    day.calm()


def full_disk(day):
    """Nothing can be written, so nothing is looked at or told: the calls stay away, which is what tells. Afterwards it is told."""
    before = day.pings()
    for _ in range(2):
        day.look(4, blocks=0, is_full=True, fails=True)
    assert day.pings() == before, "a watch that cannot write says it is well"
    day.look(1, blocks=0)
    assert day.pings() == before + 1
    day.calm()


def still(event, severity="warning"):
    return (event, "chain-stands-still", severity)


DAY = [
    (source_dies, [still("firing"), still("worse", "critical")]),
    (source_comes_back, [still("resolved", "critical")]),
    (contract_changes, [("firing", "contract-changed", "critical"), ("resolved", "contract-changed", "critical")]),
    (refusals, [("firing", "refused", "warning"), ("resolved", "refused", "warning")]),
    (reorg_storm, []),
    (slow_receiver, [still("firing"), still("resolved")]),
    (full_disk, [still("firing"), still("resolved")]),
]


@pytest.fixture(name="day")
def a_day(plumb, tmp_path, request):
    made = Day(plumb, tmp_path / "onchain", getattr(request, "param", ODD))
    yield made
    made.close()


def live(day, events):
    """What was told in each."""
    day.look(0)
    day.calm()
    assert not day.told()
    for event, expected in events:
        before = len(day.told())
        event(day)
        assert day.told()[before:] == expected, event.__name__
    day.calm()
    assert day.told() == [notice for _, expected in events for notice in expected], "and nothing more"


def test_a_day_of_trouble_is_told_exactly(day):
    live(day, DAY)
    assert day.central() and all(day.central().values()), "all is over there, too"
    alerts = json.loads(day.plumb.ok("alerts", day.directory, "--json", env={
        "PLUMB_CLOCK": MIDNIGHT + day.minute * MINUTE, "PLUMB_STORE": f"sqlite:{day.directory}/onchain.db"}).stdout)
    assert not alerts["alerts"] and not alerts["undelivered"]


@pytest.mark.parametrize("day", [()], ids=["usual"], indirect=True)
def test_without_one_trouble_its_notices_are_missing(day):
    """The same blocks, but no contract changed."""
    live(day, [(contract_changes, []), (slow_receiver, DAY[-2][1])])
