"""Tests of the lab itself: what our own node says is what a real one says, blooms and forks are right, and every
misbehaviour happens when asked for, and lets a client that asks again get done."""
import collections
import gzip
import json
import random

import pytest

from . import rpc_texts
from .abi import DEMO, created_address, encode, load_contracts, sources_hash, split_types
from .anvil import CHAIN_ID, Anvil, NoAnvil, Rpc, RpcError, find_anvil
from .fakechain import EMPTY_BLOOM, FULL_BLOOM, Chain, bloom_of, wants
from .hostile import FAULTS, SHARE_MAX, HostileNode, noise_topic
from .keccak import keccak, keccak_many
from .record import PLACE, load, load_chain, play_and_record

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SYNC = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"


@pytest.fixture(scope="module")
def kept():
    return load()


@pytest.fixture
def chain():
    return load_chain()[0]


@pytest.fixture(scope="module")
def anvil_program():
    try:
        return find_anvil()
    except NoAnvil as why:
        pytest.skip(f"no anvil: {why}")


@pytest.fixture(scope="module")
def real(anvil_program, kept):
    """A real node with the chain of the cassette."""
    from .market import play  # pylint: disable=import-outside-toplevel
    with Anvil(anvil_program) as node:
        play(node, settle=False)
        assert node.blocks(node.head())[0]["hash"] == kept["blocks"][-1]["hash"], "python3 -m chain.record was not run after a change"
        yield node


# Hashes, encodings, contracts.

def test_keccak_gives_the_published_hashes():
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert "0x" + keccak(b"Transfer(address,address,uint256)").hex() == TRANSFER


def test_many_hashes_at_once_are_the_single_ones():
    messages = [bytes([n]) * n for n in range(136)]
    assert keccak_many(messages) == [keccak(message) for message in messages]


def test_topics_made_by_the_compiler_are_hashes_of_the_signatures():
    for name, made in load_contracts().items():
        for text, topic in made["events"].items():
            if "((" in text or "(address token" in text:
                continue  # a tuple's names would have to be taken out of its text
            words = text[len("event "):text.rindex(")")].partition("(")
            types = ",".join(part.split()[0] for part in words[2].split(", ") if part)
            assert "0x" + keccak(f"{words[0]}({types})".encode()).hex() == topic, f"{name}: {text}"
        for function, selector in made["functions"].items():
            assert keccak(function.encode())[:4].hex() == selector, f"{name}.{function}"


def test_the_committed_contracts_are_those_of_the_sources():
    told = json.loads((DEMO / "contracts.json").read_text(encoding="utf-8"))["sources_sha256"]
    assert told == sources_hash(), "contracts/*.sol changed: run flows/onchain/demo/build"


def test_arguments_are_encoded_as_the_specification_shows():
    # The example f(uint256,uint32[],bytes10,bytes) of the ABI specification.
    encoded = encode(split_types("f(uint256,uint32[],bytes10,bytes)"), [0x123, [0x456, 0x789], b"1234567890", b"Hello, world!"])
    words = [encoded[place:place + 32].hex() for place in range(0, len(encoded), 32)]
    assert [int(word, 16) for word in words[:2]] == [0x123, 0x80]
    assert words[2] == b"1234567890".hex() + "0" * 44
    assert [int(word, 16) for word in words[3:8]] == [0xE0, 2, 0x456, 0x789, 13]
    assert words[8] == b"Hello, world!".hex() + "0" * 38
    assert len(words) == 9


def test_an_address_is_made_of_its_maker_and_number():
    # A well-known one: the maker's first four contracts.
    maker = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    assert created_address(maker, 0) == "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert created_address(maker, 1) == "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"


# The cassette and the real node.

def test_recorded_blooms_are_what_we_compute(kept):
    for block, receipts in zip(kept["blocks"], kept["receipts"]):
        assert bloom_of([log for receipt in receipts for log in receipt["logs"]]) == block["logsBloom"], block["number"]
        for receipt in receipts:
            assert bloom_of(receipt["logs"]) == receipt["logsBloom"]


