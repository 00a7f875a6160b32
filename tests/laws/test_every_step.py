"""Every fault point of a small run, each in turn: no sample. test_kill.py and test_faults.py try samples of a larger one.

flows/shop reads three files in eleven batches into two maps, two sums and a derive. Each fault point is hit once
(transient) and from then on (persistent), each durable step kills once; then an undisturbed run follows, and every table's
digest, the audit and the counts must be those of a run that nothing ever disturbed. PLUMB_SWEEP=N tries every Nth point,
for builds that are slow, and every 20th on PostgreSQL."""
import json
import os

import pytest
from conftest import ROOT
from laws.lawlib import CLEAN_CODES, SIGKILLED, in_parallel
from laws.test_kill import counts_of
from storelib import is_postgres, remove_tree

FLOW = ROOT / "flows" / "shop"
ROWS = "20"
SWEEP = int(os.environ.get("PLUMB_SWEEP", "0"))


def every():
    return SWEEP or (20 if is_postgres() else 1)


class Shop:
    """The shop flow with a store of its own."""

    def __init__(self, plumb, directory):
        self.plumb = plumb
        self.directory = directory
        directory.mkdir()
        self.env = {"PLUMB_STORE": f"sqlite:{directory / 'shop.db'}"}

    def run(self, fault=None):
        env = dict(self.env, PLUMB_FAULT=fault) if fault else self.env
        return self.plumb.run("run", FLOW, "--once", "--batch-rows", ROWS, env=env)

    def state(self):
        """What an audit proves: digests of all tables, and that every row is accounted for."""
        assert self.run().code == 0
        audit = self.plumb.ok("audit", FLOW, "--json", env=self.env)
        facts = json.loads(audit.stdout)
        return {name: table["digest"] for name, table in facts["tables"].items()}


@pytest.fixture(scope="module")
def undisturbed(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("every")
    counted = counts_of(Shop(plumb, directory / "count").run("count"))
    state = Shop(plumb, directory / "clean").state()
    assert len(state) == 5 and not any(digest.startswith("0-") for digest in state.values())
    return counted, state


def sweep(plumb, tmp_path, undisturbed, kind, suffix):
    """How each run under fault ended."""
    counted, state = undisturbed
    points = counted["step" if kind == "kill" else kind]
    assert points > 20

    def disturb(point):
        shop = Shop(plumb, tmp_path / f"{kind}-{point}")
        result = shop.run(f"{kind}:{point}{suffix},hurry")
        allowed = (SIGKILLED, 0) if kind == "kill" else CLEAN_CODES
        assert result.code in allowed, f"{kind}:{point}{suffix} ended with {result.code}: {result.stderr[-2000:]}"
        assert shop.state() == state, f"{kind}:{point}{suffix}"
        remove_tree(shop.directory)
        return result.code

    return in_parallel(disturb, range(1, points + 1, every()))


def test_killed_at_every_durable_step(plumb, tmp_path, undisturbed):
    codes = sweep(plumb, tmp_path, undisturbed, "kill", "")
    # How many batches share a turn changes from run to run, so the last steps may not be reached.
    assert every() > 1 or codes.count(SIGKILLED) > 0.7 * len(codes)


@pytest.mark.parametrize("kind", ["alloc", "file", "store"])
def test_every_fault_once(plumb, tmp_path, undisturbed, kind):
    codes = sweep(plumb, tmp_path, undisturbed, kind, "")
    assert every() > 1 or 0 in codes, "nothing is ever got over"


@pytest.mark.parametrize("kind", ["alloc", "file", "store"])
def test_every_fault_from_then_on(plumb, tmp_path, undisturbed, kind):
    codes = sweep(plumb, tmp_path, undisturbed, kind, "+")
    assert every() > 1 or sum(code != 0 for code in codes) > 0.5 * len(codes), "the faults were hardly felt"
