"""More than one cursor in a source, over nodes that misbehave: several chains, blocks from before a lowered from_block, and addresses
that other events tell."""
import collections
import json
import random

import pytest

from .evm import SYNC, TRANSFER, Place, plain_chain, plain_logs, raw, true_rows
from .fakechain import Chain
from .hostile import HostileNode
from .keccak import keccak

FAULTS = {"missing_blocks": 0.1, "cut": 0.03, "passing_error": 0.03, "batch_shuffled": 0.5, "duplicate_logs": 0.1,
          "null_block": 0.02, "head_back": 0.05}
FORKS = {"head": 200, "head_step": 3, "forks_max": 4, "fork_chance": 0.2, "fork_depth": 20}


def transfers_of(place):
    return sorted(place.rows("SELECT chain_id, block_number, log_index, block_hash FROM transfers"))


def true_transfers(chain):
    return [(chain.chain_id, *row[:3]) for row in true_rows(chain)["transfers"]]


def covered(place):
    """{partition: (from, to)}"""
    rows = place.rows("SELECT p.name, min(c.low), max(c.high) FROM _plumb_coverage c JOIN _plumb_partitions p ON p.id = c.partition GROUP BY 1")
    return {name: (low, high) for name, low, high in rows}


# Several chains.

class Several(Place):
    """A flow over some chains, each with endpoints of its own."""

    def __init__(self, plumb, directory, chains):
        listed = [{"rpc": [node.url for node in nodes], "chain_id": chain.chain_id, "from_block": chain.first} for chain, nodes in chains]
        super().__init__(plumb, directory, [], chains=listed)
        flow = directory / "flow.yaml"
        text = flow.read_text(encoding="utf-8").replace('"rpc": [], "from_block": 90, ', "")
        assert '"chains"' in text and '"rpc": [],' not in text
        flow.write_text(text, encoding="utf-8")


def three_chains():
    return [Chain(plain_logs(300, 100, 400, seed), first=90, last=405, seed=seed, chain_id=chain_id, **FORKS)
            for seed, chain_id in ((1, 1), (2, 137), (3, 8453))]


def are_at_end(chains):
    return all(chain.view == (chain.true, chain.last) for chain in chains)


def test_several_chains_with_forks_and_faults_of_their_own(plumb, tmp_path):
    chains = three_chains()
    nodes = [HostileNode(chain, seed=place, **FAULTS).start() for place, chain in enumerate(chains)]
    try:
        place = Several(plumb, tmp_path / "flow", [(chain, [node]) for chain, node in zip(chains, nodes)])
        truth = sorted(row for chain in chains for row in true_transfers(chain))
        ends = {str(chain.chain_id): (chain.first, chain.last) for chain in chains}
        place.run_until(lambda: are_at_end(chains) and covered(place) == ends and transfers_of(place) == truth)
        plumb.ok("audit", place.directory, cwd=place.directory)
    finally:
        for node in nodes:
            node.stop()
    assert all(len(chain.depths) == 4 for chain in chains)
    happened = sum((node.counters for node in nodes), collections.Counter())
    assert all(happened[fault] for fault in FAULTS), happened


def test_a_chain_that_is_gone_does_not_hold_up_the_others(plumb, tmp_path):
    chains = three_chains()[:2]
    gone = HostileNode(chains[1], no_answer=0.9)
    gone.happens = lambda name: name == "no_answer"  # always
    with HostileNode(chains[0], **FAULTS) as node, gone:
        place = Several(plumb, tmp_path / "flow", [(chains[0], [node]), (chains[1], [gone])])
        truth = true_transfers(chains[0])
        said = place.run_until(lambda: are_at_end(chains[:1]) and covered(place) == {"1": (90, 405)} and transfers_of(place) == truth)
        assert "no endpoint answers" in said
        del gone.happens  # it is back
        gone.faults["no_answer"] = 0
        both = sorted(truth + true_transfers(chains[1]))
        place.run_until(lambda: are_at_end(chains) and transfers_of(place) == both)
        plumb.ok("audit", place.directory, cwd=place.directory)


def test_two_chains_with_each_others_endpoints_are_told(plumb, tmp_path):
    chains = three_chains()[:2]
    with HostileNode(chains[0]) as one, HostileNode(chains[1]) as other:
        place = Several(plumb, tmp_path / "flow", [(chains[0], [other]), (chains[1], [one])])
        result = place.once()
        assert result.code != 0 and "no endpoint can be used" in result.stderr and "is of chain 137, not 1" in result.stderr
        assert transfers_of(place) == []


# A lowered from_block.

@pytest.mark.parametrize("faults", [{}, FAULTS], ids=["good node", "faulty node"])
def test_blocks_before_a_lowered_from_block_are_read_beside_the_others(plumb, tmp_path, faults):
    chain = plain_chain(**FORKS)
    with HostileNode(chain, **faults) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=180)
        place.run_until(lambda: (place.high() or 0) > 210)
        for first in (150, 90):  # lowered, and lowered again
            place = Place(plumb, tmp_path / "flow", [node.url], from_block=first)
            process = place.start()
            place.run_until(lambda first=first: covered(place).get(f"1.before-{180 if first == 150 else 150}", (None, 0))[0] == first,
                            process=process)
        if chain.view != (chain.true, chain.last):
            place.run_until_true(chain)
        assert place.once().code == 0
        place.check(chain)
        assert covered(place) == {"1": (180, 405), "1.before-180": (150, 179), "1.before-150": (90, 149)}
        # Raised again it changes nothing: what was read stays.
        again = Place(plumb, tmp_path / "flow", [node.url], from_block=180)
        assert again.once().code == 0
        again.check(chain)
    assert len(chain.depths) == 4