def test_recorded_addresses_of_contracts_are_what_we_compute(kept):
    counts, made = collections.Counter(), 0
    for receipts in kept["receipts"]:
        for receipt in receipts:
            number = counts[receipt["from"]]
            counts[receipt["from"]] += 1
            if receipt["contractAddress"]:
                made += 1
                assert receipt["contractAddress"] == created_address(receipt["from"], number)
    assert made > 20


def test_the_cassette_is_what_the_market_plays_today(anvil_program):
    assert anvil_program
    assert play_and_record() == PLACE.read_bytes(), "record it again: cd tests && python3 -m chain.record"


def questions(real, kept):
    """Calls that both nodes must answer alike."""
    head, blocks = real.head(), kept["blocks"]
    some = [0, 1, 2, 7, 40, 65, 100, head]
    yield from [("eth_chainId",), ("eth_blockNumber",), ("eth_syncing",)]
    for number in some:
        yield "eth_getBlockByNumber", hex(number), False
        yield "eth_getBlockByHash", blocks[number]["hash"], False
        yield "eth_getBlockReceipts", hex(number)
        yield "eth_getLogs", {"blockHash": blocks[number]["hash"]}
        yield "eth_getLogs", {"blockHash": blocks[number]["hash"], "topics": [[TRANSFER, SYNC]]}
        for hashed in blocks[number]["transactions"][:3]:
            yield "eth_getTransactionReceipt", hashed
    yield from [("eth_getBlockByNumber", tag, False) for tag in ("latest", "earliest", "finalized")]
    yield from [("eth_getBlockByNumber", hex(head + 1), False), ("eth_getBlockByHash", "0x" + "12" * 32, False),
                ("eth_getTransactionReceipt", "0x" + "34" * 32)]
    story = kept["story"]
    token, pair = story["tokens"]["steady"]["token"], story["tokens"]["steady"]["pair"]
    weth = story["weth"]
    word = "0x" + "0" * 24 + pair[2:]
    for wanted in [{}, {"address": token}, {"address": [token, pair]}, {"address": []}, {"topics": []}, {"topics": [TRANSFER]},
                   {"topics": [[TRANSFER, SYNC]]}, {"topics": [None, word]}, {"topics": [TRANSFER, None, word]}, {"topics": [[], [], [word]]},
                   {"topics": [TRANSFER, [word, "0x" + "0" * 64]], "address": [weth, token]},
                   {"topics": [SYNC], "address": token}, {"address": token[:2] + token[2:].upper()}]:
        yield "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(head), **wanted}
    for low, high in [(5, 5), (0, 0), (30, 60), (head, head), (head - 3, head)]:
        yield "eth_getLogs", {"fromBlock": hex(low), "toBlock": hex(high)}
    yield "eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest", "address": pair}


def test_our_node_says_what_the_real_one_says(real, kept, chain):
    with HostileNode(chain) as ours:
        rpc = Rpc(ours.url)
        for call in questions(real, kept):
            assert rpc.call(*call) == real.rpc.call(*call), call
        asked = list(questions(real, kept))
        assert rpc.batch(asked) == real.rpc.batch(asked)
        rpc.close()
        assert not set(FAULTS) & set(ours.counters)


def test_a_real_reorg_replaces_blocks_and_takes_other_transactions(anvil_program):
    with Anvil(anvil_program) as node:
        token = node.deploy("Token", "Name", "SYM", 1000)
        node.mine(2)
        for _ in range(4):
            token.send("transfer(address,uint256)", node.accounts[1], 1)
            node.mine()
        before = node.blocks()
        paid = token.data("transfer(address,uint256)", node.accounts[2], 9)
        node.reorg(3, lambda: [(node.transaction(token.address, paid), 1)])
        after = node.blocks()
        assert [a["hash"] == b["hash"] for a, b in zip(before, after)] == [True] * 4 + [False] * 3
        assert [token.number("balanceOf(address)", node.accounts[n]) for n in (1, 2)] == [1, 9]
        token.send("transfer(address,uint256)", node.accounts[1], 1)
        node.mine()
        assert token.number("balanceOf(address)", node.accounts[1]) == 2


# The made-up chain.

