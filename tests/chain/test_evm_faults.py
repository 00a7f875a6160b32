"""The evm source over nodes that misbehave: whatever they do, the tables end up true, and every misbehaviour really happened.

Each case runs a live `plumb run` over a chain of some hundred blocks whose head moves when it is asked for, through forks.
"""
import pytest

from . import rpc_texts
from .evm import Place, plain_chain, plain_logs
from .fakechain import Chain
from .hostile import HostileNode
from .test_lab import SHARES

FORKS = {"head": 200, "head_step": 3, "forks_max": 4, "fork_chance": 0.2, "fork_depth": 20}
QUICK = {"slow_seconds": 0.02, "stall_seconds": 0.05, "retry_after": "0"}


def run(plumb, tmp_path, chain, *nodes, **options):
    """Runs to the truth over nodes that are started here; what the run said."""
    for node in nodes:
        node.start()
    try:
        return Place(plumb, tmp_path / "flow", [node.url for node in nodes], **options).run_until_true(chain)
    finally:
        for node in nodes:
            node.stop()
            print(node.url, dict(node.counters))
            assert not node.counters["crashed"]


def test_a_good_node_with_forks(plumb, tmp_path):
    chain = plain_chain(**FORKS)
    run(plumb, tmp_path, chain, HostileNode(chain))
    assert len(chain.depths) == 4


# Faults of single calls are rarer than those of requests: a request may hold a hundred calls.
OF_CALLS = ("null_block", "rate_item", "passing_error", "error_text", "null_logs")
# Compression is not asked for on this machine.
OFTEN = [fault for fault in SHARES if fault != "gzip"]


@pytest.mark.parametrize("fault", OFTEN)
def test_one_fault_often(plumb, tmp_path, fault):
    chain = plain_chain(**FORKS, noise=0.2)
    share = 0.03 if fault in OF_CALLS else 0.2
    more = {"passing_error": 0.03, "error_text": 0.7} if fault == "error_text" else {fault: share}
    # Each refusal for asking too often makes a client slower, as it should: a few are enough.
    node = HostileNode(chain, seed=2, **more, **QUICK, budget={"rate_429": 4, "rate_item": 4})
    # Of a block's logs some may be missing without its bloom telling: that is what receipts are asked for.
    run(plumb, tmp_path, chain, node, **({"verify": "receipts"} if fault in ("missing_logs", "receipts_late") else {}))
    assert node.counters[fault] > 0


@pytest.mark.parametrize("fault", ["passing_error", "rate_item", "batch_missing"])
def test_a_fifth_of_all_calls_fails_and_only_these_are_asked_again(plumb, tmp_path, fault):
    """Of a hundred headers twenty are not there: the eighty are kept, and the twenty go with the next question."""
    chain = plain_chain(count=200, blocks=10_000)
    node = HostileNode(chain, **{fault: 0.9 if fault == "batch_missing" else 0.2})
    run(plumb, tmp_path, chain, node, span=2000, poll="500ms")
    headers, batches = node.counters["eth_getBlockByNumber"], node.counters["batches"]
    assert node.counters[fault] > 80
    assert headers < 1.35 * 10_000 and headers / batches > 25, "asked again for what was there, or in small questions"


def test_a_busy_block_whose_logs_are_of_another_fork_is_asked_again(plumb, tmp_path):
    """Twenty wrong logs are one reason to ask again, not twenty: else the block would soon pass as one that was asked often."""
    chain = Chain(plain_logs(600, 100, 400, seed=1, busiest=40), first=90, last=405, head=405)
    node = HostileNode(chain, foreign_logs=0.4)
    run(plumb, tmp_path, chain, node)
    assert node.counters["foreign_logs"] > 3


@pytest.mark.parametrize("seed", range(4))
def test_all_faults_at_once(plumb, tmp_path, seed):
    chain = plain_chain(seed=seed, **FORKS, noise=0.2, false_blooms=0.05)
    nodes = [HostileNode(chain, seed=seed + place, **dict.fromkeys(OFTEN, 0.03), budget=dict.fromkeys(OFTEN, 2), **QUICK, span_cap=40,
                         lag=place * 3) for place in range(2)]
    run(plumb, tmp_path, chain, *nodes, verify="receipts")
    assert sum(node.counters[fault] > 0 for fault in OFTEN for node in nodes) > len(OFTEN) / 2


