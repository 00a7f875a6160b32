"""That no log is missing: what receipts prove, by block or one by one, what blooms cannot know, and that plumb says so."""
import json

import pytest

from .evm import Place, plain_chain, true_rows
from .fakechain import Chain
from .hostile import HostileNode

FORKS = {"head": 200, "head_step": 3, "forks_max": 4, "fork_chance": 0.2, "fork_depth": 20}


def run(plumb, tmp_path, chain, node, truth=None, **options):
    """Runs to the end of the chain; the place. Without a truth, all of the chain's must be there. A chain that stands still is
    read by a run that ends, which leaves behind what it learned."""
    place = Place(plumb, tmp_path / "flow", [node.url], **options)
    if not chain.head_step:
        assert place.once().code == 0
        place.check(chain, truth)
    elif truth is None:
        place.run_until_true(chain)
    else:
        place.run_until(lambda: place.high() == chain.last and chain.view == (chain.true, chain.last))
        place.check(chain, truth)
    return place


def checked_by(place):
    return {how for (how,) in place.rows("SELECT DISTINCT how FROM _plumb_coverage")}


def facts(plumb, place):
    (source,) = json.loads(plumb.ok("status", place.directory, "--json", cwd=place.directory).stdout)["facts"]
    (chain,) = source["facts"]["chains"]
    return chain


# Polygon: eth_getLogs gave 848 logs of block 74,614,768, its receipts 856. State-sync logs stand in receipts only.

@pytest.mark.parametrize("listed", [True, False], ids=["transaction of the block", "transaction of no block"])
@pytest.mark.parametrize("lack", [{}, {"no_receipts": True}], ids=["by block", "by transaction"])
def test_receipts_find_logs_that_neither_logs_nor_blooms_show(plumb, tmp_path, listed, lack):
    chain = plain_chain(hidden=0.3, hidden_listed=listed, **FORKS)
    assert len(chain.truth()) > len(chain.truth(hidden=False)) + 40
    with HostileNode(chain, **lack) as node:
        # A receipt that no transaction of the block leads to cannot be asked for by itself: that is what blocks' receipts are for.
        found = listed or not lack
        place = run(plumb, tmp_path, chain, node, true_rows(chain, hidden=found), verify="receipts")
        assert checked_by(place) == {"receipts"}
        assert (node.counters["eth_getTransactionReceipt"] > 0) == bool(lack)


def test_blooms_do_not_know_of_hidden_logs_and_say_nothing(plumb, tmp_path):
    chain = plain_chain(hidden=0.3)
    with HostileNode(chain) as node:
        place = run(plumb, tmp_path, chain, node, true_rows(chain, hidden=False))
        assert checked_by(place) == {"bloom"} and facts(plumb, place)["outside_blooms"] == 0


def test_when_receipts_show_hidden_logs_blooms_are_not_called_a_proof(plumb, tmp_path):
    """Where a bloom says too much receipts are asked for, and these have more than blooms can show: what the rest has nobody knows."""
    chain = plain_chain(hidden=0.5, false_blooms=0.5)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        assert place.once().code == 0
        assert "unproved" in checked_by(place) and facts(plumb, place)["outside_blooms"] > 0
        shown = plumb.ok("status", place.directory, cwd=place.directory).stdout
        assert "unproved" in shown
        # Nothing is lost that a bloom or a log of the same question leads to, and nothing is there that is not true.
        least, most, found = true_rows(chain, hidden=False), true_rows(chain), place.tables()
        assert set(least["transfers"]) <= set(found["transfers"]) <= set(most["transfers"])


# Rollups whose headers have empty blooms.

@pytest.mark.parametrize("verify, fault, how", [("bloom", {}, "unproved"), ("receipts", {"missing_blocks": 0.5}, "receipts"),
                                                ("receipts", {"missing_logs": 0.5}, "receipts")], ids=str)
def test_empty_blooms_are_no_proof_and_receipts_are(plumb, tmp_path, verify, fault, how):
    chain = plain_chain(bloom="empty", **FORKS)
    with HostileNode(chain, **fault) as node:
        place = run(plumb, tmp_path, chain, node, verify=verify)
        assert how in checked_by(place) and checked_by(place) <= {how, "bloom"}, "a range without logs is not unproved"
        assert all(node.counters[name] for name in fault)


# Endpoints without eth_getBlockReceipts.

@pytest.mark.parametrize("verify, fault", [("bloom", {"missing_blocks": 0.9}), ("receipts", {"missing_logs": 0.9}),
                                           ("bloom", {"foreign_logs": 0.3, "missing_blocks": 0.3})], ids=str)
def test_receipts_one_by_one_prove_as_much(plumb, tmp_path, verify, fault):
    chain = plain_chain(noise=0.5)
    with HostileNode(chain, no_receipts=True, **fault) as node:
        place = run(plumb, tmp_path, chain, node, verify=verify)
        assert all(node.counters[name] for name in fault)
        assert node.counters["eth_getBlockReceipts"] < 60 < node.counters["eth_getTransactionReceipt"]
        assert checked_by(place) == {verify}
        assert facts(plumb, place)["endpoints"][0]["receipts"] == "by transaction"


def test_receipts_one_by_one_through_forks_lateness_and_failing_calls(plumb, tmp_path):
    chain = plain_chain(noise=0.2, **FORKS)
    with HostileNode(chain, no_receipts=True, receipts_late=0.2, head_blocks=20, passing_error=0.05, rate_item=0.02, batch_missing=0.1, null_block=0.02,
                     missing_logs=0.2) as node:
        run(plumb, tmp_path, chain, node, verify="receipts")
        assert len(chain.depths) == 4 and node.counters["receipts_late"] > 0


def test_where_there_are_no_receipts_at_all_it_is_said(plumb, tmp_path):
    chain = plain_chain()
    with HostileNode(chain, no_receipts=True, no_tx_receipts=True) as node:
        place = run(plumb, tmp_path, chain, node, verify="receipts")
        assert checked_by(place) == {"repeated"}
        assert facts(plumb, place)["endpoints"][0]["receipts"] == "none"


def test_an_endpoint_with_receipts_beside_one_without(plumb, tmp_path):
    chain = plain_chain()
    with HostileNode(chain, no_receipts=True, missing_logs=0.5) as one, HostileNode(chain, stall=0.5, stall_seconds=0.02) as other:
        place = Place(plumb, tmp_path / "flow", [one.url, other.url], verify="receipts")
        place.run_until_true(chain)
        assert other.counters["eth_getBlockReceipts"] > 0


# Chains that really have two logs with one index in a block.

def test_two_different_logs_with_one_index_are_both_kept(plumb, tmp_path):
    logs = plain_chain(count=60, blocks=60).truth()
    several = [place for place in range(1, len(logs)) if logs[place]["blockNumber"] == logs[place - 1]["blockNumber"]]
    for place in several[::3]:
        logs[place]["logIndex"] = logs[place - 1]["logIndex"]
    chain = Chain(logs, first=90, last=165)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        assert place.once().code == 0
        ((records,),) = place.rows("SELECT sum(records) FROM _plumb_coverage")
        assert records == len(logs) + len({log["blockNumber"] for log in logs})
        # A table keyed by the index holds one of the two, and the books say so.
        assert place.count() == len({(log["blockNumber"], log["logIndex"], log["topics"][0]) for log in logs}) < len(logs)
        plumb.ok("audit", place.directory, cwd=place.directory)