def made_up(count=400, blocks=2000, **options):
    """A chain of random logs, some blocks with many."""
    rng = random.Random(7)
    addresses = ["0x" + rng.randbytes(20).hex() for _ in range(5)]
    logs, place = [], collections.Counter()
    for number in sorted(rng.choice(range(100, 100 + blocks)) for _ in range(count)):
        topics = [rng.choice([TRANSFER, SYNC]), *("0x" + bytes(12).hex() + rng.randbytes(20).hex() for _ in range(rng.randint(0, 2)))]
        logs.append({"address": rng.choice(addresses), "topics": topics, "data": "0x" + rng.randbytes(32).hex(), "blockNumber": hex(number),
                     "transactionHash": "0x" + rng.randbytes(32).hex(), "transactionIndex": hex(place[number]),
                     "logIndex": hex(place[number])})
        place[number] += 1
    return Chain(logs, first=100, last=100 + blocks, **options)


def check_branch(chain, fork, low, high):
    """Everything that must hold on one branch."""
    before = None
    for number in range(low, high + 1):
        block = chain.block(fork, number)
        assert block.number == number
        assert chain.locate(block.hash) == (fork.owner(number), number)
        if before:
            assert block.header["parentHash"] == before.hash
            assert int(block.header["timestamp"], 16) > int(before.header["timestamp"], 16)
        logs = [log for receipt in block.receipts() for log in receipt["logs"]]
        assert logs == [log for _, log in block.logs]
        assert len({log["logIndex"] for log in logs}) == len(logs)
        assert all((log["blockHash"], log["blockNumber"]) == (block.hash, hex(number)) for log in logs)
        assert block.header["logsBloom"] == (bloom_of(logs) if logs else EMPTY_BLOOM)
        assert json.loads(chain.text_at(fork, number)) == {**block.header, "transactions": block.transactions}
        before = block


def test_a_made_up_chain_is_consistent():
    chain = made_up(noise=0.3)
    check_branch(chain, chain.true, chain.first, chain.last)
    assert len([log for log in chain.truth() if log["topics"][0] != noise_topic()]) == 400
    assert len(chain.truth()) > 400


def test_a_false_bloom_has_more_bits_and_is_the_same_each_time():
    chain, right = made_up(false_blooms=0.2), made_up()
    more = 0
    for number in range(chain.first, chain.last + 1):
        said, true = (int(json.loads(c.text_at(c.true, number))["logsBloom"], 16) for c in (chain, right))
        assert said & true == true
        more += said != true
    assert 300 < more < 500
    assert chain.truth() == right.truth()


def test_a_fork_below_what_is_final_leaves_final_where_it_was():
    chain = made_up(head=1000)
    assert chain.final == 1000 - 64
    chain.fork(100)
    chain.tick()
    assert chain.view.head == 1001
    assert chain.final == 1000 - 64 and chain.hash_at(chain.view.fork, chain.final) != chain.hash_at(chain.true, chain.final)
    chain.unfork()
    assert chain.final == 1002 - 64


def test_times_of_blocks_go_through_the_known_ones():
    chain = made_up(times=[(100, 1000), (200, 2300), (1500, 99_000)])
    assert [chain.time_at(n) for n in (100, 150, 200, 1500, 1501)] == [1000, 1650, 2300, 99_000, 99_012]


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_a_fork_shares_what_is_below_and_nothing_above(depth):
    chain = made_up(head=1500)
    before = {chain.block(chain.true, n).hash for n in range(100, 1501)}
    fork = chain.fork(depth)
    assert chain.view == (fork, 1501) and fork.base == 1500 - depth
    check_branch(chain, fork, 1300, 1501)
    shown = [chain.block(fork, n).hash for n in range(100, 1502)]
    assert len(before & set(shown)) == 1401 - depth
    assert fork.logs or depth < 7
    chain.unfork()
    assert chain.view == (chain.true, 1502)
    assert {chain.block(chain.true, n).hash for n in range(100, 1501)} == before


def test_a_fork_of_a_fork_and_of_a_recorded_chain_is_consistent():
    chain, _ = load_chain(head=100)
    chain.fork(30)
    inner = chain.fork(10, longer=5)
    assert inner.parent.base == 70 and inner.base == 91 and chain.view.head == 106
    for number in range(60, 106):
        assert chain.block(inner, number + 1).header["parentHash"] == chain.block(inner, number).hash
    assert chain.busy_numbers(inner, 0, 200) == sorted(set(chain.busy_numbers(inner, 0, 200)))