@pytest.mark.parametrize("depth", [1, 2, 8, 63])
def test_forks_of_every_depth(plumb, tmp_path, depth):
    chain = plain_chain(head=250, head_step=1, forks_max=6, fork_chance=0.3, fork_depth=depth)
    run(plumb, tmp_path, chain, HostileNode(chain))
    assert len(chain.depths) == 6 and max(chain.depths) <= depth


@pytest.mark.parametrize("text", sorted(rpc_texts.SPAN))
@pytest.mark.parametrize("cap", [1, 10, 50])
def test_span_caps_in_every_providers_words(plumb, tmp_path, text, cap):
    chain = plain_chain()
    node = HostileNode(chain, span_cap=cap, span_text=text)
    run(plumb, tmp_path, chain, node, span=500)
    # A text that names no number leaves the cap to be found by trying.
    often = 60 if "{cap" in rpc_texts.SPAN[text][2] else 250
    assert 0 < node.counters["span_cap"] < often, "the cap is learned, not met again and again"


@pytest.mark.parametrize("suggest", ["right", "same", "reversed", "later"])
@pytest.mark.parametrize("text", sorted(rpc_texts.RESULTS))
def test_result_caps_in_every_providers_words(plumb, tmp_path, text, suggest):
    chain = plain_chain(count=800)
    node = HostileNode(chain, results_cap=25, results_text=text, suggest=suggest)
    run(plumb, tmp_path, chain, node)
    assert node.counters["results_cap"] > 0


@pytest.mark.parametrize("text", sorted(rpc_texts.SIZE))
def test_size_caps(plumb, tmp_path, text):
    chain = plain_chain(count=800)
    node = HostileNode(chain, bytes_cap=10_000, bytes_text=text)
    run(plumb, tmp_path, chain, node)
    assert node.counters["bytes_cap"] > 0


@pytest.mark.parametrize("lack", [{"no_receipts": True}, {"no_receipts": True, "no_tx_receipts": True}, {"no_finalized": True}, {"batch_refused": True}, {"batch_cap": 5},
                                  {"lag_errors": True, "head_back": 0.3}], ids=str)
def test_what_a_node_may_lack(plumb, tmp_path, lack):
    chain = plain_chain(**FORKS)
    run(plumb, tmp_path, chain, HostileNode(chain, **lack, empty_head=0.1))


@pytest.mark.parametrize("blooms", [{"bloom": "full"}, {"false_blooms": 0.3}], ids=str)
def test_blooms_that_say_too_much(plumb, tmp_path, blooms):
    chain = plain_chain(**FORKS, **blooms)
    run(plumb, tmp_path, chain, HostileNode(chain))


@pytest.mark.parametrize("verify, fault", [("bloom", "missing_blocks"), ("receipts", "missing_blocks"), ("receipts", "missing_logs")])
def test_missing_logs_are_found(plumb, tmp_path, verify, fault):
    chain = plain_chain(noise=0.5)
    node = HostileNode(chain, **{fault: 0.9})
    run(plumb, tmp_path, chain, node, verify=verify)
    assert node.counters[fault] > 0


def test_an_endpoint_that_pruned_is_told_apart_from_one_that_did_not(plumb, tmp_path):
    chain = plain_chain()
    # The one that has everything is slow, so that the other is asked as well.
    nodes = [HostileNode(chain, pruned=300), HostileNode(chain, stall=0.9, stall_seconds=0.05)]
    run(plumb, tmp_path, chain, *nodes)
    assert nodes[0].counters["pruned"] > 0


def test_an_answer_about_the_head_that_never_comes_is_not_waited_for_long(plumb, tmp_path):
    """With a timeout of a minute: what the head is, and what new blocks hold, is asked again after a few seconds."""
    chain = plain_chain(head=300)
    with HostileNode(chain, stall_seconds=60) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], timeout="60s")
        process = place.start()
        lost = []

        def is_done():
            if not lost and place.high() == 300:
                lost.append(node.faults.update(stall=1.0))
                node.budget["stall"] = 1
                chain.grow(1000)
            return lost and place.high() == chain.last

        node.budget["stall"] = 0
        place.run_until(is_done, process=process)
        assert node.counters["stall"] == 1
        place.check(chain)


