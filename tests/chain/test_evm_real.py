"""The evm source over a real node: the market played live, its reorg, other reorgs, and every odd event."""
import json

import pytest

from .abi import load_contracts
from .anvil import Anvil
from .evm import EVENTS, Place, raw
from .hostile import HostileNode
from .market import play
from .record import copy_of, load_chain
from .test_lab import anvil_program  # noqa: F401 # pylint: disable=unused-import # a fixture


@pytest.mark.parametrize("pace", [0.0, 0.02])
def test_the_market_is_followed_live_through_its_reorg(plumb, tmp_path, anvil_program, pace):
    with Anvil(anvil_program) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=0)
        process = place.start()
        story = play(node, seconds_per_block=pace)
        chain = copy_of(node)
        place.run_until_true(chain, process=process)
        assert chain.last == story["last"] + 65
        tokens = {row[0] for row in place.rows("SELECT DISTINCT address FROM transfers")}
        assert raw(story["tokens"]["steady"]["token"]) in tokens and raw(story["reorg"]["token"]) not in tokens
        # Tables after a reorg are those of a run that never saw it.
        clean = Place(plumb, tmp_path / "clean", [node.url], from_block=0)
        assert clean.once().code == 0
        clean.check(chain)


def test_a_run_that_ends_takes_what_there_is_and_the_next_one_the_rest(plumb, tmp_path, anvil_program):
    with Anvil(anvil_program) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=0)
        token = node.deploy("Token", "Name", "SYM", 10**24)
        node.mine()
        for block in range(5):
            for _ in range(block):
                token.send("transfer(address,uint256)", node.accounts[block], 10**20 + block)
            node.mine(1 + 20 * block)
            assert place.once().code == 0
            place.check(copy_of(node))


@pytest.mark.parametrize("depth", [1, 5, 20, 40])
def test_blocks_that_were_taken_back_are_replaced(plumb, tmp_path, anvil_program, depth):
    with Anvil(anvil_program) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=0)
        token = node.deploy("Token", "Name", "SYM", 10**24)
        node.mine(2)

        def pay(to, blocks):
            for _ in range(blocks):
                token.send("transfer(address,uint256)", node.accounts[to], 7)
                node.mine()

        pay(1, 50)
        assert place.once().code == 0
        # The node's own reorg: as many other blocks, then longer.
        again = token.data("transfer(address,uint256)", node.accounts[2], 9)
        node.reorg(depth, lambda: [(node.transaction(token.address, again), 0)])
        pay(3, 2)
        assert place.once().code == 0
        place.check(copy_of(node))
        # A branch dropped and another built in its place.
        before = node.snapshot()
        pay(4, depth)
        assert place.once().code == 0
        place.check(copy_of(node))
        node.revert(before)
        pay(5, depth + 1)
        assert place.once().code == 0
        place.check(copy_of(node))


def test_logs_of_another_shape_are_rejected_and_lose_nothing_else(plumb, tmp_path):
    chain, _ = load_chain()
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url], from_block=0)
        assert place.once().code == 0
        place.check(chain)
        # Three collectibles made and one given, a transfer of 2016, and five made by hand.
        strange = [log for log in chain.truth() if log["topics"] and log["topics"][0] == chain_topic() and not is_plain(log)]
        assert len(strange) == 10
        ((rejects,),) = place.rows("SELECT count(*) FROM _plumb_rejects")
        assert rejects == len(strange)


def chain_topic():
    return load_contracts()["Token"]["events"][EVENTS["Transfer"]]


def is_plain(log):
    return len(log["topics"]) == 3 and len(log["data"]) == 66 and all(int(word, 16) < 1 << 160 for word in log["topics"][1:])


ODD_TABLE = """\
flow: odd
store: sqlite:odd.db
sources:
  chain: {source}
tables:
{tables}
transforms:
{transforms}
"""


def test_every_event_of_the_contracts_can_be_declared(plumb, tmp_path):
    """Names, numbers at the ends of their ranges, text that is none, hashes, lists, an anonymous event."""
    chain, _ = load_chain()
    events = {"Hidden": {"event": "event Hidden(address indexed who, uint256 value) anonymous", "address": odd_address(chain)}}
    for text in load_contracts()["Odd"]["events"]:
        events.setdefault(text.split("(")[0].split()[1], text)
    columns = {
        "Named": "hashed: bytes, name: text, hashedBytes: bytes, raw: bytes", "Listed": "id: int256, tokens: json, pairs: json, flags: json",
        "Small": "a: int64, b: int64, c: int64, d: int256, e: int64, f: int256, g: bool, h: bytes, i: bytes, j: int64",
        "Basket": "id: int256, one: json, more: json, hashed: bytes", "Hidden": "who: bytes, value: int256",
        "Unnamed": "arg0: bytes, arg1: int256, arg2: text", "Nothing": "",
    }
    tables, transforms = [], []
    for name, more in columns.items():
        types = "chain_id: int64, block_number: int64, log_index: int64" + (", " + more if more else "")
        listed = ", ".join(f'"{part.split(":")[0].strip()}"' for part in types.split(","))
        tables.append(f"  {name.lower()}: {{key: [chain_id, block_number, log_index], columns: {{{types}}}}}")
        transforms.append(f"  {name.lower()}: {{from: chain.{name}, into: {name.lower()}, sql: 'SELECT {listed} FROM batch'}}")
    with HostileNode(chain) as node:
        place = Place(plumb, tmp_path / "flow", [node.url])
        place.store = place.directory / "odd.db"
        source = {"type": "evm", "rpc": [node.url], "events": events}
        (place.directory / "flow.yaml").write_text(
            ODD_TABLE.format(source=json.dumps(source), tables="\n".join(tables), transforms="\n".join(transforms)), encoding="utf-8")
        plumb.ok("run", place.directory, "--once", cwd=place.directory)
    assert place.rows("SELECT name, raw FROM named") == [("\ufffdnot text\ufffd", b"raw bytes")]
    assert place.rows("SELECT a, b, c, e, g, h, j FROM small ORDER BY a") == [
        (-128, 0, -2**55, -2**63, 0, bytes(4), 0), (127, 2**56 - 1, 2**55 - 1, 2**63 - 1, 1, bytes.fromhex("deadbeef"), 255)]
    (tokens, pairs, flags), empty = place.rows("SELECT tokens, pairs, flags FROM listed ORDER BY log_index")
    assert [len(json.loads(part)) for part in (tokens, pairs, flags)] == [2, 2, 3] and empty[:2] == ("[]", "[]")
    assert json.loads(pairs) == [[1, str(2**255)], [3, 4]]
    (one, more), none = place.rows("SELECT one, more FROM basket ORDER BY log_index")
    assert "<b>note</b>" in one and len(json.loads(more)) == 3 and none[1] == "[]"
    assert place.rows("SELECT arg2 FROM unnamed") == [("text",)]
    assert [len(place.rows(f'SELECT 1 FROM "{table}"')) for table in ("hidden", "nothing")] == [1, 1]
    plumb.ok("audit", place.directory, cwd=place.directory)


def odd_address(chain):
    topic = next(topic for text, topic in load_contracts()["Odd"]["events"].items() if "Small" in text)
    return next(log["address"] for log in chain.truth() if log["topics"][:1] == [topic])