def test_forks_come_and_go_and_the_true_branch_wins():
    chain = made_up(head=300, head_step=10, forks_max=12, fork_chance=0.5)
    finals = []
    for _ in range(1000):
        chain.tick()
        finals.append(chain.final)
        assert chain.view.fork is chain.true or chain.view.fork.base >= chain.final
    assert chain.view == (chain.true, chain.last) and len(chain.depths) == 12
    assert finals == sorted(finals) and finals[-1] == chain.last - chain.finality


# Misbehaviour.

class Client:
    """The smallest client that gets done: it asks everything again until two ways of asking agree."""

    TRIES = 400

    def __init__(self, node):
        self.node, self.rpc = node, Rpc(node.url)

    def ask(self, calls):
        """Results of calls in one batch, whole or not at all."""
        for _ in range(self.TRIES):
            try:
                return self.rpc.batch(calls)
            except RpcError:
                continue
            except Exception:  # pylint: disable=broad-except # whatever a broken answer leads to: a new connection, and again
                self.rpc.close()
                self.rpc = Rpc(self.node.url)
        raise AssertionError(f"no answer to {calls[0][0]} in {self.TRIES} tries")

    def block_logs(self, number):
        """The logs of a block: receipts and header must agree, and eth_getLogs with them."""
        for _ in range(self.TRIES):
            (header,) = self.ask([("eth_getBlockByNumber", hex(number), False)])
            if not header:
                continue
            receipts, logs = self.ask([("eth_getBlockReceipts", header["hash"]), ("eth_getLogs", {"blockHash": header["hash"]})])
            found = [log for receipt in receipts or [] for log in receipt["logs"]]
            right = bloom_of(found) == header["logsBloom"] if found else header["logsBloom"] == EMPTY_BLOOM
            if right and found == logs:
                return found
        raise AssertionError(f"block {number}: no two answers agree")


# Numbers that are no shares are not 0.0 when off; compression, which our client does not ask for, has a test of its own.
SHARES = [name for name, (off, _) in FAULTS.items() if isinstance(off, float) and off == 0.0 and name != "gzip"]


@pytest.mark.parametrize("fault", SHARES)
def test_a_fault_happens_and_a_client_that_asks_again_gets_done(fault):
    chain = made_up(count=300, blocks=60, head=120)
    if fault == "other_branch":
        chain.fork(5)
        chain.unfork()
    chain.view = chain.view._replace(head=159)
    more = {"passing_error": 0.5} if fault == "error_text" else {}
    more |= {"slow_seconds": 0.001, "stall_seconds": 0.001, "head_blocks": 30}
    with HostileNode(chain, seed=5, **{fault: 1.0}, **more) as node:
        client = Client(node)
        numbers = range(130, 150)
        found = [log for number in numbers for log in client.block_logs(number)]
        client.rpc.close()
        assert node.counters[fault] > 0 and not node.counters["crashed"]
    assert found == chain.truth(low=130, high=149)
    assert found


def test_a_compressed_body_is_the_body():
    with HostileNode(made_up(), gzip=1.0, budget={"gzip": 1}) as node:
        rpc = Rpc(node.url)
        body = json.dumps({"id": 1, "method": "eth_getBlockByNumber", "params": ["latest", False]})
        bodies = []
        for _ in range(2):
            rpc.connection.request("POST", "/", body, {"Accept-Encoding": "deflate, gzip"})
            answer = rpc.connection.getresponse()
            bodies.append((answer.getheader("Content-Encoding"), answer.read()))
        rpc.close()
        assert bodies[0][0] == "gzip" and bodies[1][0] is None and gzip.decompress(bodies[0][1]) == bodies[1][1]


def test_no_fault_happens_always_without_an_end():
    node = HostileNode(made_up(), cut=1.0, budget={"html": 2}, html=1.0)
    assert 0 < sum(node.happens("cut") for _ in range(1000)) < 1000 * (SHARE_MAX + 0.05)
    assert [node.happens("html") for _ in range(4)] == [True, True, False, False]
    assert node.counters["html"] == 2


