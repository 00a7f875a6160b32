"""flows/onchain over 388,421 real logs: what its tables say of pools against a second computation, and against labels of others.

The data belongs to others and is not part of the repository: the tests look for it in $PLUMB_DATA, or in the folder
shared/data beside the checkout, and skip when it is not there.
"""
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT, int256, rows_of

sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "uniswap")]
import expected  # noqa: E402 (their folders are not on the path before)
import onchainlib  # noqa: E402

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "uniswapv2-2021q4"
RUN_SECONDS_MAX = 900

pytestmark = pytest.mark.skipif(not (FOLDER / "events.csv.gz").is_file(),
                                reason=f"no chain data at {FOLDER} (PLUMB_DATA names another place)")


@pytest.fixture(scope="module")
def truth():
    return expected.compute(FOLDER)


@pytest.fixture(scope="module")
def store(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("onchain")
    onchainlib.write_logs(directory / "logs" / "logs.csv", onchainlib.uniswap_logs(FOLDER))
    env = {"PLUMB_STORE": f"sqlite:{directory}/onchain.db", "ONCHAIN_LOGS": directory / "logs"}
    plumb.ok("run", onchainlib.make_flow(directory / "flow"), "--once", env=env, timeout=RUN_SECONDS_MAX)
    return directory / "onchain.db"


def test_lost_99_percent_in_one_event_is_what_others_call_a_rug(store, truth):
    """The rule that made the labels, found by the flow's own tables: 864 rugs, one false alarm, 6 missed."""
    end = expected.last_event_seconds(FOLDER, max(row[0] for row in truth["syncs"]))
    drops = {"0x" + pool.hex(): drop or 0 for pool, drop in rows_of(store, "SELECT pool, drop_ppm FROM pool_state")}
    counts = Counter()
    for row in onchainlib.read_csv(FOLDER / "labels.csv.gz"):
        label = row["is_rugpull"] == "1"
        if row["pool"] in drops and not (label and float(row["rugpull_timestamp"]) > end):
            counts[drops[row["pool"]] >= 990_000, label] += 1
    assert (counts[True, True], counts[True, False], counts[False, True], counts[False, False]) == (864, 1, 6, 259)


def test_every_pool_is_as_computed(store, truth):
    rows = {"0x" + row[0].hex(): row[1:] for row in rows_of(
        store, "SELECT pool, syncs, reserve0, reserve1, drop_ppm FROM pool_state")}
    assert len(rows) == len(truth["pool_state"]) == 1167
    for pool, _, syncs, reserve0, reserve1, _, lost, lost_of, _, _ in truth["pool_state"]:
        found = rows[pool]
        assert (found[0], int256(found[1]), int256(found[2])) == (syncs, reserve0, reserve1), pool
        if lost is not None and lost * 5 >= lost_of:  # smaller losses make no moment of their own
            assert found[3] == lost * 10**6 // lost_of, pool


def test_balances_are_as_computed(store, truth):
    found = sorted(("0x" + token.hex(), "0x" + holder.hex(), int256(balance)) for token, holder, balance in rows_of(
        store, "SELECT token, holder, balance FROM balances"))
    assert found == truth["balances"]