def test_a_lowered_from_block_after_a_kill_is_the_same(plumb, tmp_path):
    chain = plain_chain(count=2000, blocks=6000)
    with HostileNode(chain, stall=0.9, stall_seconds=0.01, **FAULTS) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=6050, span=10, span_max=40)
        assert place.once().code == 0
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=90, span=10, span_max=40)
        for least in (200, 1000, 3000):
            process = place.start()
            try:
                place_is_there = lambda least=least: covered(place).get("1.before-6050", (0, 0))[1] >= least  # noqa: E731
                wait_until(place_is_there, process)
            finally:
                process.kill()
                process.communicate()
        assert place.once().code == 0
        place.check(chain)


def wait_until(done, process, seconds=30):
    import time  # pylint: disable=import-outside-toplevel
    deadline = time.monotonic() + seconds
    while not done():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


# Learned addresses.

CREATED = "0x" + keccak(b"PairCreated(address,address,address,uint256)").hex()
LEARNING = {
    "PairCreated": {"event": "event PairCreated(address indexed token0, address indexed token1, address pair, uint256)",
                    "address": "0x" + "fa" * 20},
    "Transfer": "event Transfer(address indexed from, address indexed to, uint256 value)",
    "Sync": {"event": "event Sync(uint112 reserve0, uint112 reserve1)", "address": {"learned": "PairCreated.pair"}},
}


def pair_logs(pairs, first, last, seed):
    """A factory's pairs and a forger's, each with Syncs also before it is made, in its block, and after."""
    rng = random.Random(seed)
    found = collections.defaultdict(list)
    for _ in range(pairs):
        address, born = "0x" + rng.randbytes(20).hex(), rng.randint(first, last - 20)
        factory = "0x" + ("fa" if rng.random() < 0.7 else "fb") * 20
        found[born].append({"address": factory, "topics": [CREATED, "0x" + rng.randbytes(20).hex().zfill(64), "0x" + rng.randbytes(20).hex().zfill(64)],
                            "data": "0x" + address[2:].zfill(64) + f"{1:064x}"})
        for number in [born, max(first, born - 3), *(rng.randint(born, last) for _ in range(6))]:
            found[number].append({"address": address, "topics": [SYNC], "data": "0x" + rng.randbytes(14).hex().zfill(64) * 2})
    logs = []
    for number, here in sorted(found.items()):
        rng.shuffle(here)
        for place, log in enumerate(here):
            logs.append({**log, "blockNumber": hex(number), "logIndex": hex(place), "transactionIndex": hex(place),
                         "transactionHash": "0x" + rng.randbytes(32).hex()})
    return logs


def true_syncs(chain):
    """Those of addresses that the factory had named by then, its own block whole."""
    born = {}
    for log in chain.truth():
        if log["topics"][0] == CREATED and log["address"] == "0x" + "fa" * 20:
            born.setdefault("0x" + log["data"][26:66], int(log["blockNumber"], 16))
    return sorted((int(log["blockNumber"], 16), int(log["logIndex"], 16), raw(log["blockHash"]), raw(log["address"])) for log in chain.truth()
                  if log["topics"][0] == SYNC and born.get(log["address"], 1 << 60) <= int(log["blockNumber"], 16))


@pytest.mark.parametrize("faults, options", [({}, {}), (FAULTS, {}), ({"missing_logs": 0.2, "no_receipts": True}, {"verify": "receipts"}),
                                             ({**FAULTS, "span_cap": 7}, {"span": 40})], ids=["good", "faulty", "single logs missing", "capped"])
def test_learned_addresses_through_forks_and_faults(plumb, tmp_path, faults, options):
    chain = Chain(pair_logs(60, 100, 400, seed=4), first=90, last=405, noise=0.2, seed=4, **FORKS)
    truth = true_syncs(chain)
    assert 150 < len(truth) < sum(log["topics"][0] == SYNC for log in chain.truth()) - 50
    with HostileNode(chain, **faults) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], events=LEARNING, **options)
        found = "SELECT block_number, log_index, block_hash, address FROM syncs"
        place.run_until(lambda: chain.view == (chain.true, chain.last) and place.high() == chain.last and sorted(place.rows(found)) == truth)
        plumb.ok("audit", place.directory, cwd=place.directory)
        # Lowered, the blocks after would have to be read again for what the ones before teach.
        Place(plumb, tmp_path / "flow", [node.url], from_block=80, events=LEARNING, **options)
        result = place.once()
        assert result.code == 78 or "from_block was lowered" in result.stderr, result
        assert sorted(place.rows(found)) == truth
    assert len(chain.depths) == 4


def test_topics_here_are_those_of_the_market():
    assert TRANSFER == "0x" + keccak(b"Transfer(address,address,uint256)").hex()