def refusal(rpc, low, high):
    with pytest.raises(RpcError) as raised:
        rpc.call("eth_getLogs", {"fromBlock": hex(low), "toBlock": hex(high)})
    return raised.value.error["message"]


def test_caps_refuse_what_is_too_much_and_no_less():
    chain = made_up()
    with HostileNode(chain, span_cap=100, span_text="quicknode") as node:
        rpc = Rpc(node.url)
        assert refusal(rpc, 100, 200) == "eth_getLogs is limited to a 100 range"
        assert rpc.call("eth_getLogs", {"fromBlock": hex(100), "toBlock": hex(199)})
        node.faults.update(span_cap=0, results_cap=20, results_text="infura")
        text = refusal(rpc, 100, 1000)
        low, high = (int(part, 16) for part in text[text.index("[") + 1:text.index("]")].split(", "))
        assert low == 100 and len(rpc.call("eth_getLogs", {"fromBlock": hex(low), "toBlock": hex(high)})) <= 20
        node.faults["suggest"] = "same"
        assert "[0x64, 0x3e8]" in refusal(rpc, 100, 1000)
        node.faults["suggest"] = "reversed"
        assert "[0x3e8, 0x64]" in refusal(rpc, 100, 1000)
        node.faults.update(results_cap=0, bytes_cap=5000)
        assert refusal(rpc, 100, 1000) == "response too large"
        rpc.close()
        assert {name: node.counters[name] for name in ("span_cap", "results_cap", "bytes_cap", "suggest")} == {
            "span_cap": 1, "results_cap": 3, "bytes_cap": 1, "suggest": 3}


def test_a_lagging_node_gives_what_it_has_or_says_so():
    chain = made_up()
    with HostileNode(chain, lag=50) as node:
        rpc = Rpc(node.url)
        assert rpc.call("eth_blockNumber") == hex(chain.last - 50)
        assert rpc.call("eth_getBlockByNumber", hex(chain.last - 49), False) is None
        some = rpc.call("eth_getLogs", {"fromBlock": hex(chain.last - 500), "toBlock": hex(chain.last)})
        assert some == chain.truth(low=chain.last - 500, high=chain.last - 50)
        node.faults["lag_errors"] = True
        assert refusal(rpc, chain.last - 500, chain.last) == "block range extends beyond current head block"
        rpc.close()


def test_nonsense_is_refused(chain):
    with HostileNode(chain) as node:
        rpc = Rpc(node.url)
        known = chain.block(chain.true, 5).hash
        for call in [("eth_getLogs", {"fromBlock": "0x9", "toBlock": "0x1"}), ("eth_getLogs", {"blockHash": "0x" + "12" * 32}),
                     ("eth_getLogs", {"blockHash": known, "toBlock": "0x5"}), ("eth_getLogs", {"fromBlock": "nine"}), ("eth_nonsense",)]:
            with pytest.raises(RpcError):
                rpc.call(*call)
        assert rpc.post({"id": 1})["error"]["code"] == -32601
        rpc.close()


def test_a_pruned_node_answers_nothing_for_old_blocks():
    chain = made_up()
    with HostileNode(chain, pruned=1000) as node:
        rpc = Rpc(node.url)
        assert rpc.call("eth_getLogs", {"fromBlock": hex(100), "toBlock": hex(chain.last)}) == chain.truth(low=1000)
        number = chain.true.numbers[0]
        assert rpc.call("eth_getBlockByNumber", hex(number), False)["logsBloom"] != EMPTY_BLOOM
        assert not rpc.call("eth_getBlockReceipts", hex(number))
        rpc.close()
        assert node.counters["pruned"] > 1