def test_a_lagging_endpoint_beside_a_good_one(plumb, tmp_path):
    chain = plain_chain(**FORKS)
    run(plumb, tmp_path, chain, HostileNode(chain, lag=30), HostileNode(chain))


def test_an_endpoint_of_another_chain_is_not_asked(plumb, tmp_path):
    chain, other = plain_chain(), plain_chain(seed=99, chain_id=5)
    nodes = [HostileNode(chain), HostileNode(other)]
    run(plumb, tmp_path, chain, *nodes, chain_id=1)
    assert nodes[1].counters["eth_chainId"] > 0 and nodes[1].counters["eth_getLogs"] == 0


def test_an_endpoint_that_is_not_there_does_not_stop_the_other(plumb, tmp_path):
    chain = plain_chain()
    gone = HostileNode(chain).start()
    gone.stop()
    with HostileNode(chain) as node:
        Place(plumb, tmp_path / "flow", [gone.url, node.url]).run_until_true(chain)


def test_a_fork_below_what_was_final_stops_the_source_and_hurts_nothing(plumb, tmp_path):
    chain = plain_chain(head=300)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        place.run_until(lambda: place.high() == 300)
        before = place.tables()
        chain.fork(100)
        chain.grow(20)
        result = place.once()
        assert result.code == 1 and "below its last final block" in result.stderr and "block 236" in result.stderr
        assert place.tables() == before
        chain.unfork()
        chain.grow(1000)
        place.run_until_true(chain)


@pytest.mark.parametrize("logs_to", [400, 150], ids=["with logs to give up", "with only blocks to give up"])
def test_a_run_that_met_such_a_fork_waits_for_a_person_and_a_restart(plumb, tmp_path, logs_to):
    """The chain may well come back by itself: nothing is read until somebody has looked."""
    chain = Chain(plain_logs(300, 100, logs_to, seed=1), first=90, last=405, head=300)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        place.run_until(lambda: place.high() == 300)
        before = place.tables()
        chain.fork(100)
        chain.grow(20)
        asked = []

        def is_stopped():
            """Not asked any more for as long as three polls and backoffs would take."""
            asked.append(node.counters["requests"])
            return place.rows("SELECT 1 FROM _plumb_troubles WHERE class = 'conflict'") and len(asked) > 50 and asked[-1] == asked[-50]

        process = place.start()
        said = place.run_until(is_stopped, process=process)
        assert said.count("class=conflict") == 1 and "plumb rewind" in said and "below its last final block" in said
        assert place.tables() == before and before["transfers"]
        status = plumb.ok("status", place.directory, cwd=place.directory).stdout
        assert "conflict" in status and "below its last final block" in status
        # The fork stays: the rows below are given up by hand, and it goes on there.
        plumb.ok("rewind", place.directory, "chain", "--to", "190", cwd=place.directory)
        chain.true, chain.last = chain.view.fork, chain.view.head
        place.run_until_true(chain)


def test_an_endpoint_that_is_confused_for_a_moment_stops_nothing(plumb, tmp_path):
    chain = plain_chain(head=300)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        place.run_until(lambda: place.high() == 300)
        chain.fork(100)
        process = place.start()
        healed = []

        def is_done():
            if not healed and place.rows("SELECT 1 FROM _plumb_troubles WHERE message LIKE '%below its last final block%'"):
                healed.append(chain.unfork())
                chain.grow(1000)
            return healed and place.high() == chain.last

        said = place.run_until(is_done, process=process)
        assert "class=conflict" not in said
        place.check(chain)


@pytest.mark.parametrize("missed", [10, 63, 150])
def test_what_a_fork_left_behind_is_taken_back_after_a_long_pause(plumb, tmp_path, missed):
    """The run ends on a branch that dies; when it goes on, the node's final block may be far above."""
    chain = plain_chain(count=700, blocks=500, head=300)
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        place.run_until(lambda: place.high() == 300)
        chain.fork(5)
        place.run_until(lambda: place.high() == 301)
        chain.unfork()
        chain.grow(missed)
        assert place.once().code == 0
        chain.grow(1000)
        place.run_until_true(chain)