def test_a_node_can_lack_methods_tags_batches_and_blooms():
    chain = made_up(bloom="full")
    with HostileNode(chain, no_receipts=True, no_finalized=True, chain_id=99, batch_cap=3) as node:
        rpc = Rpc(node.url)
        assert rpc.call("eth_chainId") == "0x63"
        assert rpc.call("eth_getBlockByNumber", "latest", False)["logsBloom"] == FULL_BLOOM
        for call in [("eth_getBlockReceipts", "latest"), ("eth_getBlockByNumber", "finalized", False)]:
            with pytest.raises(RpcError):
                rpc.call(*call)
        transaction = chain.truth()[0]["transactionHash"]
        assert rpc.call("eth_getTransactionReceipt", transaction)["transactionHash"] == transaction
        calls = [{"jsonrpc": "2.0", "id": n, "method": "eth_chainId", "params": []} for n in range(4)]
        assert len(rpc.post(calls[:3])) == 3 and rpc.post(calls)["error"]["message"] == "batch too large: maximum is 3"
        node.faults["batch_refused"] = True
        assert "error" in rpc.post(calls[:2])
        rpc.close()


def test_a_node_can_be_told_from_outside():
    chain = made_up(head=1500)
    with HostileNode(chain) as node:
        rpc = Rpc(node.url)
        rpc.path = "/admin"
        told = rpc.post({"set": {"missing_logs": 0.5}, "budget": {"cut": 1}, "fork": 9})
        assert (told["head"], told["fork"], told["forks"]) == (1501, 1, [9])
        assert node.faults["missing_logs"] == 0.5 and node.budget == {"cut": 1}
        assert rpc.post({"unfork": True, "grow": 3})["head"] == 1505
        rpc.close()


def test_the_same_seed_misbehaves_alike():
    def answers():
        with HostileNode(made_up(), seed=9, missing_logs=0.5, duplicate_logs=0.3, passing_error=0.3) as node:
            rpc = Rpc(node.url)
            calls = [{"jsonrpc": "2.0", "id": n, "method": "eth_getLogs", "params": [{"fromBlock": hex(100), "toBlock": hex(300 + n)}]}
                     for n in range(40)]
            return [rpc.post(call) for call in calls]
    assert answers() == answers()


def test_every_text_can_be_said():
    for texts in (rpc_texts.SPAN, rpc_texts.RESULTS, rpc_texts.SIZE):
        for status, code, message in texts.values():
            said = message.format(low="0x1", high="0x9", to="0x5", span=9, cap=5000, cap_comma="5,000", low_decimal=1, high_decimal=9,
                                  to_decimal=5)
            assert isinstance(code, int) and status in (200, 413) and "{" not in said


def test_the_market_tells_the_truth(kept):
    story, head = kept["story"], int(kept["blocks"][-1]["number"], 16)
    assert {told["kind"] for told in story["tokens"].values()} == {"honest", "slow rug", "fast rug", "trap", "wash", "mint", "name"}
    logs = [log for receipts in kept["receipts"] for receipt in receipts for log in receipt["logs"]]
    for label, told in story["tokens"].items():
        syncs = [(int(log["blockNumber"], 16), log["data"]) for log in logs if log["address"] == told["pair"] and log["topics"] == [SYNC]]
        assert syncs[0][0] == told["launched"], label
        weth_first = int(story["weth"], 16) < int(told["token"], 16)
        reserves = [int(data[2:66] if weth_first else data[66:], 16) for _, data in syncs]
        gone = reserves[-1] < max(reserves) / 4
        assert gone == (told["kind"] in ("slow rug", "fast rug", "mint", "trap")), f"{label}: {reserves[-1]} of {max(reserves)}"
        assert told["ended"] is None or told["ended"] in [block for block, _ in syncs], label
    fast = story["tokens"]["fast rug"]
    assert fast["ended"] - fast["launched"] == 20
    reorg = story["reorg"]
    assert reorg["token"] not in {log["address"] for log in logs} and not set(reorg["orphaned"]) & {b["hash"] for b in kept["blocks"]}
    assert reorg["first"] + reorg["depth"] < head and CHAIN_ID == kept["chain_id"]


def test_a_filter_takes_what_the_specification_says():
    log = {"address": "0x1", "topics": ["a", "b"]}
    assert wants(None, None, log) and wants({"0x1"}, [], log) and wants(None, [None, {"b", "c"}], log)
    assert not wants({"0x2"}, None, log) and not wants(None, [{"b"}], log) and not wants(None, [None, None, None], log)
